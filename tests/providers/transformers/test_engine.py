"""The transformers engine in this process: the real library, tiny random checkpoints, its own answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.speech import noise, silence

pytest.importorskip("torch", reason="torch has no wheel for this Python")
pytest.importorskip("transformers", reason="transformers is not installed")

import transformers
from tests.providers.transformers import checkpoints, direct

from asr_hub.errors import ClientError, ConfigError, OutOfMemory, ProviderUnavailable
from asr_hub.providers.host.engine import Broken, Clip
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.transformers.engine import TransformersEngine, load
from asr_hub.providers.transformers.families import Spoken
from asr_hub.providers.transformers.settings import TransformersSettings, missing
from asr_hub.providers.worker_messages import Begin

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test").pcm
OTHERS = (noise(1.3), CLIP[: len(CLIP) // 2 // 2 * 2], silence(0.03))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def whisper(folder: Path) -> Path:
    return checkpoints.whisper(folder / "whisper", languages=("de", "en"))


def _load(folder: Path, **settings: Any) -> TransformersEngine:
    return load({"model": str(folder), "max_new_tokens": direct.TOKENS, **settings})


def _clip(pcm: bytes, **begin: Any) -> Clip:
    return Clip(pcm=pcm, begin=Begin(sample_rate=16_000, **begin))


def _hear(engine: TransformersEngine, pcm: bytes, **begin: Any) -> str:
    (heard,) = engine.recognise([_clip(pcm, **begin)])
    return heard.text


def test_whisper_says_what_the_library_says_alone_and_in_a_batch(whisper: Path) -> None:
    engine = _load(whisper)
    alone = [_hear(engine, pcm, language="en") for pcm in (CLIP, *OTHERS)]
    assert alone[0] == direct.whisper(whisper, CLIP, language="en") and len(set(alone)) > 2
    together = engine.recognise([_clip(pcm, language="en") for pcm in (CLIP, *OTHERS)])
    assert [heard.text for heard in together] == alone
    assert [heard.end for heard in together] == [len(pcm) // 32 for pcm in (CLIP, *OTHERS)]


def test_whisper_listens_for_the_language_that_is_asked_for(whisper: Path) -> None:
    engine = _load(whisper)
    english, german = (_hear(engine, CLIP, language=language) for language in ("en-US", "de"))
    assert english == direct.whisper(whisper, CLIP, language="en") != german
    assert german == direct.whisper(whisper, CLIP, language="de") == _hear(_load(whisper, language="de"), CLIP)
    assert engine.languages == ("de", "en") and engine.max_clip_s == 30.0
    assert engine.bucket(_clip(CLIP, language="de")) != engine.bucket(_clip(CLIP, language="en"))
    with pytest.raises(ClientError, match="'fr'") as refused:
        _hear(engine, CLIP, language="fr")
    assert refused.value.code == "unsupported-language"


def test_an_english_whisper_is_not_asked_for_a_language(folder: Path) -> None:
    english = checkpoints.whisper(folder / "english")
    engine = _load(english)
    assert engine.languages == ("en",)
    assert _hear(engine, CLIP, language="en") == direct.whisper(english, CLIP)


def test_features_are_made_on_the_models_device(whisper: Path) -> None:
    processor = transformers.AutoProcessor.from_pretrained(whisper)
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(whisper).eval()
    devices: list[str] = []

    class Asked(type(processor.feature_extractor)):  # type: ignore[misc]  # the library has no types
        def __call__(self, *args: Any, device: str = "not said", **options: Any) -> Any:
            devices.append(device)
            return super().__call__(*args, device="cpu", **options)

    processor.feature_extractor.__class__ = Asked
    settings = TransformersSettings(model=str(whisper), max_new_tokens=direct.TOKENS)
    Spoken(model, processor, settings).hear([np.zeros(16_000, np.float32)], "en")
    assert devices == [str(model.device)]


def test_ctc_tells_when_each_word_is_said(folder: Path) -> None:
    masked = checkpoints.wav2vec2(folder / "masked", masked=True)
    engine = _load(masked)
    texts = [_hear(engine, pcm) for pcm in (CLIP, *OTHERS[:2])]
    assert texts == [direct.wav2vec2(masked, pcm) for pcm in (CLIP, *OTHERS[:2])]
    together = engine.recognise([_clip(pcm) for pcm in (CLIP, *OTHERS[:2])])
    assert [heard.text for heard in together] == texts and any(texts)
    for heard in together:
        assert " ".join(word.text for word in heard.words) == heard.text
        times = [time for word in heard.words for time in (word.start, word.end)]
        assert times == sorted(times) and all(0 <= time <= heard.end for time in times)
        assert all(0 < (word.confidence or 0) <= 1 for word in heard.words)


def test_a_model_that_hears_the_padding_hears_equal_lengths_together_only(folder: Path) -> None:
    unmasked = checkpoints.wav2vec2(folder / "unmasked", masked=False)
    engine = _load(unmasked)
    assert engine.bucket(_clip(CLIP)) != engine.bucket(_clip(CLIP[:-2]))
    backwards = CLIP[::-1]
    together = engine.recognise([_clip(CLIP), _clip(backwards)])
    assert [heard.text for heard in together] == [direct.wav2vec2(unmasked, pcm) for pcm in (CLIP, backwards)]
    assert together[0].text and together[0].text != together[1].text


def test_a_model_that_is_asked_in_a_chat_gives_its_answer_alone(folder: Path) -> None:
    chat = checkpoints.glm_asr(folder / "chat")
    engine = _load(chat)
    alone = [_hear(engine, pcm) for pcm in (CLIP, *OTHERS)]
    assert alone[0] == direct.glm_asr(chat, CLIP) and "Please" not in alone[0] and len(set(alone)) > 2
    assert [heard.text for heard in engine.recognise([_clip(pcm) for pcm in (CLIP, *OTHERS)])] == alone


def test_arguments_of_generate_reach_the_model(whisper: Path) -> None:
    short = _hear(_load(whisper, generate={"max_new_tokens": 4}), CLIP, language="en")
    assert direct.whisper(whisper, CLIP, language="en").startswith(short[:6]) and len(short.split()) <= 5


def test_a_checkpoint_with_code_of_its_own_is_refused_unless_trusted(whisper: Path, tmp_path: Path) -> None:
    for file in whisper.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoModelForSpeechSeq2Seq": "evil.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "evil.py").write_text("raise SystemExit('this must not run')")
    with pytest.raises(ConfigError, match="trust_remote_code"):
        _load(tmp_path)


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors", "processor_config.json"])
def test_a_folder_without_a_needed_file_is_refused(whisper: Path, tmp_path: Path, gone: str) -> None:
    for file in whisper.iterdir():
        if file.name != gone:
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ProviderUnavailable, match=gone.partition(".")[2]):
        _load(tmp_path)
    assert missing({"model": str(tmp_path)})
    assert missing({"model": str(whisper)}) is None


def test_broken_files_are_refused(whisper: Path, tmp_path: Path) -> None:
    for file in whisper.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ProviderUnavailable, match="cannot load"):
        _load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ProviderUnavailable, match=r"config\.json cannot be read"):
        _load(tmp_path)


def test_devices_that_are_not_here_are_refused(whisper: Path) -> None:
    with pytest.raises(ConfigError, match="tpu"):
        _load(whisper, device="tpu")


class _Failing:
    """A family whose model fails as torch does."""

    languages = ()
    longest_s = None
    pads = True

    def __init__(self, message: str) -> None:
        self.message = message

    def hear(self, audio: Any, language: str | None) -> Any:
        raise RuntimeError(self.message)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", OutOfMemory),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes", OutOfMemory),
        ("CUDA error: unspecified launch failure", Broken),
        ("The size of tensor a must match the size of tensor b", RuntimeError),
    ],
)
def test_what_torch_says_when_it_fails_is_understood(whisper: Path, message: str, kind: type[Exception]) -> None:
    engine = _load(whisper)
    engine._family = _Failing(message)
    with pytest.raises(kind) as raised:
        _hear(engine, CLIP)
    assert type(raised.value) is kind
