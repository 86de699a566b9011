"""Audio from files and from a microphone."""

from __future__ import annotations

import asyncio
import sys
import threading
import wave
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sdk.python.reach import client
from tests.speech import silence, tone

from asr_hub.app import Serving
from asr_hub_client import AsyncClient, AudioFormat, MissingExtra, UnreadableAudio, microphone
from asr_hub_client.files import read_audio

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)


def wav(path: Path, pcm: bytes, *, rate: int = 16_000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(pcm)
    return path


async def test_a_file_becomes_text(hub: Serving, tmp_path: Path) -> None:
    async with client(hub) as asr:
        transcript = await asr.transcribe_file(wav(tmp_path / "speech.wav", SPEECH), language="en")
    assert len(transcript.finals) == 1
    assert transcript.text == transcript.finals[0].text


def test_a_wav_is_read_as_it_is(tmp_path: Path) -> None:
    pcm = tone(0.5, rate=44_100)
    format, blocks = read_audio(wav(tmp_path / "a.wav", pcm, rate=44_100, channels=2))
    assert format == AudioFormat(44_100, 2)
    assert b"".join(blocks) == pcm


def test_a_wav_that_was_cut_off_is_read_to_its_last_whole_sample(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", bytes(4000), channels=2)
    path.write_bytes(path.read_bytes()[:-3])
    _, blocks = read_audio(path)
    assert b"".join(blocks) == bytes(3996)


@pytest.mark.parametrize("width", [1, 3, 4])
def test_other_wavs_are_decoded(tmp_path: Path, width: int) -> None:
    format, blocks = read_audio(wav(tmp_path / "a.wav", bytes(8000 * width), rate=8_000, width=width))
    assert format == AudioFormat()
    assert 31_000 <= len(b"".join(blocks)) <= 33_000


@given(st.binary(max_size=300))
def test_any_other_bytes_are_named(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.wav"
    path.write_bytes(data)
    with pytest.raises(UnreadableAudio):
        b"".join(read_audio(path)[1])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_audio(tmp_path / "none.wav")


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    with pytest.raises(MissingExtra, match=r"pip install 'asr-hub-client\[files\]'"):
        read_audio(tmp_path / "a.mp3")


@pytest.mark.parametrize(
    ("module", "protocol", "extra"),
    [("socketio", "socketio", "socketio"), ("grpc", "grpc", "grpc"), ("google.protobuf", "grpc", "grpc")],
)
async def test_a_protocol_without_its_extra_says_what_to_install(
    module: str, protocol: Any, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "asr_hub_client.asr_hub_pb2", raising=False)
    needed = pytest.raises(MissingExtra, match=rf"pip install 'asr-hub-client\[{extra}\]'")
    with needed:
        AsyncClient(protocol=protocol, grpc="127.0.0.1:9")
    async with AsyncClient(grpc="127.0.0.1:9") as asr:
        with needed:
            async with asr.session(protocol=protocol):
                pass


def test_grpc_needs_its_own_address() -> None:
    with pytest.raises(ValueError, match="gRPC has a port of its own"):
        AsyncClient(protocol="grpc")


class Device:
    """What sounddevice is asked for; `speak` is the device's thread."""

    opened: dict[str, Any]
    is_open = False

    def __init__(self, **settings: Any) -> None:
        type(self).opened = settings
        self._thread = threading.Thread(target=self._speak)

    def __enter__(self) -> Self:
        type(self).is_open = True
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        type(self).is_open = False
        self._thread.join()

    def _speak(self) -> None:
        for n in range(5):
            self.opened["callback"](bytearray([n]) * 4, 2, None, None)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> type[Device]:
    module = ModuleType("sounddevice")
    module.RawInputStream = Device  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return Device


async def test_a_microphone_gives_blocks_until_it_is_left(device: type[Device]) -> None:
    heard = []
    async with asyncio.timeout(60):
        source = microphone(AudioFormat(48_000, 1, "pcm_f32le"), device="USB", block_ms=50)
        async for block in source:
            heard.append(block)
            if len(heard) == 5:
                break
        assert device.is_open
        await source.aclose()
    assert heard == [bytes([n]) * 4 for n in range(5)]
    assert not device.is_open
    asked = {name: value for name, value in device.opened.items() if name != "callback"}
    assert asked == {"samplerate": 48_000, "channels": 1, "dtype": "float32", "blocksize": 2400, "device": "USB"}


async def test_a_microphone_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match=r"pip install 'asr-hub-client\[microphone\]'"):
        await anext(microphone())
    with pytest.raises(ValueError, match="pcm_s16le or pcm_f32le"):
        await anext(microphone(AudioFormat(encoding="alaw")))
