from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.errors import ProviderError, ProviderUnavailable
from asr_hub.model import AudioFrame, Hypothesis, ProviderName
from asr_hub.providers.base import RecognitionOptions
from asr_hub.providers.scripted import Scripted

pytestmark = pytest.mark.unit

SECOND = random.Random(1).randbytes(32_000)


async def _started(**given_settings: Any) -> Scripted:
    provider = Scripted(ProviderName("s"), given_settings)
    await provider.start()
    return provider


async def _hear(provider: Scripted, pieces: list[bytes], at: int = 0) -> list[Hypothesis]:
    async with provider.stream(RecognitionOptions(), {}) as stream:
        for piece in pieces:
            await stream.push(AudioFrame(piece, at))
            at += len(piece) // 2
        await stream.end_utterance()
        return [hypothesis async for hypothesis in stream]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 16_000), max_size=12))
def test_the_hypotheses_do_not_depend_on_how_the_audio_is_cut(cuts: list[int]) -> None:
    edges = sorted({0, *(cut * 2 for cut in cuts), len(SECOND)})
    pieces = [SECOND[a:b] for a, b in pairwise(edges)]

    async def both() -> tuple[list[Hypothesis], list[Hypothesis]]:
        provider = await _started()
        return await _hear(provider, pieces), await _hear(provider, [SECOND])

    cut, whole = asyncio.run(both())
    assert cut == whole and len(whole[-1].words) == 5


async def test_partials_grow_and_keep_what_they_call_stable() -> None:
    *partials, final = await _hear(await _started(), [SECOND])
    for before, after in zip(partials, [*partials[1:], final], strict=True):
        assert after.text.startswith(before.text[: before.stable]) and len(after.text) >= len(before.text)
    assert final.stable == len(final.text)


async def test_a_transcript_is_keyed_by_the_place_in_the_session() -> None:
    provider = await _started(transcript=["zero", "one", "two"])
    assert (await _hear(provider, [SECOND], at=16_000))[-1].text == "two zero one two zero"


async def test_one_lost_sample_changes_the_text() -> None:
    provider = await _started()
    assert (await _hear(provider, [SECOND]))[-1].text != (await _hear(provider, [SECOND[2:]]))[-1].text


async def test_digital_silence_is_heard_as_nothing() -> None:
    (final,) = await _hear(await _started(), [bytes(32_000)])
    assert (final.text, final.end, final.is_final) == ("", 1000, True)


async def test_failing_to_start_is_told() -> None:
    with pytest.raises(ProviderUnavailable, match="no weights"):
        await _started(faults={"start": "no weights"})


@pytest.mark.parametrize("faults", [{"self_test": True}, {"empty": True}, {"garbage": True}])
async def test_an_engine_that_hears_wrong_fails_its_self_test(faults: dict[str, Any]) -> None:
    with pytest.raises(ProviderUnavailable, match="self-test heard"):
        await (await _started(faults=faults)).self_test()


@pytest.mark.parametrize("after", [0, 200, 1000])
async def test_failing_in_mid_utterance_raises_for_the_pusher_and_the_reader(after: int) -> None:
    provider = await _started(faults={"fail_after_ms": after})
    async with provider.stream(RecognitionOptions(), {}) as stream:
        with pytest.raises(ProviderError, match=f"failed after {after} ms"):
            await stream.push(AudioFrame(SECOND, 0))
        with pytest.raises(ProviderError, match=f"failed after {after} ms"):
            _ = [hypothesis async for hypothesis in stream]
    assert provider.slots.used == 0


async def test_an_engine_that_hangs_is_left_by_cancelling() -> None:
    provider = await _started(faults={"hang_after_ms": 400})
    heard: list[str] = []
    async with provider.stream(RecognitionOptions(), {}) as stream:
        pusher = asyncio.create_task(stream.push(AudioFrame(SECOND, 0)))
        async for hypothesis in stream:
            heard.append(hypothesis.text)
            if len(heard) == 2:
                break
        assert not pusher.done()
        pusher.cancel()
    await asyncio.wait((pusher,))
    assert pusher.cancelled() and provider.slots.used == 0
