from __future__ import annotations

import numpy as np
import pytest

from asr_hub.audio.operators.fsmn_product import MAX_MULTIPLICATIONS, product

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("inputs", [3, 128, 400, MAX_MULTIPLICATIONS])
def test_it_is_the_product(inputs: int) -> None:
    chance = np.random.default_rng(inputs)
    weight = chance.normal(0, 1, (inputs, 7 if inputs < 1000 else 1)).astype(np.float32)
    for count in (0, 1, 2, 3, 5, 93, 94):
        rows = chance.normal(0, 1, (count, inputs)).astype(np.float32)
        wanted = rows.astype(np.float64) @ weight
        np.testing.assert_allclose(product(rows, weight), wanted, atol=1e-4 * np.sqrt(inputs))
