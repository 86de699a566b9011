"""Each line that the README gives for a client of another server, run against a hub."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests import home_assistant as ha
from tests.audio_files import wav
from tests.compat import funasr_clients
from tests.compat.vosk_transcriber import transcriber
from tests.hubs import scripted, until_empty
from tests.node import packages
from tests.speech import silence, tone
from websockets.asyncio.client import connect

from asr_hub.app import Serving, serving
from asr_hub.config.loader import load

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:websockets[.]:DeprecationWarning"),
    # SpeechRecognition imports what Python 3.13 has no more.
    pytest.mark.filterwarnings("ignore:'(aifc|audioop)':DeprecationWarning"),
]

ROOT = Path(__file__).parents[2]
SPEECH = silence(0.4) + tone(1.0) + silence(1.2)
SAID = "three four five one two"
PORTS = {"8765": None, "10095": "funasr", "2700": "vosk", "10300": "wyoming", "50051": "riva", "50052": "google"}
"""The usual ones, and the dialects that have one of their own."""


def lines() -> dict[str, str]:
    """By how the client is called."""
    table = (ROOT / "README.md").read_text().split("<!-- clients:")[1].split("<!-- end of clients -->")[0]
    found = {}
    for row in table.splitlines():
        if row.startswith("| ") and not row.startswith("| client"):
            client, line = re.fullmatch(r"\| (.+?) \| `(.+?)`.* \|", row).groups()  # type: ignore[union-attr]
            found[re.sub(r"\]\(.*?\)|[`\[]", "", client)] = line
    return found


def with_ports(line: str, hub: Serving) -> str:
    for usual, dialect in PORTS.items():
        line = re.sub(rf"(?<=[: \",]){usual}\b", str(hub.port if dialect is None else hub.dialects[dialect]), line)
    return line


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub() -> AsyncIterator[Serving]:
    clients = load(ROOT / "config" / "existing-clients.yaml").dialects
    free = {name: {"port": 0} for name, it in clients.on_ports.items() if it.port}
    async with serving(scripted({"transcript": ("one", "two", "three", "four", "five")}, dialects=free)) as running:
        yield running
        await until_empty(running.hub)


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(SPEECH))
    return path


async def test_every_client_of_the_table_is_run_here() -> None:
    assert set(lines()) == set(RUNS)


@pytest.mark.parametrize("client", lines())
async def test_the_line_is_all_that_a_client_needs(client: str, hub: Serving, spoken: Path) -> None:
    said = await asyncio.wait_for(RUNS[client](with_ports(lines()[client], hub), spoken), 50)
    assert said.strip() == SAID


def run(line: str, **names: Any) -> Any:
    """Python, and what it gave a name to first."""
    before = set(names)
    exec(line, names)  # noqa: S102 - it is the README's
    return next((it for name, it in names.items() if name not in before and name != "__builtins__"), None)


async def openai_python(line: str, spoken: Path) -> str:
    from openai import OpenAI

    def hear() -> str:
        with run(line, OpenAI=OpenAI) as client, spoken.open("rb") as file:
            return str(client.audio.transcriptions.create(model="whisper-1", file=file).text)

    return await asyncio.to_thread(hear)


async def javascript(head: str, line: str, tail: str, spoken: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *("node", "--input-type=module", "-e", f"{head}\n{line}\n{tail}", str(spoken)),
        cwd=packages(),
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return told.decode()


async def openai_npm(line: str, spoken: Path) -> str:
    return await javascript(
        'import OpenAI from "openai"; import { createReadStream } from "node:fs";',
        line,
        "const file = createReadStream(process.argv[1]);"
        'console.log((await client.audio.transcriptions.create({ model: "whisper-1", file })).text);',
        spoken,
    )


async def curl(line: str, spoken: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *shlex.split(f"{line} --silent --fail"), cwd=spoken.parent, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return str(json.loads(told)["text"])


async def speech_recognition(line: str, spoken: Path) -> str:
    from speech_recognition import AudioFile, Recognizer

    def hear() -> str:
        before = dict(os.environ)
        try:
            run(line, os=os)
            with AudioFile(str(spoken)) as source:
                recognizer = Recognizer()
                return str(recognizer.recognize_openai(recognizer.record(source)))
        finally:
            os.environ.clear()
            os.environ.update(before)

    return await asyncio.to_thread(hear)


async def deepgram_python(line: str, spoken: Path) -> str:
    from deepgram import DeepgramClient, DeepgramClientEnvironment

    def hear() -> str:
        client = run(line, DeepgramClient=DeepgramClient, DeepgramClientEnvironment=DeepgramClientEnvironment)
        # The SDK closes nothing.
        with client._client_wrapper.httpx_client.httpx_client:
            told = client.listen.v1.media.transcribe_file(request=spoken.read_bytes(), model="nova-3")
            return str(told.results.channels[0].alternatives[0].transcript)

    return await asyncio.to_thread(hear)


async def deepgram_npm(line: str, spoken: Path) -> str:
    return await javascript(
        'import { DeepgramClient } from "@deepgram/sdk"; import { createReadStream } from "node:fs";',
        line,
        "const file = createReadStream(process.argv[1]);"
        'const told = await client.listen.v1.media.transcribeFile(file, { model: "nova-3" });'
        "console.log(told.results.channels[0].alternatives[0].transcript);",
        spoken,
    )


async def deepgram_socket(line: str, spoken: Path) -> str:
    texts = []
    async with connect(line) as socket:
        await socket.send(SPEECH)
        await socket.send('{"type": "CloseStream"}')
        async for message in socket:
            told = json.loads(message)
            if told["type"] == "Results" and told["is_final"]:
                texts.append(told["channel"]["alternatives"][0]["transcript"])
    return " ".join(filter(None, texts))


async def funasr(line: str, spoken: Path) -> str:
    said = dict(zip(shlex.split(line)[2::2], shlex.split(line)[3::2], strict=True))
    assert said["--ssl"] == "0"
    where = f"ws://{said['--host']}:{said['--port']}"
    (messages,) = await funasr_clients.new_client(where, said["--mode"], [SPEECH])
    return "".join(one["text"] for one in messages if one["mode"] == "2pass-offline")


async def vosk(line: str, spoken: Path) -> str:
    return await transcriber(line, SPEECH)


async def wyoming(line: str, spoken: Path) -> str:
    host, port = re.fullmatch(r'AsyncTcpClient\("(.+)", (\d+)\)', line).groups()  # type: ignore[union-attr]
    assert host == "127.0.0.1"
    return str(await ha.speech_to_text(int(port), SPEECH))


async def riva(line: str, spoken: Path) -> str:
    import riva.client

    def hear() -> str:
        auth = run(line, riva=riva)
        with closing(auth.channel):
            config = riva.client.RecognitionConfig(
                encoding=riva.client.AudioEncoding.LINEAR_PCM, sample_rate_hertz=16000, language_code="en-US"
            )
            told = riva.client.ASRService(auth).offline_recognize(SPEECH, config)
            return " ".join(one.alternatives[0].transcript.strip() for one in told.results)

    return await asyncio.to_thread(hear)


async def google(line: str, spoken: Path) -> str:
    import grpc
    from google.cloud.speech_v1 import RecognitionConfig, SpeechClient
    from google.cloud.speech_v1.services.speech.transports import SpeechGrpcTransport

    def hear() -> str:
        with run(line, SpeechClient=SpeechClient, SpeechGrpcTransport=SpeechGrpcTransport, grpc=grpc) as client:
            config = RecognitionConfig(encoding="LINEAR16", sample_rate_hertz=16000, language_code="en-US")
            told = client.recognize(config=config, audio={"content": SPEECH})
            return " ".join(one.alternatives[0].transcript for one in told.results)

    return await asyncio.to_thread(hear)


RUNS = {
    "openai, Python; its Realtime API too": openai_python,
    "openai, npm": openai_npm,
    "anything with a form": curl,
    "SpeechRecognition": speech_recognition,
    "deepgram-sdk, Python": deepgram_python,
    "@deepgram/sdk, npm": deepgram_npm,
    "@deepgram/sdk before 5, and others with a WebSocket": deepgram_socket,
    "FunASR's clients": funasr,
    "vosk and samples of vosk-server": vosk,
    "Home Assistant, the integration Wyoming": wyoming,
    "nvidia-riva-client": riva,
    "google-cloud-speech, v1 and v2": google,
}
