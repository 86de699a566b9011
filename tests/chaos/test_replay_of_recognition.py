"""A journal of everything that recognition does beside hearing replays to the state that was."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client import Client
from tests.hubs import scripted, until
from tests.speech import silence, tone
from typer.testing import CliRunner

from asr_hub.app import Serving, serving
from asr_hub.cli.main import app
from asr_hub.config.schema import Config
from asr_hub.model import ProviderName
from asr_hub.store.journal import header, replay
from asr_hub.store.slice import State
from asr_hub.store.slices.breakers import (
    AttemptFailed,
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    BreakerState,
    select_breaker,
)
from asr_hub.store.slices.scores import LATENCIES_NEEDED, FinalHedged, HedgeWon, ShadowCompared
from asr_hub.store.slices.transcripts import (
    DecisionUndone,
    HotwordsMatched,
    TextSuppressed,
    UtteranceCorrected,
    UtteranceHandedOn,
    UtteranceRouted,
)

pytestmark = [pytest.mark.chaos, pytest.mark.e2e]

SAID = silence(0.4) + tone(1.6) + silence(0.9)
SHORT = silence(0.5) + tone(0.6)
HEARD = ["the", "zer", "mat"]
EVERYTHING = (
    UtteranceHandedOn,
    AttemptFailed,
    BreakerOpened,
    BreakerHalfOpened,
    BreakerClosed,
    UtteranceRouted,
    UtteranceCorrected,
    ShadowCompared,
    FinalHedged,
    HedgeWon,
    HotwordsMatched,
    TextSuppressed,
    DecisionUndone,
)


def provider(*transcript: str, fallback: str | None = None, **faults: Any) -> dict[str, Any]:
    entry = {"kind": "scripted", "settings": {"transcript": list(transcript), "faults": faults}}
    return entry if fallback is None else {**entry, "fallback": fallback}


def everything(journal: Path, *, is_stuck: bool = False) -> Config:
    return scripted(
        provider="frail",
        providers={
            # It passes its self-test, which is shorter.
            "frail": provider(*HEARD, fallback="spare", fail_after_ms=600),
            "spare": provider(*HEARD),
            "inventor": provider("thanks", "for", "watching", invents=True),
            "steady": provider(*HEARD, **({"hang_after_ms": 600} if is_stuck else {})),
            "careful": provider("the", "matterhorn"),
            "trial": provider("the", "zer", "mitt"),
            "second": provider(*HEARD),
        },
        recognition={
            "failover": {"attempts": 1},
            "breaker": {"failures": 2, "open_s": 0.05},
            "passes": {"accurate": {"providers": ["careful"]}},
            "routes": [{"languages": ["de"], "providers": ["spare"]}],
            "shadow": {"provider": "trial"},
            "hedging": {"provider": "second", "share": 1.0, "min_ms": 0},
        },
        journal={"path": str(journal)},
    )


async def test_a_journal_of_everything_recognition_does_replays_to_the_same_state_each_time(tmp_path: Path) -> None:
    path = tmp_path / "hub.journal"
    async with (
        serving(everything(path), read=lambda: everything(path, is_stuck=True)) as hub,
        AsyncExitStack() as stack,
    ):
        store = hub.hub.store
        await stack.enter_async_context(failing(hub))
        await stack.enter_async_context(routed(hub))
        await stack.enter_async_context(inventing(hub))
        await stack.enter_async_context(late(hub))
        await hub.hub.around.shadowing.settled()
        # While the sessions live: what was said in them is forgotten with them.
        seq, then = store.journal.seq, store.state
        happened = {type(entry.event) for entry in store.journal.entries()}
    assert happened >= set(EVERYTHING), set(EVERYTHING) - happened
    lines = path.read_bytes().splitlines(keepends=True)
    for _ in range(3):
        # Byte for byte, in the one way in which a state is written down.
        assert header(after=1, state=replay(lines[: seq + 1])) == header(after=1, state=then)
        assert header(after=1, state=replay(lines)) == header(after=1, state=store.state)

    printed = [CliRunner().invoke(app, ["replay", str(path), "--at", str(seq), "--json"]) for _ in range(3)]
    assert {result.exit_code for result in printed} == {0} and len({result.stdout for result in printed}) == 1
    moment = json.loads(printed[0].stdout)
    assert moment["seq"] == seq and moment.get("damage") is None
    assert moment["state"] == _plain(then)
    shown = CliRunner().invoke(app, ["replay", str(path)])
    assert shown.exit_code == 0 and "breakers" in shown.stdout and "thanks for watching" in shown.stdout
    said = {story["provider"]: story["utterances"] for story in moment["sessions"].values()}
    assert "thanks for watching" in said["inventor"]["1"]["text"]
    assert said["steady"][str(LATENCIES_NEEDED + 1)]["is_final"]


@asynccontextmanager
async def failing(hub: Serving) -> AsyncIterator[None]:
    """An engine fails until its breaker opens, another one hears, a third one reads again, and the breaker closes."""
    async with Client(hub.stream_url, provider="frail", hotwords=["Zermatt"], language="en") as client:
        await client.send(SAID * 2)
        await client.wait_until(lambda m: m["type"] == "revision" and m["utterance"] == 2)
        assert all("Zermatt" in text for text in client.finals)
        await until(hub.hub, _is_closed_again)
        yield


@asynccontextmanager
async def routed(hub: Serving) -> AsyncIterator[None]:
    async with Client(hub.stream_url, language="de") as client:
        await client.send(SAID)
        assert (await client.wait_for("final"))["hypothesis"]["provider"] == "spare"
        yield


@asynccontextmanager
async def inventing(hub: Serving) -> AsyncIterator[None]:
    """A phantom is kept back, and told after all when somebody says that it was none."""
    async with Client(hub.stream_url, provider="inventor") as client:
        await client.send(SAID)
        await client.wait_for("revision")
        assert client.finals == [""]
        after = len(client.messages)
        async with httpx.AsyncClient(base_url=hub.url) as http:
            (await http.post(f"/v1/sessions/{client.session}/utterances/1/undo")).raise_for_status()
        await client.wait_until(lambda m: m["type"] == "revision", after=after)
        yield


@asynccontextmanager
async def late(hub: Serving) -> AsyncIterator[None]:
    """An engine of which it is known how fast it is stands still once, and another one's final is told."""
    async with Client(hub.stream_url, provider="steady") as client:
        for number in range(1, LATENCIES_NEEDED + 2):
            if number > LATENCIES_NEEDED:
                await hub.reload()
            await client.send(SHORT)
            await client.send({"type": "finalize"})
            final = await client.wait_until(lambda m, of=number: m["type"] == "final" and m["utterance"] == of)
        assert final["hypothesis"]["provider"] == "second"
        yield


def _is_closed_again(state: Any) -> bool:
    breaker = select_breaker(state, ProviderName("frail"))
    return breaker is not None and breaker.openings > 0 and breaker.state is BreakerState.CLOSED


def _plain(state: State) -> Any:
    """The parts of a state as a written journal has them."""
    return json.loads(header(after=1, state=state))["state"]
