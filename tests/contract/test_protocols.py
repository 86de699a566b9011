"""What every protocol owes: the same conversation gives the same messages, whatever carries it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.hubs import scripted, until_empty
from tests.peers import PEERS
from tests.peers.base import Message, Peer, Refused
from tests.peers.http import HttpPeer
from tests.peers.websocket import WebSocketPeer
from tests.speech import silence, tone
from websockets.exceptions import ConnectionClosed

from asr_hub.app import Serving, serving
from asr_hub.model import SessionId

pytestmark = pytest.mark.e2e

SPEECH = silence(0.5) + tone(1.0) + silence(1.0)
MORE = tone(0.6, hertz=330) + silence(1.0)
HALF = silence(0.3) + tone(0.7)

CONFIG = scripted(
    provider="one",
    providers={
        "one": {"kind": "scripted", "settings": {"transcript": ["one", "two", "three"]}},
        "other": {"kind": "scripted", "settings": {"transcript": ["eins", "zwei", "drei"]}},
    },
    server={"port": 0, "grpc_port": 0},
)


async def say(peer: Peer, pcm: bytes, block: int = 3200) -> None:
    for at in range(0, len(pcm), block):
        await peer.send(pcm[at : at + block])


async def one_utterance(peer: Peer) -> None:
    await say(peer, SPEECH)
    await peer.wait_for("final")


async def two_utterances(peer: Peer) -> None:
    # One after the other: the news that somebody speaks again may come before or after the first final.
    await say(peer, SPEECH, 16_000)
    await peer.wait_for("final")
    await say(peer, MORE, 16_000)
    await peer.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)


async def finalize_in_the_middle_of_speech(peer: Peer) -> None:
    await say(peer, HALF)
    await peer.tell("finalize")
    await peer.wait_for("final")
    await say(peer, MORE)
    await peer.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)


async def finalize_where_nothing_was_said(peer: Peer) -> None:
    await peer.tell("finalize")
    await peer.wait_for("final")
    await say(peer, silence(0.4))
    await peer.tell("finalize")
    await peer.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)


async def clear_what_is_not_final(peer: Peer) -> None:
    await say(peer, HALF)
    await peer.wait_for("partial")
    await peer.tell("clear")
    await peer.wait_for("endpoint")
    await say(peer, silence(0.5) + MORE)
    await peer.wait_for("final")


async def another_engine_for_the_next_utterance(peer: Peer) -> None:
    await say(peer, SPEECH)
    await peer.wait_for("final")
    await peer.tell("configure", provider="other")
    await say(peer, MORE)
    await peer.wait_until(lambda m: m["type"] == "final" and m["utterance"] == 2)


async def without_partials(peer: Peer) -> None:
    await peer.tell("configure", partials=False)
    await say(peer, SPEECH)
    await peer.wait_for("final")


async def close_in_the_middle_of_speech(peer: Peer) -> None:
    await say(peer, HALF)


async def close_at_once(peer: Peer) -> None:
    pass


CONVERSATIONS: tuple[Callable[[Peer], Awaitable[None]], ...] = (
    one_utterance,
    two_utterances,
    finalize_in_the_middle_of_speech,
    finalize_where_nothing_was_said,
    clear_what_is_not_final,
    another_engine_for_the_next_utterance,
    without_partials,
    close_in_the_middle_of_speech,
    close_at_once,
)


async def held(hub: Serving, make: type[Peer], conversation: Callable[[Peer], Awaitable[None]]) -> list[Message]:
    async with make(hub) as peer:
        await peer.start()
        await conversation(peer)
        await peer.tell("close")
        await peer.wait_for("closed")
        return told(peer)


def told(peer: Peer) -> list[Message]:
    """What was said, less what depends on how quickly it was read: merged messages, their numbers, and latency."""
    return [_without_pace(m) for m in peer.messages if m["type"] not in ("partial", "audio-ack", "levels")]


def _without_pace(message: Message) -> Message:
    kept = {name: value for name, value in message.items() if name not in ("seq", "skipped", "latency_ms")}
    if "hypothesis" in kept:
        kept["hypothesis"] = {name: value for name, value in kept["hypothesis"].items() if name != "revision"}
    return kept


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda it: it.__name__)
async def test_the_same_conversation_gives_the_same_messages_over_every_protocol(
    conversation: Callable[[Peer], Awaitable[None]],
) -> None:
    async with serving(CONFIG) as hub:
        heard = {make.__name__: await held(hub, make, conversation) for make in PEERS}
        first, *others = heard.values()
        assert first[-1]["type"] == "closed"
        for name, messages in heard.items():
            assert messages == first, name
        await until_empty(hub.hub)
        assert hub.hub.kept_logs <= len(PEERS)
        assert others


FAULTS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("start", {"provider": "nobody"}, "unknown-provider"),
    ("start", {"format": {"sample_rate": 100}}, "unsupported-rate"),
    ("start", {"format": {"channels": 99}}, "unsupported-channels"),
    ("start", {"language": "not a language"}, "bad-value"),
    ("start", {"hotwords": [""]}, "bad-value"),
    ("attach", {"session": "nobody-there", "role": "viewer"}, "unknown-session"),
    ("attach", {"role": "viewer", "seq": 999}, "stale-seq"),
)


@pytest.mark.parametrize("make", PEERS, ids=lambda it: it.__name__)
@pytest.mark.parametrize(("first", "fields", "code"), FAULTS, ids=[f"{f} {c}" for f, _, c in FAULTS])
async def test_what_is_refused_has_the_same_name_over_every_protocol(
    make: type[Peer], first: str, fields: dict[str, Any], code: str
) -> None:
    async with serving(CONFIG) as hub, make(hub) as there:
        await there.start()
        async with make(hub) as peer:
            with pytest.raises(Refused) as refused:
                if first == "start":
                    await peer.start(**fields)
                else:
                    await peer.attach(**{"session": there.session, **fields})
            assert refused.value.code == code
        # Who is there is not touched.
        await one_utterance(there)
        assert there.finals[0]


@pytest.mark.parametrize("make", PEERS, ids=lambda it: it.__name__)
async def test_a_second_publisher_is_refused_and_may_take_over(make: type[Peer]) -> None:
    # Requests of one key are one publisher, since HTTP has no connection that would tell two of them apart.
    there = WebSocketPeer if make is HttpPeer else make
    async with serving(CONFIG) as hub, there(hub) as first, make(hub) as second, make(hub) as third:
        await first.start()
        await say(first, silence(0.2))
        with pytest.raises(Refused) as refused:
            await second.attach(first.session, seq=0)
            await second.send(silence(0.1))
        assert refused.value.code == "second-publisher"
        await third.attach(first.session, seq=0, take_over=True)
        await say(third, SPEECH)
        await third.wait_for("final")
        await third.tell("close")
        await third.wait_for("closed")


@pytest.mark.parametrize("make", PEERS, ids=lambda it: it.__name__)
async def test_a_wish_that_cannot_be_met_is_named_and_the_session_goes_on(make: type[Peer]) -> None:
    async with serving(CONFIG) as hub, make(hub) as peer:
        await peer.start()
        try:
            await peer.tell("configure", provider="nobody")
            error = await peer.wait_for("error")
            code = error["code"]
        except Refused as refused:
            code = refused.code
        assert code == "unknown-provider"
        await one_utterance(peer)


@pytest.mark.parametrize("make", PEERS, ids=lambda it: it.__name__)
async def test_a_dropped_publisher_comes_back_without_gap_or_duplicate(make: type[Peer]) -> None:
    async with serving(CONFIG) as hub:
        async with make(hub) as first:
            await first.start()
            await say(first, SPEECH)
            await first.wait_for("final")
        async with make(hub) as second:
            await second.attach(first.session, seq=first.seq, take_over=True)
            await say(second, SPEECH[2 * second.audio_offset :] + MORE)
            await second.tell("close")
            await second.wait_for("closed")
    kinds = [m["type"] for m in (*first.messages, *second.messages) if m["type"] in ("endpoint", "final", "closed")]
    assert kinds == ["endpoint", "final", "endpoint", "final", "endpoint", "final", "closed"] or kinds == [
        "endpoint",
        "final",
        "endpoint",
        "final",
        "closed",
    ]
    numbers = [m["utterance"] for m in (*first.messages, *second.messages) if m["type"] == "final"]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("make", PEERS, ids=lambda it: it.__name__)
async def test_who_speaks_on_while_the_hub_closes_the_session_hears_its_end(make: type[Peer]) -> None:
    slow = scripted({"faults": {"cost": 1.0}}, server={"port": 0, "grpc_port": 0})
    async with serving(slow) as hub, make(hub) as peer:
        await peer.start()
        await say(peer, HALF)
        await peer.wait_for("partial")
        hub.hub.close(SessionId(peer.session), "test")
        # As much as is on the way before the news of it arrives, and more pieces than errors are forgiven.
        with contextlib.suppress(Refused, OSError, ConnectionClosed):
            for _ in range(100):
                await peer.send(silence(0.02))
        closed = await peer.wait_for("closed")
        assert (closed["reason"], closed["audio_offset"]) == ("test", len(HALF) // 2)
        assert len(peer.finals) == 1
        assert peer.of("error") == []
