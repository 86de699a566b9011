"""Why finals appeared, in recordings of real hubs: engines that fail, routes, passes, wishes and wake words."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.client import Client
from tests.hubs import scripted, until_empty
from tests.speech import silence, tone

from asr_hub.app import serving

pytestmark = pytest.mark.e2e

SPEECH = silence(0.4) + tone(1.0) + silence(0.9)
WORDS = ["turn", "on", "the", "light"]

Story = Callable[[Client], Coroutine[Any, Any, None]]


def engine(*words: str, **faults: Any) -> dict[str, Any]:
    return {"kind": "scripted", "settings": {"transcript": words or WORDS, "faults": faults}}


async def speaks(client: Client, pcm: bytes = SPEECH) -> None:
    for at in range(0, len(pcm), 6400):
        await client.send(pcm[at : at + 6400])


async def finals(client: Client, count: int) -> None:
    await client.wait_until(lambda _: len(client.of("final")) >= count)


async def chains(tmp_path: Path, story: Story, kind: str = "Finalized", **sections: Any) -> list[list[str]]:
    """What led to each fact of a kind, in the recording of a session that lived through a story."""
    config = scripted(recorder={"mode": "on", "folder": str(tmp_path)}, **sections)
    async with serving(config) as hub, httpx.AsyncClient(base_url=hub.url) as http:
        async with Client(hub.stream_url) as client:
            await story(client)
            await client.send({"type": "close"})
            await client.wait_for("closed")
        await until_empty(hub.hub)
        (name,) = [view["name"] for view in (await http.get("/v1/recordings")).json()["recordings"]]
        past = f"/v1/recordings/{name}"
        found: list[list[str]] = []
        while not (told := (await http.get(f"{past}/actions")).json())["actions"][-1]["action"]["type"].endswith(
            "Closed"
        ):
            pass
        for one in told["actions"]:
            if one["action"]["type"].endswith(kind):
                causes = (await http.get(f"{past}/causes", params={"at": one["seq"]})).json()["causes"]
                assert causes[-1]["seq"] == one["seq"]
                found.append([cause["link"] for cause in causes if cause["link"] != "heard"])
        return found


async def test_finalize_and_close_end_what_is_said(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await speaks(client, silence(0.4) + tone(0.6))
        await client.send({"type": "finalize"})
        await finals(client, 1)
        await speaks(client, tone(0.6))

    by_finalize, by_close = await chains(tmp_path, story)
    assert sorted(by_finalize[:-1]) == ["asked", "began", "endpoint", "opened"]
    assert sorted(by_close[:-1]) == ["asked", "began", "endpoint", "opened"]


async def test_another_engine_hears_where_one_fails(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await speaks(client)
        await finals(client, 1)

    providers = {"scripted": {**engine(fail_after_ms=200), "fallback": "heir"}, "heir": engine()}
    (chain,) = await chains(tmp_path, story, providers=providers, recognition={"failover": {"attempts": 2}})
    links = list(dict.fromkeys(link for link in chain if link != "endpoint"))
    assert links == ["opened", "began", "failed", "handed-on", "final"]


async def test_a_route_says_why(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await client.send({"type": "configure", "language": "de"})
        await speaks(client)
        await finals(client, 1)

    routes = [{"providers": ["german"], "languages": ["de"]}]
    (chain,) = await chains(
        tmp_path, story, providers={"scripted": engine(), "german": engine()}, recognition={"routes": routes}
    )
    assert [link for link in chain if link != "endpoint"] == ["opened", "configured", "began", "routed", "final"]


async def test_what_nobody_said_is_suppressed(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await speaks(client)
        await finals(client, 1)

    (chain,) = await chains(tmp_path, story, providers={"scripted": engine(invents=True)})
    assert chain == ["opened", "began", "endpoint", "suppressed", "final"]


async def test_a_later_pass_corrects(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await speaks(client)
        await client.wait_for("revision")

    passes = {"passes": {"accurate": {"providers": ["slow"]}}}
    providers = {"scripted": engine("fast"), "slow": engine("slow")}
    (chain,) = await chains(tmp_path, story, "Corrected", providers=providers, recognition=passes)
    assert chain == ["opened", "began", "endpoint", "final", "corrected"]


async def test_a_wake_word_opens_the_ear(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await speaks(client, silence(0.4) + tone(2.4) + silence(0.9))
        await finals(client, 1)

    wake = {"provider": "spotter", "phrases": ["alpha"]}
    providers = {"scripted": engine(), "spotter": engine("alpha", "bravo", "charlie", "delta", "echo")}
    (chain, *_) = await chains(tmp_path, story, providers=providers, wake_word=wake)
    assert [link for link in chain if link != "endpoint"] == ["opened", "wake-word", "began", "final"]


async def test_a_provider_chosen_while_one_speaks_hears_the_next_utterance(tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        await speaks(client, SPEECH[: len(SPEECH) // 2])
        await client.wait_for("partial")
        await client.send({"type": "configure", "provider": "other"})
        await speaks(client, SPEECH[len(SPEECH) // 2 :])
        await finals(client, 1)
        await speaks(client)
        await finals(client, 2)

    first, second = await chains(tmp_path, story, providers={"scripted": engine("one"), "other": engine("two")})
    assert first == ["opened", "began", "endpoint", "final"]
    assert second == ["opened", "configured", "began", "endpoint", "final"]
