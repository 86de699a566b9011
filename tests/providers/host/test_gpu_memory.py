from __future__ import annotations

import pytest

from asr_hub.errors import ConfigError
from asr_hub.providers.host.gpu_memory import hold_torch_to, refuse_budget

pytestmark = pytest.mark.unit


def test_a_budget_that_cannot_be_held_is_refused() -> None:
    with pytest.raises(ConfigError, match="memory_mb"):
        refuse_budget("an engine", "cuda:0", 4000)


@pytest.mark.parametrize(("device", "budget"), [("cuda:0", None), ("cpu", 4000), ("cpu", None)])
def test_where_there_is_none_or_the_kernel_holds_it_nothing_happens(device: str, budget: int | None) -> None:
    refuse_budget("an engine", device, budget)
    hold_torch_to(device, budget)
