from __future__ import annotations

import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.providers.direct import decode
from tests.providers.leftovers import nothing_left
from tests.speech import ROOT, clips

from asr_hub.errors import ConfigError, HubError, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.providers.pocketsphinx import PocketSphinx

pytestmark = pytest.mark.engine

CLIP = packaged_clip("self_test")
DEMO = packaged_clip("demo")
Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a provider with these settings; it is closed after the test."""
    async with nothing_left(), AsyncExitStack() as stack:

        async def started(**settings: Any) -> PocketSphinx:
            provider = PocketSphinx(ProviderName("ps"), settings)
            stack.push_async_callback(provider.aclose)
            await provider.start()
            return provider

        yield started


def _sentences() -> list[bytes]:
    """The demo's sentences, cut in the middle of its pauses."""
    loud = np.abs(np.frombuffer(DEMO.pcm, np.int16).astype(np.int32)) > 300
    at = np.flatnonzero(loud)
    gaps = np.flatnonzero(np.diff(at) > DEMO.rate // 2)
    edges = [0, *((at[gap] + at[gap + 1]) // 2 for gap in gaps), len(loud)]
    return [DEMO.pcm[2 * a : 2 * b] for a, b in pairwise(edges)]


async def _hear(
    provider: PocketSphinx, pcm: bytes, *, memory: dict[str, Any] | None = None, **options: Any
) -> tuple[list[Hypothesis], list[str]]:
    stream = provider.stream(RecognitionOptions(**options), {} if memory is None else memory)
    async with stream:
        await stream.push(AudioFrame(pcm, 0, options.get("sample_rate", 16_000)))
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream], stream.warnings


async def test_the_demo_is_heard_word_for_word_as_a_fresh_decoder_hears_it(start: Start) -> None:
    provider = await start(max_streams=1)
    memory: dict[str, Any] = {}
    sentences = _sentences()
    heard = [(await _hear(provider, pcm, memory=memory))[0][-1].text for pcm in sentences]
    assert heard == [decode(pcm) for pcm in sentences] == list(DEMO.sentences)


async def test_engine_options_reach_the_engine(start: Start) -> None:
    provider = await start(max_streams=1, decoder={"beam": 1e-20, "fwdflat": False, "lw": 3.0})
    heard, _ = await _hear(provider, CLIP.pcm, partials=False)
    assert heard[-1].text == decode(CLIP.pcm, beam=1e-20, fwdflat=False, lw=3.0) != CLIP.text


async def test_the_channel_mean_is_the_sessions_and_changes_no_whole_final(start: Start) -> None:
    provider = await start(max_streams=1)
    memory: dict[str, Any] = {}
    first, _ = await _hear(provider, CLIP.pcm, memory=memory)
    kept = dict(memory)
    again, _ = await _hear(provider, CLIP.pcm, memory=memory)
    assert (
        kept and memory == kept and first[-1] == again[-1].__class__(**_fields(again[-1], revision=first[-1].revision))
    )


async def test_commands_outside_the_phrases_are_rejected(start: Start) -> None:
    provider = await start(phrases=["go forward ten meters", "stop the music", "call at nine o'clock"])
    (command,), _ = await _hear(provider, CLIP.pcm, partials=False)
    assert command.text == CLIP.text and (command.confidence or 0) > 0.6
    for sentence in _sentences():
        (other,), _ = await _hear(provider, sentence, partials=False)
        assert (other.text, other.words) == ("", ())


async def test_a_grammar_may_be_text_or_a_file(start: Start, tmp_path: Path) -> None:
    grammar = "#JSGF V1.0;\ngrammar g;\npublic <move> = go (forward | backward) (ten | two) meters;\n"
    file = tmp_path / "move.jsgf"
    file.write_text(grammar)
    for given in (grammar, str(file)):
        provider = await start(grammar=given, max_streams=1)
        heard, _ = await _hear(provider, CLIP.pcm)
        assert heard[-1].text == CLIP.text


async def test_a_hotword_with_given_phones_is_heard_and_stays_with_its_session(start: Start) -> None:
    # What the dictionary spells otherwise: only the hotword can bring this spelling out.
    provider = await start(pronunciations={"Meterz": "M IY T ER Z"}, max_streams=2, final="whole")
    plain, _ = await _hear(provider, CLIP.pcm)
    biased, warnings = await _hear(provider, CLIP.pcm, hotwords=("Ten Meterz", "qqzx"))
    after, _ = await _hear(provider, CLIP.pcm)
    assert biased[-1].text == "go forward Ten Meterz"
    assert warnings == ["hotword 'qqzx' is skipped: no known pronunciation; give it in `pronunciations`"]
    assert after[-1].text == plain[-1].text != biased[-1].text


async def test_two_wake_words_are_told_apart_with_their_times(start: Start) -> None:
    provider = await start(max_streams=1)
    heard, _ = await _hear(provider, DEMO.pcm, wake_words=("Open the Window", "good morning", "thank you very much"))
    assert [h.text for h in heard] == ["good morning", "Open the Window", ""]
    assert heard[0].end < 3500 < 6000 < heard[1].end < 9500


async def test_silence_is_nothing_and_white_noise_too(start: Start) -> None:
    provider = await start(max_streams=1)
    noise = np.random.default_rng(1).normal(0, 300, 16_000).astype(np.int16).tobytes()
    for pcm in (bytes(32_000), noise):
        heard, _ = await _hear(provider, pcm)
        assert heard[-1].text == ""


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"acoustic_model": "/no/such"}, ProviderUnavailable, "hmm: there is no /no/such"),
        ({"grammar": "/no/such.jsgf"}, ProviderUnavailable, "grammar: there is no"),
        ({"grammar": "#JSGF V1.0; nonsense"}, ConfigError, "not JSGF"),
        ({"phrases": ["open the zorbatron"]}, ConfigError, "the dictionary lacks zorbatron"),
        ({"pronunciations": {"zorbatron": "ZZ OO"}}, ConfigError, "cannot say 'ZZ OO'"),
        ({"decoder": {"no_such_option": 1}}, HubError, "ps: "),
    ],
)
async def test_wrong_settings_are_named_at_the_start(
    start: Start, settings: dict[str, Any], error: type[HubError], message: str
) -> None:
    with pytest.raises(error, match=message):
        await start(**settings)


