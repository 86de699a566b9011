"""Audio files of any kind become mono 16-bit frames at one rate: one stream of them, or one for each channel."""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import av
import msgspec
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from asr_hub.audio.operators.resample import Resample
from asr_hub.errors import NotFound, TooLarge, UnsupportedAudio
from asr_hub.model import HUB_RATE, AudioFrame

Source = bytes | str | os.PathLike[str] | BinaryIO
"""A whole file: its bytes, its path, or an open file that can seek."""

CONTAINERS = "wav,w64,aiff,au,caf,flac,mp3,aac,ogg,mov,mp4,m4a,3gp,matroska,webm,asf,amr,amrnb,amrwb,avi,mpegts"
"""What FFmpeg may open. Playlists and scripts are left out: they name files and addresses, which it would open."""

TELLS_LENGTH = {"wav", "w64", "aiff", "flac", "mov,mp4,m4a,3gp,3g2,mj2"}
"""Containers whose header states the length, so that a riff_share end can be told. The others only estimate it."""

RATES = (1_000, 768_000)
"""Hertz. A header beyond them is broken."""

MOST_APART = 8
"""Channels that are kept apart: a meeting with a microphone each. Files with more come from no such recording."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a file may have at most."""

    seconds: float = 4 * 3600.0
    bytes: int = 1 << 30


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What the header of a file says."""

    container: str
    codec: str
    rate: int
    """Hertz"""
    channels: int
    seconds: float | None
    """Where it is told or can be estimated. For a progress bar: the true length is known at the end."""


def probe(source: Source, *, limits: Limits = Limits()) -> Probe:
    """Read the header of a file. Raises as `decode` does."""
    with _opened(source, limits) as (container, stream, _):
        return _describe(container, stream)


def decode(
    source: Source, rate: int = HUB_RATE, *, limits: Limits = Limits(), block: float = 0.5
) -> Generator[AudioFrame, None, None]:
    """
    The first audio stream of a file as frames of `block` seconds, mixed down, at `rate` Hz; the last may be shorter.

    Reads and decodes as it is iterated, in bounded memory, in the caller's thread. Raises, at the first frame or later:
    UnsupportedAudio with code `empty-file` (no bytes), `malformed-audio` (not an audio file, or broken),
    `no-audio-stream` (video or data only), `empty-audio` (a header and no samples), `unsupported-rate`,
    `unsupported-channels` (more than can be mixed), and `truncated-audio`, this one at the end, after all frames that
    are there; TooLarge for more than the limits;
    NotFound where there is no such file.
    """
    for (frame,) in _decoded(source, rate, limits, block, is_apart=False):
        yield frame


def decode_apart(
    source: Source, rate: int = HUB_RATE, *, limits: Limits = Limits(), block: float = 0.5
) -> Iterator[tuple[AudioFrame, ...]]:
    """
    As `decode`, with the channels kept apart: one frame for each, all of the same samples.

    There are as many as the file begins with; where it has more or fewer later on, they are mixed to as many. Raises as
    `decode` does, and UnsupportedAudio with code `too-many-channels` for more than `MOST_APART`.
    """
    return _decoded(source, rate, limits, block, is_apart=True)


class Arriving(Protocol):
    """A file that is still coming in."""

    def read(self, most: int, /) -> bytes:
        """1 to `most` bytes, as soon as there are any; none at the end. Blocks."""
        ...


def decode_live(
    source: Arriving, rate: int = HUB_RATE, *, limits: Limits = Limits()
) -> Generator[AudioFrame, None, None]:
    """
    The first audio stream of a file that is still coming in, as it comes, mixed down, at `rate` Hz.

    Of containers that can be read from front to back. Where the file breaks off, that is its end. Raises as `decode`
    does, save for `truncated-audio`.
    """
    arriving = _Arrived(source, limits)
    try:
        container = av.open(arriving, mode="r", options=_LIVE, metadata_errors="ignore", buffer_size=_LIVE_BUFFER)
    except (av.FFmpegError, ValueError) as exc:
        arriving.check()
        raise UnsupportedAudio(
            "this is no audio that can be read as it comes: send webm, ogg, mp3, aac, flac, wav or fragmented mp4",
            code="malformed-audio",
        ) from exc
    with container:
        samples = _Samples(container, _audio_stream(container), is_apart=False)
        blocks = _Blocks(rate, rate // _LIVE_BLOCKS_PER_SECOND)
        for (pcm,), its_rate in samples:
            yield from blocks.take(pcm, its_rate)
            if blocks.position > limits.seconds * rate:
                raise _too_long(limits)
        yield from blocks.flush()
        arriving.check()
        if not blocks.position:
            raise _nothing_heard(samples)


class _Arrived:
    """What came of a file so far, counted. It can only be read: FFmpeg then seeks nowhere."""

    def __init__(self, source: Arriving, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._bytes = 0

    def read(self, most: int) -> bytes:
        """FFmpeg is told of an end where there was too much: whoever reads asks `check`."""
        if self._bytes > self._limits.bytes:
            return b""
        data = self._source.read(most)
        self._bytes += len(data)
        return data

    def check(self) -> None:
        """Raises TooLarge, UnsupportedAudio (`empty-file`)."""
        if not self._bytes:
            raise _empty_file()
        if self._bytes > self._limits.bytes:
            raise _too_many_bytes(self._bytes, self._limits)


_LIVE = {
    "format_whitelist": CONTAINERS,
    # FFmpeg looks at five seconds otherwise, before it gives a sample.
    "probesize": "32768",
    "analyzeduration": "500000",
    # Whoever writes a WAV as it comes does not know its length.
    "ignore_length": "1",
}
_LIVE_BUFFER = 4096
"""Bytes. FFmpeg waits until it has as many."""
_LIVE_BLOCKS_PER_SECOND = 50


def _decoded(
    source: Source, rate: int, limits: Limits, block: float, *, is_apart: bool
) -> Iterator[tuple[AudioFrame, ...]]:
    with _opened(source, limits) as (container, stream, riff_share):
        declared = _describe(container, stream).seconds if container.format.name in TELLS_LENGTH else None
        samples = _Samples(container, stream, is_apart)
        channels: list[_Blocks] = []
        heard = 0.0
        for pcms, its_rate in samples:
            if not channels:
                channels = [_Blocks(rate, max(1, round(block * rate))) for _ in pcms]
            yield from zip(*(it.take(pcm, its_rate) for it, pcm in zip(channels, pcms, strict=True)), strict=True)
            heard = channels[0].position / rate
            if heard > limits.seconds:
                raise _too_long(limits)
        yield from zip(*(it.flush() for it in channels), strict=True)
        heard = channels[0].position / rate if channels else 0.0
        if not heard:
            raise _nothing_heard(samples)
        if container.format.name == "wav":
            declared = heard * riff_share
        if samples.is_broken or (declared is not None and heard < declared * 0.99 - 0.25):
            length = f" of {declared:.1f} s" if declared is not None else ""
            raise UnsupportedAudio(
                f"the file is cut off or damaged: {heard:.1f} s{length} could be read; send the whole file",
                code="truncated-audio",
            )


class _Samples:
    """Decodes a stream packet by packet. A packet that cannot be decoded is left out and counted."""

    def __init__(self, container: InputContainer, stream: AudioStream, is_apart: bool) -> None:
        self._container = container
        self._stream = stream
        self._is_apart = is_apart
        self._good = 0
        self._bad = 0

    @property
    def is_broken(self) -> bool:
        """More than a tenth of the packets could not be decoded. A few are usual where a recording was cut."""
        return self._bad * 10 > self._good + self._bad

    def __iter__(self) -> Iterator[tuple[list[bytes], int]]:
        """16-bit samples, of each channel or of all together, and their rate."""
        mixer, setup, layout = None, None, None
        for frame in self._frames():
            # A chained Ogg or a broadcast may change its format on the way.
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if mixer is None or now != setup:
                layout = layout or self._layout(frame)
                # Packed, as PyAV crashes where it reads more than eight planes.
                mixer, setup = AudioResampler(format="s16", layout=layout, rate=frame.sample_rate), now
            # Time stamps of damaged files jump back; without them the samples are simply put one after the other.
            frame.pts = None
            for mixed in _mix(mixer, frame):
                columns = mixed.to_ndarray().reshape(-1, mixed.layout.nb_channels)
                yield [column.tobytes() for column in columns.T], mixed.sample_rate

    def _layout(self, first: av.AudioFrame) -> av.AudioLayout:
        if not self._is_apart:
            return av.AudioLayout("mono")
        if first.layout.nb_channels > MOST_APART:
            raise UnsupportedAudio(
                f"the file has {first.layout.nb_channels} channels, and at most {MOST_APART} are kept apart: mix them",
                code="too-many-channels",
            )
        return first.layout

    def _frames(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames: Iterable[object] = packet.decode()
            except av.EOFError:
                return
            except (av.FFmpegError, ValueError):
                self._bad += 1
                if self._bad > 1000 + self._good:
                    return
                continue
            self._good += 1
            yield from (frame for frame in frames if isinstance(frame, av.AudioFrame))


def _mix(mixer: AudioResampler, frame: av.AudioFrame) -> list[av.AudioFrame]:
    try:
        return mixer.resample(frame)
    except (av.FFmpegError, ValueError) as exc:
        raise UnsupportedAudio(
            f"the {frame.layout.nb_channels} channels of the file cannot be mixed: send one with one or two",
            code="unsupported-channels",
        ) from exc


class _Blocks:
    """Resamples, and gathers to blocks of one size."""

    def __init__(self, rate: int, size: int) -> None:
        self._rate = rate
        self._size = 2 * size
        self._resample: Resample | None = None
        self._from = rate
        self._held: list[bytes] = []
        self._held_bytes = 0
        self.position = 0
        """Samples given out."""

    def take(self, pcm: bytes, rate: int) -> Iterator[AudioFrame]:
        if rate != self._from:
            self._end_rate()
            self._from = rate
            self._resample = Resample(rate, self._rate) if rate != self._rate else None
        self._hold([pcm] if self._resample is None else self._resampled(self._resample, pcm))
        if self._held_bytes >= self._size:
            whole = b"".join(self._held)
            last = len(whole) - len(whole) % self._size
            self._held, self._held_bytes = [whole[last:]], len(whole) - last
            yield from (self._frame(whole[i : i + self._size]) for i in range(0, last, self._size))

    def flush(self) -> Iterator[AudioFrame]:
        self._end_rate()
        pcm = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        yield from (self._frame(pcm[i : i + self._size]) for i in range(0, len(pcm), self._size))

    def _end_rate(self) -> None:
        if self._resample is not None:
            self._hold([frame.pcm for frame in self._resample.flush()])

    def _resampled(self, resample: Resample, pcm: bytes) -> list[bytes]:
        return [frame.pcm for frame in resample.process(AudioFrame(pcm, 0, self._from))]

    def _hold(self, parts: list[bytes]) -> None:
        self._held += parts
        self._held_bytes += sum(map(len, parts))

    def _frame(self, pcm: bytes) -> AudioFrame:
        frame = AudioFrame(pcm, self.position, self._rate)
        self.position = frame.end
        return frame


_Opened = tuple[InputContainer, AudioStream, float]
"""The container, its first audio stream, and how much longer than the file its RIFF header is (1.0: it is whole)."""


@contextmanager
def _opened(source: Source, limits: Limits) -> Iterator[_Opened]:
    """FFmpeg gets an open file, never a name it could read as an address."""
    if isinstance(source, (str, os.PathLike)):
        if not Path(source).is_file():
            raise NotFound(f"there is no file {os.fspath(source)!r}")
        with Path(source).open("rb") as file, _opened_file(file, limits) as opened:
            yield opened
    else:
        with _opened_file(io.BytesIO(source) if isinstance(source, bytes) else source, limits) as opened:
            yield opened


@contextmanager
def _opened_file(file: BinaryIO, limits: Limits) -> Iterator[_Opened]:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    if not size:
        raise _empty_file()
    if size > limits.bytes:
        raise _too_many_bytes(size, limits)
    try:
        container = av.open(file, mode="r", options={"format_whitelist": CONTAINERS}, metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as exc:
        raise UnsupportedAudio(
            "this is no audio file, or its header is broken: send wav, flac, mp3, m4a, ogg, webm, wma, amr or aiff",
            code="malformed-audio",
        ) from exc
    with container:
        stream = _audio_stream(container)
        seconds = _describe(container, stream).seconds
        if seconds is not None and seconds > limits.seconds and container.format.name in TELLS_LENGTH:
            raise _too_long(limits)
        yield container, stream, _riff_share(head, size)


def _riff_share(head: bytes, size: int) -> float:
    """FFmpeg takes the length of a WAV from the size of the file, so that one cut short looks whole to it."""
    declared = int.from_bytes(head[4:8], "little") + 8
    # A recorder that writes to a pipe cannot go back to its header and leaves the greatest size there.
    is_told = head[:4] == b"RIFF" and declared < 0x7FFF_0000
    return max(1.0, declared / size) if is_told else 1.0


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise UnsupportedAudio("the file has no audio stream: send one with sound", code="no-audio-stream")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        raise UnsupportedAudio("the audio is in a codec that cannot be decoded: convert it", code="unsupported-codec")
    rate = stream.codec_context.sample_rate
    if rate and not RATES[0] <= rate <= RATES[1]:
        raise UnsupportedAudio(
            f"the header says {rate} Hz: it is broken, write the file again at {RATES[0]} to {RATES[1]} Hz",
            code="unsupported-rate",
        )
    return stream


def _describe(container: InputContainer, stream: AudioStream) -> Probe:
    seconds = None
    if stream.duration is not None and stream.time_base is not None:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        seconds = container.duration / 1_000_000
    return Probe(
        container=container.format.name,
        codec=stream.codec_context.name,
        rate=stream.rate,
        channels=stream.channels,
        seconds=seconds if seconds is None or seconds > 0 else None,
    )


def _empty_file() -> UnsupportedAudio:
    return UnsupportedAudio("the file is empty: send the bytes of an audio file", code="empty-file")


def _too_many_bytes(size: int, limits: Limits) -> TooLarge:
    return TooLarge(f"the file has {size} bytes, more than the {limits.bytes} allowed: split or compress it")


def _too_long(limits: Limits) -> TooLarge:
    return TooLarge(f"the audio is longer than the {limits.seconds:g} s allowed: split it")


def _nothing_heard(samples: _Samples) -> UnsupportedAudio:
    if samples.is_broken:
        return UnsupportedAudio(
            "nothing in the file could be decoded: it is damaged, send it again", code="malformed-audio"
        )
    return UnsupportedAudio("the file holds no audio, only a header: record it again", code="empty-audio")
