from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import wave
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import numpy as np
import pytest
import pytest_asyncio
from tests.audio import fsmn
from tests.audio.shapes import voice
from tests.providers.leftovers import nothing_left
from tests.speech import ROOT, needs_clips

from asr_hub.audio.files import Limits
from asr_hub.audio.operators.endpoint import EndpointSettings
from asr_hub.errors import (
    ConfigError,
    HubError,
    NotFound,
    ProviderDied,
    ProviderTimeout,
    ProviderUnavailable,
    TooLarge,
    UnsupportedAudio,
)
from asr_hub.jobs.cutting import CutterSettings, FileCutter
from asr_hub.jobs.cutting_messages import CutSettings
from asr_hub.jobs.job import Channels
from asr_hub.jobs.spooling import PLAN

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]

LIMIT_S = 3600.0
SETTINGS = CutSettings(endpoint=EndpointSettings(max_utterance=20.0), limits=Limits(seconds=LIMIT_S, bytes=1 << 28))
LIGHT = CutSettings(vad="light", limits=Limits(seconds=LIMIT_S))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cutter() -> AsyncIterator[FileCutter]:
    async with nothing_left(), FileCutter(SETTINGS, CutterSettings(processes=1)) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def light() -> AsyncIterator[FileCutter]:
    async with nothing_left(), FileCutter(LIGHT, CutterSettings(processes=1)) as made:
        yield made