async def test_a_wake_word_nobody_can_say_is_refused(start: Start) -> None:
    provider = await start(max_streams=1)
    with pytest.raises(ConfigError, match="wake word 'hey zorbatron'"):
        await _hear(provider, CLIP.pcm, wake_words=("hey zorbatron",))


async def test_models_that_do_not_hear_fail_the_self_test(start: Start, tmp_path: Path) -> None:
    wrong = tmp_path / "noise.wav"
    with wave.open(str(wrong), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(1).normal(0, 300, 16_000).astype(np.int16).tobytes())
    provider = await start(max_streams=1, self_test_clip=str(wrong), self_test_text="go forward ten meters")
    with pytest.raises(ProviderUnavailable, match="heard '' where 'go forward ten meters' was said"):
        await provider.self_test()


@pytest.mark.data
@pytest.mark.parametrize(
    ("models", "options", "clips_of"),
    [
        ("pocketsphinx_en_hub4wsj_sc_8k", {}, "fsdd_8k"),
        (
            "pocketsphinx_zh_tdt_sc_8k",
            {"dict": "pocketsphinx_zh_lm/mandarin_notone.dic", "lm": "pocketsphinx_zh_lm/gigatdt.5000.2g.arpa"},
            "zh_wenet",
        ),
    ],
)
async def test_other_models_and_rates_are_a_matter_of_configuration(
    start: Start, models: str, options: dict[str, str], clips_of: str
) -> None:
    folder = ROOT / "models"
    paths = {option: str(folder / path) for option, path in options.items()}
    spoken = [clip.pcm(8000) for clip in clips() if clips_of in clip.file and clip.seconds < 3][:3]
    if not spoken:
        pytest.skip(f"no shared clips in {ROOT}")
    provider = await start(
        acoustic_model=str(folder / models),
        dictionary=paths.get("dict"),
        language_model=paths.get("lm"),
        sample_rate=8000,
        max_streams=1,
    )
    await provider.self_test()
    heard = [(await _hear(provider, pcm, sample_rate=8000))[0][-1].text for pcm in spoken]
    assert heard == [decode(pcm, rate=8000, hmm=str(folder / models), **paths) for pcm in spoken]
    assert any(heard)


def _fields(hypothesis: Hypothesis, **changed: Any) -> dict[str, Any]:
    return {field: getattr(hypothesis, field) for field in hypothesis.__struct_fields__} | changed
