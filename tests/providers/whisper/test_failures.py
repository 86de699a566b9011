"""CTranslate2 names its errors in the text only."""

from __future__ import annotations

import pytest

from asr_hub.errors import OutOfMemory, ProviderError
from asr_hub.providers.host.engine import Broken
from asr_hub.providers.whisper.failures import named

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("raised", "means"),
    [
        (RuntimeError("CUDA failed with error out of memory"), OutOfMemory),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"), OutOfMemory),
        (RuntimeError("std::bad_alloc"), OutOfMemory),
        (MemoryError("std::bad_alloc"), OutOfMemory),
        (RuntimeError("CUDA failed with error unspecified launch failure"), Broken),
        (RuntimeError("CUDA failed with error an illegal memory access was encountered"), Broken),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_EXECUTION_FAILED"), Broken),
        (RuntimeError("CUDA driver version is insufficient for CUDA runtime version"), Broken),
        (RuntimeError("Library libcublas.so.12 is not found or cannot be loaded"), Broken),
        (RuntimeError("No position encodings are defined for positions >= 448"), ProviderError),
        (ValueError("Invalid input features shape"), ProviderError),
    ],
)
def test_each_error_gets_its_meaning(raised: Exception, means: type[Exception]) -> None:
    with pytest.raises(means) as caught, named():
        raise raised
    assert caught.type is means
    assert caught.value.__cause__ is raised


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), named():
        raise ZeroDivisionError