def wav(*channels: bytes, rate: int = 16_000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((len(channels), 2, rate, 0, "NONE", ""))
        file.writeframes(np.stack([np.frombuffer(pcm, "<i2") for pcm in channels], axis=1).tobytes())
    return buffer.getvalue()


def flac(seconds: float, *, rate: int = 8_000, tells_length: bool = True) -> bytes:
    """Silence: a second of it in a few bytes."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"  # type: ignore[assignment]
        for _ in range(round(seconds)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), "<i2"), format="s16", layout="mono")
            frame.sample_rate = rate
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    raw = bytearray(buffer.getvalue())
    if not tells_length:
        raw[21:26] = bytes([raw[21] & 0xF0, 0, 0, 0, 0])
    return bytes(raw)


def endless(path: Path, seconds: int = 2000) -> Path:
    """A file that takes a while to cut, and no room on the disk: silence, which is not written."""
    size = 2 * 16_000 * seconds
    with path.open("wb") as file:
        file.write(
            b"RIFF"
            + struct.pack("<I", size + 36)
            + b"WAVEfmt "
            + struct.pack("<IHHIIHH", 16, 1, 1, 16_000, 32_000, 2, 16)
        )
        file.write(b"data" + struct.pack("<I", size))
        file.truncate(44 + size)
    return path


def file(folder: Path, raw: bytes) -> Path:
    path = folder / "audio"
    path.write_bytes(raw)
    return path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")} - {"lock"}


async def _gone(pid: int) -> None:
    door = os.pidfd_open(pid)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(door, ended.set)
    try:
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(door)
        os.close(door)


def _of(pid: int, file: str) -> dict[str, int]:
    """The numbers that the kernel tells of a process."""
    found = re.findall(r"^([A-Za-z ]+?):?\s+(\d+)", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    return {name: int(number) for name, number in found}


class Halt:
    """Stops the process that cuts once it has decoded something, so that what is done then is done in the middle."""

    def __init__(self, cutter: FileCutter) -> None:
        self._cutter = cutter
        self.halted = asyncio.Event()

    def __call__(self, seconds: float) -> None:
        if seconds and not self.halted.is_set():
            os.kill(self._cutter.pids[0], signal.SIGSTOP)
            self.halted.set()


# What files hold

ENCODINGS = ("16 wav", "24 wav", "32 wav", "8 wav", "16 flac", "24 flac", "16 aiff")
CONTAINERS = [encoding.replace(" ", "-bit-44100Hz.") for encoding in ENCODINGS]
COUNTS = {Channels.MIX: ("mono", "stereo"), Channels.SPLIT: ("stereo",)}


@pytest.mark.data
@needs_clips
@pytest.mark.parametrize("channels", Channels)
async def test_every_container_of_an_utterance_gives_the_same_segments(
    cutter: FileCutter, tmp_path: Path, channels: Channels
) -> None:
    cuts = {}
    paths = [ROOT / "speech/sr_formats" / f"audio-{count}-{kind}" for count in COUNTS[channels] for kind in CONTAINERS]
    for path in paths:
        cuts[path.name] = await cutter.cut(path, tmp_path / path.name, channels)
    assert {(cut.spool.rate, cut.spool.samples) for cut in cuts.values()} == {(16_000, 43_919)}
    first = cuts[f"audio-stereo-{CONTAINERS[0]}"].segments
    assert first
    for name, cut in cuts.items():
        assert cut.spool.channels == (2 if channels is Channels.SPLIT else 1)
        assert cut.warnings == ()
        for channel in range(cut.spool.channels):
            own = [(segment.start, segment.end) for segment in cut.segments if segment.channel == channel]
            expected = [(segment.start, segment.end) for segment in first if segment.channel == 0]
            if "8-bit" in name:
                # In the noise of 8 bits it is the other pause that is long enough.
                own, expected = [own[0][:1], own[-1][1:]], [expected[0][:1], expected[-1][1:]]
            assert own == expected, name


async def test_channels_are_kept_apart(cutter: FileCutter, tmp_path: Path) -> None:
    talk = voice(2.0)
    one, other = bytes(32_000) + talk + bytes(128_000), bytes(128_000) + talk + bytes(32_000)
    source = file(tmp_path, wav(one, other))
    split = await cutter.cut(source, tmp_path / "split", Channels.SPLIT)
    assert split.spool.channels == 2
    assert split.spool.path(0).read_bytes() == one and split.spool.path(1).read_bytes() == other
    assert [(segment.number, segment.channel) for segment in split.segments] == [(0, 0), (1, 1)]
    assert split.spool.read(split.segments[1]) == other[2 * split.segments[1].start : 2 * split.segments[1].end]
    mixed = await cutter.cut(source, tmp_path / "mixed", Channels.MIX)
    assert mixed.spool.channels == 1 and {segment.channel for segment in mixed.segments} == {0}
    # Their beginnings are where they are alone.
    assert mixed.segments[0].start == split.segments[0].start
    assert abs(mixed.segments[-1].end - split.segments[1].end) <= 512


async def test_a_mono_file_has_one_channel_however_it_is_cut(cutter: FileCutter, tmp_path: Path) -> None:
    source = file(tmp_path, wav(voice(1.5)))
    split = await cutter.cut(source, tmp_path / "split", Channels.SPLIT)
    mixed = await cutter.cut(source, tmp_path / "mixed", Channels.MIX)
    assert split.segments == mixed.segments != () and split.spool.channels == 1


async def test_the_audio_of_a_telephone_stays_as_it_is(cutter: FileCutter, tmp_path: Path) -> None:
    pcm = bytes(8000) + voice(2.0, rate=8_000)
    cut = await cutter.cut(file(tmp_path, wav(pcm, rate=8_000)), tmp_path / "spool", Channels.MIX)
    assert (cut.spool.rate, cut.spool.seconds) == (8_000, 2.5)
    assert cut.spool.path(0).read_bytes() == pcm
    assert len(cut.segments) == 1


async def test_a_file_in_which_nobody_speaks_has_no_segments(cutter: FileCutter, tmp_path: Path) -> None:
    cut = await cutter.cut(file(tmp_path, flac(30)), tmp_path / "spool", Channels.MIX)
    assert cut.segments == () and cut.spool.seconds == 30.0


async def test_what_was_said_until_a_file_breaks_off_is_kept(cutter: FileCutter, tmp_path: Path) -> None:
    raw = wav(voice(6.0))
    cut = await cutter.cut(file(tmp_path, raw[: len(raw) // 2]), tmp_path / "spool", Channels.MIX)
    assert cut.spool.seconds == pytest.approx(3.0, abs=0.1)
    assert cut.segments and cut.segments[-1].end == cut.spool.samples
    (warning,) = cut.warnings
    assert warning.startswith("truncated-audio: ") and "6.0 s" in warning


@pytest.mark.data
@needs_clips
async def test_the_same_file_gives_the_same_segments(cutter: FileCutter, tmp_path: Path) -> None:
    source = ROOT / "speech/jfk/jfk.flac"
    one, other = [await cutter.cut(source, tmp_path / name, Channels.SPLIT) for name in ("one", "other")]
    assert one.segments == other.segments != ()
    assert one.spool.path(0).read_bytes() == other.spool.path(0).read_bytes()


# What is hostile

ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("zeros", bytes(10_000_000))

HOSTILE: dict[str, tuple[Callable[[], bytes], type[HubError], str]] = {
    "nothing": (lambda: b"", UnsupportedAudio, "empty-file"),
    "words": (lambda: b"hello, world. " * 99, UnsupportedAudio, "malformed-audio"),
    "zeros": (lambda: bytes(9999), UnsupportedAudio, "malformed-audio"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1" * 50, UnsupportedAudio, "malformed-audio"),
    "a page": (lambda: b"<!doctype html><script>alert(1)</script>" * 50, UnsupportedAudio, "malformed-audio"),
    "a program": (lambda: b"#!/bin/sh\nrm -rf /\n", UnsupportedAudio, "malformed-audio"),
    "a bomb of zeros": (ZIP.getvalue, UnsupportedAudio, "malformed-audio"),
    "a playlist": (lambda: b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", UnsupportedAudio, "malformed-audio"),
    "a list of files": (lambda: b"ffconcat version 1.0\nfile /etc/passwd\n", UnsupportedAudio, "malformed-audio"),
    "a header alone": (lambda: wav(b""), UnsupportedAudio, "empty-audio"),
    "a header that declares days": (lambda: _declaring(flac(1), 2**36 - 1), TooLarge, "too-large"),
    "a choir": (lambda: wav(*[voice(0.5)] * 9), UnsupportedAudio, "too-many-channels"),
}


def _declaring(raw: bytes, samples: int) -> bytes:
    """A FLAC whose header says that it has so many samples."""
    made = bytearray(raw)
    made[21:26] = (int.from_bytes(made[21:26]) >> 36 << 36 | samples).to_bytes(5)
    return bytes(made)


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_files_are_named_and_leave_nothing(cutter: FileCutter, tmp_path: Path, case: str) -> None:
    make, error, code = HOSTILE[case]
    with pytest.raises(error) as caught:
        await cutter.cut(file(tmp_path, make()), tmp_path / "spool", Channels.SPLIT)
    assert caught.value.code == code and str(tmp_path) not in str(caught.value)
    assert left(tmp_path / "spool") == set()


async def test_silence_without_end_in_few_bytes_ends_at_the_limit(tmp_path: Path) -> None:
    bomb = flac(900, tells_length=False)
    assert len(bomb) < 2 * 8_000 * 900 / 50
    settings = CutSettings(vad="light", limits=Limits(seconds=30.0))
    async with nothing_left(), FileCutter(settings) as cutter:
        told: list[float] = []
        with pytest.raises(TooLarge, match="30 s"):
            await cutter.cut(file(tmp_path, bomb), tmp_path / "spool", Channels.MIX, on_progress=told.append)
        assert max(told, default=0) <= 31 and left(tmp_path / "spool") == set()


@pytest.mark.data
@needs_clips
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("awful.wav", "unsupported-rate"),
        ("bad.wav", "malformed-audio"),
        ("evil.wav", "malformed-audio"),
        ("null.wav", "empty-audio"),
    ],
)
async def test_malformed_wavs_are_named(cutter: FileCutter, tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(UnsupportedAudio) as caught:
        await cutter.cut(ROOT / "speech/malformed_wav" / name, tmp_path / "spool", Channels.MIX)
    assert caught.value.code == code


async def test_what_is_not_there(cutter: FileCutter, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        await cutter.cut(tmp_path / "nowhere", tmp_path / "spool", Channels.MIX)
    assert str(tmp_path) not in str(caught.value)


async def test_one_process_has_seen_it_all(cutter: FileCutter) -> None:
    # Errors of files do not cost the start of another process.
    assert len(cutter.pids) == 1


async def test_a_process_is_bounded_and_holds_nothing_of_the_hub(light: FileCutter, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.set_inheritable(True)
        await light.cut(file(tmp_path, flac(1)), tmp_path / "spool", Channels.MIX)
        (pid,) = light.pids
        names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert sum(name.startswith("socket:") for name in names) == 1
        assert not any(str(tmp_path) in name for name in names)
    limits = _of(pid, "limits")
    assert limits["Max address space"] < 2**30
    assert limits["Max file size"] == 2 * 16_000 * (LIMIT_S + 60)
    assert limits["Max cpu time"] < 60 + LIMIT_S + 30
    assert limits["Max core file size"] == 0


async def test_a_file_that_takes_all_memory_is_named(tmp_path: Path) -> None:
    async with nothing_left(), FileCutter(LIGHT, CutterSettings(memory_bytes=0)) as tight:
        with pytest.raises(UnsupportedAudio) as caught:
            await tight.cut(file(tmp_path, wav(*[voice(5.0)] * 8)), tmp_path / "spool", Channels.SPLIT)
        assert caught.value.code == "malformed-audio"
        assert left(tmp_path / "spool") == set()


async def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    minute = voice(10.0) + bytes(2 * 16_000 * 50)
    peaks = []
    async with nothing_left(), FileCutter(LIGHT) as cutter:
        for minutes in (1, 5):
            source = file(tmp_path, wav(minute * minutes))
            cut = await cutter.cut(source, tmp_path / "spool", Channels.MIX)
            assert cut.spool.seconds == 60 * minutes and len(cut.segments) >= minutes
            peaks.append(_of(cutter.pids[0], "status")["VmHWM"])
    # The audio of the longer one alone is 7.7 MB more.
    assert peaks[1] - peaks[0] < 3_000


# What lies in the folder


async def test_a_whole_spool_is_not_made_again(light: FileCutter, tmp_path: Path) -> None:
    source, folder = file(tmp_path, wav(voice(2.0))), tmp_path / "spool"
    first = await light.cut(source, folder, Channels.MIX)
    made = (folder / "0.pcm").stat()
    # Wherever the file lies now.
    source = source.rename(tmp_path / "elsewhere")
    assert await light.cut(source, folder, Channels.MIX) == first
    assert (folder / "0.pcm").stat() == made


@pytest.mark.parametrize("change", ["another file", "other channels", "no plan", "half a channel"])
async def test_a_spool_that_does_not_fit_is_made_again(light: FileCutter, tmp_path: Path, change: str) -> None:
    source, folder, channels = file(tmp_path, wav(voice(2.0), voice(2.0))), tmp_path / "spool", Channels.MIX
    first = await light.cut(source, folder, channels)
    match change:
        case "another file":
            source = file(tmp_path, wav(bytes(64_000) + voice(1.0)))
        case "other channels":
            channels = Channels.SPLIT
        case "no plan":
            (folder / PLAN).unlink()
        case "half a channel":
            os.truncate(folder / "0.pcm", 1000)
    cut = await light.cut(source, folder, channels)
    fresh = await light.cut(source, tmp_path / "fresh", channels)
    assert (cut.segments, cut.spool.samples) == (fresh.segments, fresh.spool.samples)
    assert cut.spool.path(0).read_bytes() == fresh.spool.path(0).read_bytes()
    assert (cut == first) is (change in ("no plan", "half a channel"))


# What happens to processes


@pytest.mark.parametrize(
    ("cause", "error", "code"),
    [
        (signal.SIGKILL, ProviderDied, "decoder-died"),
        (signal.SIGSEGV, UnsupportedAudio, "malformed-audio"),
        (signal.SIGXCPU, ProviderTimeout, "decode-timeout"),
    ],
)
async def test_a_process_that_dies_in_the_middle_is_named_and_replaced(
    light: FileCutter, tmp_path: Path, cause: signal.Signals, error: type[HubError], code: str
) -> None:
    def kill(seconds: float) -> None:
        if seconds:
            os.kill(light.pids[0], cause)

    with pytest.raises(error) as caught:
        await light.cut(endless(tmp_path / "long"), tmp_path / "spool", Channels.MIX, on_progress=kill)
    assert caught.value.code == code and caught.value.retryable is (error is not UnsupportedAudio)
    assert left(tmp_path / "spool") == set()
    assert (await light.cut(file(tmp_path, flac(1)), tmp_path / "spool", Channels.MIX)).spool.seconds == 1.0


async def test_one_that_dies_while_it_waits_is_replaced(light: FileCutter, tmp_path: Path) -> None:
    source = file(tmp_path, flac(1))
    await light.cut(source, tmp_path / "one", Channels.MIX)
    (pid,) = light.pids
    os.kill(pid, signal.SIGKILL)
    await _gone(pid)
    await light.cut(source, tmp_path / "other", Channels.MIX)
    assert light.pids != (pid,)


async def test_a_file_that_comes_to_a_halt_is_given_up(tmp_path: Path) -> None:
    async with nothing_left(), FileCutter(LIGHT, CutterSettings(stall_s=2.0)) as cutter:
        with pytest.raises(ProviderTimeout) as caught:
            await cutter.cut(endless(tmp_path / "long"), tmp_path / "spool", Channels.MIX, on_progress=Halt(cutter))
        assert caught.value.code == "decode-timeout"
        assert cutter.pids == () and left(tmp_path / "spool") == set()


async def test_a_file_that_is_far_too_slow_is_given_up(tmp_path: Path) -> None:
    async with nothing_left(), FileCutter(LIGHT, CutterSettings(stall_s=1.0, timeout_rtf=0.0)) as cutter:
        with pytest.raises(ProviderTimeout) as caught:
            await cutter.cut(endless(tmp_path / "long"), tmp_path / "spool", Channels.MIX)
        assert caught.value.code == "decode-timeout"


async def test_cancelled_it_ends_its_process_and_leaves_nothing(light: FileCutter, tmp_path: Path) -> None:
    halt = Halt(light)
    task = asyncio.create_task(
        light.cut(endless(tmp_path / "long"), tmp_path / "spool", Channels.MIX, on_progress=halt)
    )
    await halt.halted.wait()
    assert left(tmp_path / "spool") == {"0.pcm.part"}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert light.pids == () and left(tmp_path / "spool") == set()


async def test_cancelled_while_it_waits_for_its_turn_it_disturbs_nobody(light: FileCutter, tmp_path: Path) -> None:
    source = file(tmp_path, wav(voice(3.0)))
    tasks = [asyncio.create_task(light.cut(source, tmp_path / str(n), Channels.MIX)) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    one, _, other = await asyncio.gather(*tasks, return_exceptions=True)
    assert not isinstance(one, BaseException) and not isinstance(other, BaseException)
    assert one.segments == other.segments and tasks[1].cancelled()
    assert len(light.pids) == 1


async def test_who_cannot_be_told_of_progress_is_told_why(light: FileCutter, tmp_path: Path) -> None:
    def fall(_: float) -> None:
        raise LookupError("nobody there")

    with pytest.raises(LookupError):
        await light.cut(endless(tmp_path / "long"), tmp_path / "spool", Channels.MIX, on_progress=fall)
    assert light.pids == ()


async def test_progress_grows_and_is_told_now_and_then(light: FileCutter, tmp_path: Path) -> None:
    told: list[float] = []
    await light.cut(endless(tmp_path / "long", 100), tmp_path / "spool", Channels.MIX, on_progress=told.append)
    assert told == sorted(told) and told[-1] <= 100
    assert len(told) < 100


async def test_closing_ends_a_file_that_is_being_cut(tmp_path: Path) -> None:
    async with nothing_left():
        cutter = FileCutter(LIGHT)
        halt = Halt(cutter)
        task = asyncio.create_task(
            cutter.cut(endless(tmp_path / "long"), tmp_path / "spool", Channels.MIX, on_progress=halt)
        )
        await halt.halted.wait()
        await cutter.aclose()
        with pytest.raises(HubError):
            await task
        await cutter.aclose()
        with pytest.raises(ProviderUnavailable, match="stopping"):
            await cutter.cut(tmp_path / "long", tmp_path / "spool", Channels.MIX)
        assert left(tmp_path / "spool") == set()


async def test_a_process_that_nobody_needs_ends(tmp_path: Path) -> None:
    async with nothing_left(), FileCutter(LIGHT, CutterSettings(idle_s=0.0)) as cutter:
        started: list[int] = []
        await cutter.cut(
            file(tmp_path, flac(1)), tmp_path / "spool", Channels.MIX, on_progress=lambda _: started.extend(cutter.pids)
        )
        with contextlib.suppress(ProcessLookupError):
            await _gone(started[0])


async def test_a_process_is_replaced_after_some_files(tmp_path: Path) -> None:
    async with nothing_left(), FileCutter(LIGHT, CutterSettings(files_each=2)) as cutter:
        source, pids = file(tmp_path, flac(1)), []
        for number in range(3):
            await cutter.cut(
                source, tmp_path / str(number), Channels.MIX, on_progress=lambda _: pids.append(cutter.pids[0])
            )
        assert len(set(pids)) == 2


async def test_the_vad_of_funasr_cuts_too(tmp_path: Path) -> None:
    settings = CutSettings(vad="fsmn", vad_model=str(fsmn.folder(tmp_path)))
    async with nothing_left(), FileCutter(settings) as cutter:
        cut = await cutter.cut(
            file(tmp_path, wav(voice(1.0, rate=8_000), rate=8_000)), tmp_path / "spool", Channels.MIX
        )
        assert cut.spool.seconds == 1.0


async def test_a_vad_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = CutSettings(vad="fsmn", vad_model=str(tmp_path))
    async with nothing_left(), FileCutter(settings) as cutter:
        with pytest.raises(ConfigError):
            await cutter.cut(file(tmp_path, flac(1)), tmp_path / "spool", Channels.MIX)


async def test_a_hub_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    code = f"""
        import asyncio, os, signal, uvloop
        from pathlib import Path
        from asr_hub.jobs.cutting import FileCutter
        from asr_hub.jobs.cutting_messages import CutSettings
        from asr_hub.jobs.job import Channels

        async def main():
            async with FileCutter(CutSettings(vad="light")) as cutter:
                def halt(seconds):
                    os.kill(cutter.pids[0], signal.SIGSTOP)
                    print(cutter.pids[0], flush=True)
                await cutter.cut(Path({str(endless(tmp_path / "long"))!r}), Path({str(tmp_path / "spool")!r}),
                                 Channels.MIX, on_progress=halt)

        # The loop of the server.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    """
    hub = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(code), stdout=subprocess.PIPE)
    assert hub.stdout is not None
    pid = int(await hub.stdout.readline())
    gone = asyncio.create_task(_gone(pid))
    await asyncio.sleep(0)
    hub.kill()
    await hub.communicate()
    await gone
