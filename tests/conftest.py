"""What holds for all tests."""

from __future__ import annotations

import os
import platform

from hypothesis import HealthCheck, settings

if platform.machine() == "x86_64":
    # The exact answers of small models are those of one arithmetic, and CTranslate2 picks by the processor's maker.
    os.environ.setdefault("CT2_USE_MKL", "1")

# No test looks at the clock: a busy machine is no defect.
settings.register_profile("asr-hub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("asr-hub")
