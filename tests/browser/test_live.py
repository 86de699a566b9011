"""The Live view: what is said into a microphone is shown as the hub heard it, whatever breaks meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.audio_files import wav
from tests.browser.conftest import Browse, Spoken, facts_of, finals_of
from tests.hubs import scripted, until, until_empty
from tests.sdk.typescript.conftest import Line, line

from asr_hub.app import serving
from asr_hub.config.schema import Config
from asr_hub.hub.hub import Hub
from asr_hub.providers.known_clip import packaged_clip
from asr_hub.store.slice import State
from asr_hub.store.slices.sessions import SessionAttached, SessionOpened, select_sessions
from asr_hub.store.slices.transcripts import UtteranceFinalized, select_transcript

pytestmark = pytest.mark.e2e

ENGINES = Config.model_validate(
    {
        "provider": "scripted",
        "providers": {
            "scripted": {"kind": "scripted"},
            "second": {"kind": "scripted"},
            "sphinx": {"kind": "pocketsphinx"},
        },
        "server": {"port": 0},
    }
)
"""What the scripted ones hear follows from the sound, too, and costs nothing."""


async def test_what_is_said_appears_over_each_protocol_and_a_dropped_file_too(
    browse: Browse, spoken: Spoken, tmp_path: Path
) -> None:
    file = tmp_path / "spoken.wav"
    file.write_bytes(wav(packaged_clip("self_test").pcm))
    people = [
        {"act": "speak", "protocol": "WebSocket", "engine": "sphinx"},
        {"act": "speak", "protocol": "HTTP + SSE", "isAway": True},
        {"act": "speak", "protocol": "Socket.IO"},
        {"act": "drop", "file": str(file)},
        {"act": "duplicate", "protocol": "WebSocket"},
    ]
    async with serving(ENGINES) as hub:
        told = (await browse("live.mjs", hub.url, people=people))["people"]
        await until_empty(hub.hub)
        heard = finals_of(hub.hub)
        protocols = {it.session: it.protocol for it in facts_of(hub.hub, SessionOpened)}
    assert len(protocols) == len(people)
    by_socket, by_http, by_socket_io, dropped, duplicate = told
    assert duplicate == {"first": "live", "second": "idle", "finals": []}
    for person, protocol in ((by_socket, "websocket"), (by_http, "http"), (by_socket_io, "socketio")):
        assert {protocols[session] for session, texts in heard.items() if texts == person["finals"]} >= {protocol}
    assert spoken.text in " ".join(by_socket["finals"])
    assert "WebSocket · sphinx" in by_socket["connection"]
    assert by_http["finals"] != dropped["finals"] in heard.values()


async def test_a_reload_and_a_cut_line_and_another_engine_in_mid_utterance_lose_nothing(
    browse: Browse, spoken: Spoken
) -> None:
    async with serving(ENGINES) as hub, AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(hub.port)) for _ in range(3)]
        bases = [f"http://127.0.0.1:{one.port}" for one in lines]
        people = [
            {"act": "speak", "protocol": "WebSocket", "engine": "sphinx", "base": bases[0]},
            {"act": "speak", "protocol": "HTTP + SSE", "base": bases[1]},
            {"act": "speak", "protocol": "Socket.IO", "base": bases[2]},
            {"act": "reload", "protocol": "WebSocket"},
            {"act": "change", "protocol": "WebSocket", "then": "Socket.IO", "engine": "second"},
        ]
        async with asyncio.TaskGroup() as tasks:
            for spoken_over, one in zip(
                (("websocket", "sphinx"), ("http", "scripted"), ("socketio", "scripted")), lines, strict=True
            ):
                tasks.create_task(_cut_in_mid_utterance(hub.hub, *spoken_over, one))
            told = (await browse("live.mjs", hub.url, people=people, lines=bases))["people"]
        await until_empty(hub.hub)
        heard = finals_of(hub.hub)
        said = list(facts_of(hub.hub, UtteranceFinalized))
        attached = list(facts_of(hub.hub, SessionAttached))
    assert [person["finals"] in heard.values() for person in told] == [True] * len(people)
    cut, *_, reloaded, changed = told
    assert spoken.text in " ".join(cut["finals"])
    # How they came back: a session over HTTP is read as events.
    assert {it.protocol for it in attached if it.resumed_from} >= {"websocket", "sse", "socketio"}
    assert len(reloaded["finals"]) == len(changed["finals"]) == 2
    # A pause ends what is being said, also where nobody says anything.
    spoken_in = [
        [it.hypothesis.provider for it in said if it.session == session and it.hypothesis.text] for session in heard
    ]
    assert ["scripted", "second"] in spoken_in
    assert "Socket.IO · second" in changed["connection"]


async def _cut_in_mid_utterance(hub: Hub, protocol: str, provider: str, one: Line) -> None:
    """When the first words of a session are heard, and again when there are others."""
    for revision in (1, 2):

        def is_said(state: State, revision: int = revision) -> bool:
            partials = (
                transcript.partial
                for session in select_sessions(state)
                if (session.protocol, session.provider) == (protocol, provider)
                and (transcript := select_transcript(state, session.id)) is not None
            )
            return any(it is not None and it.hypothesis.revision >= revision for it in partials)

        await until(hub, is_said, 150)
        one.cut()


async def test_a_long_session_leaves_the_page_small_and_quick_to_answer(browse: Browse) -> None:
    # As many utterances as an hour has, each as short as can be.
    count = 1000
    async with serving(scripted()) as hub:
        told = await browse("hour.mjs", hub.url, count=count, spoken=0.4, quiet=0.7)
        await until_empty(hub.hub)
        (heard,) = finals_of(hub.hub).values()
    assert len(heard) == count
    assert told["shown"] < 100
    assert max(told["first"], told["last"]) < 2500
