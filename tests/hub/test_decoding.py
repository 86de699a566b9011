from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
import pytest_asyncio
from tests.audio_files import wav
from tests.providers.leftovers import nothing_left

from asr_hub.audio.files import Limits
from asr_hub.errors import HubError, Overloaded, ProviderDied, ProviderUnavailable, TooLarge, UnsupportedAudio
from asr_hub.hub.decoding import Decoders, DecodersSettings
from asr_hub.hub.decoding_messages import Begin, Failed, FromDecoding, Live, Piece, Took
from asr_hub.model import HUB_RATE
from asr_hub.providers.file_process import FileProcess

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]


MANY = 200
"""Pieces of 64 KiB: more than is read to find out that they are no audio."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def decoders() -> AsyncIterator[Decoders]:
    async with nothing_left(), Decoders() as made:
        yield made


def tone(seconds: float, *, rate: int = HUB_RATE) -> bytes:
    """Signed 16 bit, 440 Hz."""
    at = np.arange(int(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 440 * at) * 8000).astype("<i2").tobytes()


def encoded(container: str, codec: str, *, rate: int = 48_000, seconds: float = 2.0, **options: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(
            np.frombuffer(tone(seconds, rate=rate), "<i2").reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = rate
        mixer = av.AudioResampler(
            format=stream.codec_context.format, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size
        )
        for each in (*mixer.resample(frame), *mixer.resample(None)):
            out.mux(stream.encode(each))
        out.mux(stream.encode(None))
    return file.getvalue()


async def all_of(samples: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in samples])


async def cut(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def test_a_whole_file_becomes_samples(decoders: Decoders, tmp_path: Path) -> None:
    pcm, path = tone(2.3), tmp_path / "a.wav"
    path.write_bytes(wav(pcm))
    pieces = [piece async for piece in decoders.decoded(path)]
    assert b"".join(pieces) == pcm
    assert max(map(len, pieces)) <= 2 * HUB_RATE


LIVE = [
    ("webm", "libopus", 48_000, {}),
    ("ogg", "libopus", 48_000, {}),
    ("mp3", "libmp3lame", 16_000, {}),
    ("adts", "aac", 16_000, {}),
    ("flac", "flac", 44_100, {}),
    ("wav", "pcm_s16le", 8_000, {}),
    ("mpegts", "aac", 48_000, {}),
    ("mp4", "aac", 48_000, {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}),
]


@pytest.mark.parametrize(("container", "codec", "rate", "options"), LIVE, ids=[f"{one[0]}-{one[1]}" for one in LIVE])
async def test_containers_are_decoded_while_they_come_in(
    decoders: Decoders, container: str, codec: str, rate: int, options: dict[str, str]
) -> None:
    file = encoded(container, codec, rate=rate, seconds=4, **options)
    pcm = await all_of(decoders.decoded_live(cut(file)))
    assert abs(len(pcm) / 2 / HUB_RATE - 4) < 0.2
    heard = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2").astype(float)))
    assert abs(heard.argmax() * HUB_RATE / (len(pcm) / 2) - 440) < 1


async def test_samples_come_before_the_file_has_ended(decoders: Decoders) -> None:
    file = encoded("webm", "libopus", seconds=4)
    heard = asyncio.Event()

    async def come() -> AsyncIterator[bytes]:
        yield file[: len(file) // 2]
        await heard.wait()
        yield file[len(file) // 2 :]

    samples = decoders.decoded_live(come())
    first = await anext(samples)
    heard.set()
    assert len(first + await all_of(samples)) > 2 * HUB_RATE * 3.8


async def test_what_is_not_wanted_yet_is_neither_decoded_nor_read(decoders: Decoders) -> None:
    file, given = wav(tone(200)), 0

    async def come() -> AsyncIterator[bytes]:
        nonlocal given
        async for piece in cut(file, 16_000):
            given += len(piece)
            yield piece

    heard, lead = 0, 0
    async for pcm in decoders.decoded_live(come()):
        heard += len(pcm)
        # Whoever gives pieces may run ahead as far as it can.
        for _ in range(20):
            await asyncio.sleep(0)
        lead = max(lead, given - heard)
    assert heard > 2 * HUB_RATE * 199
    assert lead < len(file) / 3


async def test_a_process_is_used_again(decoders: Decoders, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(0.5)))
    await all_of(decoders.decoded(path))
    before = set(decoders.pids)
    await all_of(decoders.decoded(path))
    await all_of(decoders.decoded_live(cut(wav(tone(0.5)))))
    assert set(decoders.pids) == before


async def test_a_header_that_was_written_before_the_audio_does_not_end_it(decoders: Decoders) -> None:
    assert await all_of(decoders.decoded_live(cut(wav(tone(0.1)) + tone(3)))) == tone(0.1) + tone(3)


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "empty-file"), (b"no audio at all " * 500, "malformed-audio"), (wav(b""), "empty-audio")]
)
async def test_what_is_no_audio_is_refused(decoders: Decoders, tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    for samples in (decoders.decoded(path), decoders.decoded_live(cut(data))):
        with pytest.raises(UnsupportedAudio) as caught:
            await all_of(samples)
        assert caught.value.code == code
        assert str(tmp_path) not in str(caught.value)


async def test_a_process_that_has_failed_reads_on_since_a_closed_end_would_hide_what_it_told() -> None:
    read: msgspec.msgpack.Decoder[FromDecoding] = msgspec.msgpack.Decoder(FromDecoding)
    process, took, failed = FileProcess("decoding", "asr_hub.hub.decoding_process"), 0, None
    try:
        await process.start(Begin(limits=Limits(), memory_bytes=1 << 29, cpu_s=60))
        process.send(Live())
        for _ in range(MANY):
            process.send(Piece(b"no audio" * 8192))
        while took < MANY << 16:
            match read.decode(await process.receive()):
                case Took(size):
                    took += size
                case Failed() as failed:
                    assert took < MANY << 16
    finally:
        await process.end(at_once=True)
    assert failed is not None
    assert failed.code == "malformed-audio"


async def test_a_file_that_is_cut_off_gives_what_is_there(decoders: Decoders, tmp_path: Path) -> None:
    path, heard = tmp_path / "a.wav", bytearray()
    path.write_bytes(wav(tone(4))[:64_044])
    with pytest.raises(UnsupportedAudio) as caught:
        async for piece in decoders.decoded(path):
            heard += piece
    assert caught.value.code == "truncated-audio"
    assert heard == tone(4)[:64_000]
    assert await all_of(decoders.decoded_live(cut(path.read_bytes()))) == heard


async def test_an_error_of_who_gives_the_pieces_is_told(decoders: Decoders) -> None:
    async def come() -> AsyncIterator[bytes]:
        yield wav(tone(1))[:1000]
        raise TooLarge("that was enough")

    with pytest.raises(TooLarge, match="enough"):
        await all_of(decoders.decoded_live(come()))


async def test_who_stops_early_leaves_no_process_at_work(decoders: Decoders) -> None:
    closed = asyncio.Event()

    async def come() -> AsyncIterator[bytes]:
        try:
            while True:
                yield tone(1)
        finally:
            closed.set()

    async def begun() -> AsyncIterator[bytes]:
        yield wav(tone(1))
        async for piece in come():
            yield piece

    samples = decoders.decoded_live(begun())
    await anext(samples)
    await samples.aclose()
    assert await all_of(decoders.decoded_live(cut(wav(tone(1)))))


async def _of_whole(decoders: Decoders, path: Path) -> bytes:
    return await all_of(decoders.decoded(path))


async def _of_pieces(decoders: Decoders, path: Path) -> bytes:
    return await all_of(decoders.decoded_live(cut(wav(tone(3)), 32_000)))


@pytest.mark.parametrize("decoded", [_of_whole, _of_pieces])
@pytest.mark.parametrize("limits", [Limits(seconds=1), Limits(bytes=40_000)], ids=["seconds", "bytes"])
async def test_a_file_has_limits(
    tmp_path: Path, decoded: Callable[[Decoders, Path], Awaitable[bytes]], limits: Limits
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(3)))
    async with nothing_left(), Decoders(DecodersSettings(limits=limits)) as decoders:
        with pytest.raises(TooLarge):
            await decoded(decoders, path)


async def test_a_process_that_is_killed_is_told_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(300)))
    async with nothing_left(), Decoders(DecodersSettings(at_once=1)) as decoders:
        samples = decoders.decoded(path)
        await anext(samples)
        with pytest.raises(Overloaded):
            await all_of(decoders.decoded(path))
        os.kill(decoders.pids[0], signal.SIGKILL)
        with pytest.raises(ProviderDied) as caught:
            await all_of(samples)
        assert caught.value.code == "decoder-died"
        assert decoders.pids == ()


async def test_many_files_at_once_share_processes(tmp_path: Path) -> None:
    path, settings = tmp_path / "a.wav", DecodersSettings(at_once=8)
    path.write_bytes(wav(tone(0.5)))
    async with nothing_left(), Decoders(settings) as decoders:
        heard = await asyncio.gather(*(all_of(decoders.decoded(path)) for _ in range(settings.at_once)))
        assert set(heard) == {tone(0.5)}
        assert len(decoders.pids) <= settings.pool.spares + settings.pool.starts


async def test_the_end_fails_what_is_being_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(300)))
    async with nothing_left():
        decoders = Decoders(DecodersSettings(spare_after_s=0.0))
        samples = decoders.decoded(path)
        await anext(samples)
        await decoders.aclose()
        with pytest.raises(ProviderDied):
            await all_of(samples)
        with pytest.raises(ProviderUnavailable):
            await all_of(decoders.decoded(path))


async def test_a_spare_process_is_ready_where_a_file_takes_its_time(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(0.5)))
    going = asyncio.Event()

    async def come() -> AsyncIterator[bytes]:
        yield wav(tone(3))
        await going.wait()

    async with nothing_left(), Decoders(DecodersSettings(spare_after_s=0.0)) as decoders:
        samples = decoders.decoded_live(come())
        await anext(samples)
        async with asyncio.timeout(30):
            while len(decoders.pids) < 2:  # noqa: ASYNC110 - nobody is told of a process that stands ready
                await asyncio.sleep(0.01)
        both = set(decoders.pids)
        await all_of(decoders.decoded(path))
        assert both <= set(decoders.pids)
        going.set()
        await all_of(samples)


async def test_a_process_that_comes_to_a_halt_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(300)))
    async with nothing_left(), Decoders(DecodersSettings(stall_s=3)) as decoders:
        samples = decoders.decoded(path)
        await anext(samples)
        os.kill(decoders.pids[0], signal.SIGSTOP)
        with pytest.raises(HubError) as caught, contextlib.suppress(StopAsyncIteration):
            await all_of(samples)
        assert caught.value.code == "decode-timeout"
