"""A matrix product that stays on the core it is called on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_MULTIPLICATIONS = 256 * 1024
"""
In one product. OpenBLAS, which numpy brings, shares larger ones among all cores (SMP_THRESHOLD_MIN *
GEMM_MULTITHREAD_THRESHOLD in its interface/gemm.c), and its threads then spin where the engines want to run: many small
products cost twice the time of a large one, but a tenth of what a shared one burns.
"""

Floats = npt.NDArray[np.float32]


def product(rows: Floats, weight: Floats) -> Floats:
    """`rows` [n, in] times `weight` [in, out]."""
    inputs, outputs = weight.shape
    result = np.empty((len(rows), outputs), dtype=np.float32)
    # Never one row: that would be a product of OpenBLAS's other kind, shared from much smaller sizes on.
    step = max(2, MAX_MULTIPLICATIONS // weight.size)
    whole = len(rows) - len(rows) % step
    np.matmul(rows[:whole].reshape(-1, step, inputs), weight, out=result[:whole].reshape(-1, step, outputs))
    rest = rows[whole:]
    result[whole:] = (rest.repeat(2, axis=0) @ weight)[:1] if len(rest) == 1 else rest @ weight
    return result
