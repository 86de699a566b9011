"""What holds for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test looks at the clock: a busy machine is no defect.
settings.register_profile("asr-hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asr-hub")
