from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_hub.errors import NotFound, ProviderUnavailable
from asr_hub.models.folder import find, models_folder, place

pytestmark = pytest.mark.unit


def test_the_folder_is_the_variable_or_the_xdg_data_directory() -> None:
    assert models_folder({"ASR_HUB_MODELS": "/m", "HOME": "/h"}) == Path("/m")
    assert models_folder({"XDG_DATA_HOME": "/d", "HOME": "/h"}) == Path("/d/asr-hub/models")
    assert models_folder({"XDG_DATA_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/share/asr-hub/models")
    assert models_folder({"ASR_HUB_MODELS": "", "HOME": "/h"}) == Path("/h/.local/share/asr-hub/models")


def test_a_folder_that_exists_wins(tmp_path: Path) -> None:
    env = {"ASR_HUB_MODELS": str(tmp_path / "models")}
    assert find(str(tmp_path), engine="vosk", env=env) == tmp_path


@pytest.mark.parametrize(
    ("asked", "engine", "folder"),
    [
        ("faster-whisper-tiny", "faster-whisper", "faster-whisper-tiny"),
        ("tiny", "faster-whisper", "faster-whisper-tiny"),
        ("my-own", "vosk", "my-own"),
        ("hf:me/mine@v1", "funasr", "me--mine@v1"),
    ],
)
def test_a_name_is_looked_up_below_its_engine(tmp_path: Path, asked: str, engine: str, folder: str) -> None:
    env = {"ASR_HUB_MODELS": str(tmp_path)}
    with pytest.raises(ProviderUnavailable):
        find(asked, engine=engine, env=env)
    (tmp_path / "other" / folder).mkdir(parents=True)
    with pytest.raises(ProviderUnavailable):
        find(asked, engine=engine, env=env)
    (tmp_path / engine / folder).mkdir(parents=True)
    assert find(asked, engine=engine, env=env) == tmp_path / engine / folder


@pytest.mark.parametrize(
    ("asked", "engine", "said"),
    [
        ("small", "faster-whisper", "do: asr-hub models pull faster-whisper-small."),
        ("hf:me/mine", "funasr", "do: asr-hub models pull hf:me/mine --engine funasr."),
        ("me/mine", "funasr", "asr-hub models pull hf:me/mine --engine funasr"),
        ("smal", "faster-whisper", "the model 'smal' is not here; did you mean small or "),
        ("smal", "vosk", "the model 'smal' is not here; put its files into"),
        ("unheard-of", "vosk", "put its files into {folder}/vosk/unheard-of"),
        ("vosk-model-small-en-us-0.15", "vosk", "into {folder}/vosk/vosk-model-small-en-us-0.15. vosk needs am/"),
        ("paraformer-zh", "funasr", "from https://huggingface.co/funasr/paraformer-zh into {folder}/funasr"),
        ("", "vosk", "there is no folder ''"),
    ],
)
def test_a_model_that_is_not_here_is_told_with_what_to_do(tmp_path: Path, asked: str, engine: str, said: str) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        find(asked, engine=engine, env={"ASR_HUB_MODELS": str(tmp_path)})
    assert said.format(folder=tmp_path) in str(caught.value)


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from(["..", ".", "/", "\\", "a", "\0", "~", "hf:", "@", ".part"]), max_size=8).map("".join),
)


@given(name=HOSTILE, engine=st.sampled_from(["vosk", "..", "a/b"]))
def test_no_name_leads_out_of_the_folder(name: str, engine: str) -> None:
    try:
        found = place(engine, name, env={"ASR_HUB_MODELS": "/models"})
    except NotFound:
        return
    assert found.parts[:3] == ("/", "models", "vosk")
    assert found.parts[3:] == (name,)
    assert not name.startswith(".")


@given(name=HOSTILE)
def test_find_gives_a_folder_or_says_why_not(name: str) -> None:
    try:
        assert find(name, engine="vosk", env={"ASR_HUB_MODELS": "/nowhere"}).is_dir()
    except ProviderUnavailable as exc:
        assert str(exc)
