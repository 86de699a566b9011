from __future__ import annotations

import pytest

from asr_hub.errors import ConfigError, NotFound
from asr_hub.models.catalogue import NAME, catalogue, known, wanted

pytestmark = pytest.mark.unit

MODELS = catalogue().models


def test_names_and_aliases_are_one_of_a_kind_and_names_of_folders() -> None:
    names = [name for model in MODELS for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))
    assert all(NAME.fullmatch(name) for name in names)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_entry_is_whole(model: object) -> None:
    assert model in MODELS
    for entry in MODELS:
        if entry is model:
            assert entry.engine in catalogue().engines
            assert entry.size > 1_000_000
            assert entry.licence and entry.languages and entry.about.endswith(".")
            kind, _, rest = entry.source.partition(":")
            assert (kind == "hf" and rest.count("/") == 1) or (kind == "vosk" and rest == entry.name)


def test_every_engine_of_the_hub_that_needs_weights_has_one() -> None:
    assert {model.engine for model in MODELS} == set(catalogue().engines)


def test_a_repository_is_a_model_of_the_engine_that_is_named() -> None:
    model = wanted("hf:me/mine@v1.2", "sherpa-onnx")
    assert (model.name, model.engine, model.source) == ("me--mine@v1.2", "sherpa-onnx", "hf:me/mine@v1.2")
    assert model.page == "https://huggingface.co/me/mine"
    assert wanted("hf:Systran/faster-whisper-tiny", "faster-whisper").name == "faster-whisper-tiny"


@pytest.mark.parametrize(
    "name", ["hf:me", "hf:me/../x", "hf:../x", "hf:me/x@", "hf:me/x@../y", "hf:me/x y", "hf:me/x/y", "hf:", "hf:me/.x"]
)
def test_what_is_no_repository_is_not_known(name: str) -> None:
    assert known(name, "vosk") is None
    with pytest.raises(NotFound):
        wanted(name, "vosk")


@pytest.mark.parametrize(
    ("name", "engine", "error", "said"),
    [
        ("tinny", None, NotFound, "did you mean tiny"),
        ("zzzzzz", None, NotFound, "`asr-hub models list` shows the names"),
        ("me/mine", None, NotFound, "write hf:me/mine"),
        ("hf:me/mine", None, ConfigError, "--engine with one of faster-whisper, funasr"),
        ("tiny", "kaldi", ConfigError, "--engine kaldi: models are kept for"),
        ("tiny", "vosk", NotFound, "is not in the catalogue"),
    ],
)
def test_a_wrong_name_is_told(name: str, engine: str | None, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        wanted(name, engine)
    assert said in str(caught.value)
