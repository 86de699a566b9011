"""What clients call models are the hub's providers."""

from __future__ import annotations

import pytest

from asr_hub.errors import NotFound
from asr_hub.protocols.compat.ports import Models

pytestmark = pytest.mark.unit

PROVIDERS = ("sphinx", "whisper")


def test_an_alias_a_provider_and_any_other_name() -> None:
    models = Models({"whisper-1": "whisper", "*": "sphinx"}, PROVIDERS)
    assert [models.provider(name) for name in ("whisper-1", "whisper", "nova-3", None)] == [
        "whisper",
        "whisper",
        "sphinx",
        "sphinx",
    ]
    assert models.names == ("whisper-1", "sphinx", "whisper")


def test_without_aliases_any_name_is_the_default() -> None:
    models = Models({}, PROVIDERS)
    assert models.provider("gpt-4o-transcribe") is None and models.provider("sphinx") == "sphinx"


def test_strict_names_are_refused_and_what_there_is_told() -> None:
    models = Models({"whisper-1": "whisper", "*": "sphinx"}, PROVIDERS, is_strict=True)
    with pytest.raises(NotFound, match="whisper-1, sphinx, whisper") as refused:
        models.provider("x" * 1000)
    assert refused.value.code == "model-not-found" and len(str(refused.value)) < 200
    assert models.provider(None) == "sphinx"
