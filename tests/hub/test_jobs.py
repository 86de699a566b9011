"""The hub's jobs as protocols see them: what is charged, who is waited for, and what a killed hub has left."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.protocols.memory_jobs import SAID, Files, Keys, files

from asr_hub.access.grant import Allowance, Grant, Meter, Scope
from asr_hub.errors import NotFound, RateLimited
from asr_hub.hub.job_charges import GUESSED_BYTES_PER_S, Charges
from asr_hub.hub.jobs import LEFT_S, _prepare
from asr_hub.jobs.job import Failure, JobState
from asr_hub.protocols.jobs_port import Order, Upload
from asr_hub.store.slices.jobs import JobRecord

pytestmark = pytest.mark.unit

ANN = Grant(name="ann", scopes=frozenset({Scope.SPEAK, Scope.WATCH}))


async def submitted(hub: Files, text: bytes = b"audio", grant: Grant = ANN, **order: object) -> str:
    path = hub.folder / "file"
    await asyncio.to_thread(path.write_bytes, text)
    upload = Upload(path=path, sha256=text.hex(), size=len(text), name="a.wav")
    return (await hub.jobs.submit(upload, Order(**order), grant)).task_id  # type: ignore[arg-type]


async def test_who_waits_is_told_of_the_end_by_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_hub.hub.jobs.LOOK_S", 3600.0)
    async with files(tmp_path) as hub:
        first, second = await submitted(hub), await submitted(hub, b"more")
        waiting = [asyncio.create_task(hub.jobs.wait(first, ANN)) for _ in range(3)]
        while len(hub.jobs._waiting.get(first, ())) < 3:  # noqa: ASYNC110  it is not told from outside
            await asyncio.sleep(0)
        hub.store.cut(first, 1.0)
        hub.store.finish(second)
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        hub.store.finish(first)
        await asyncio.gather(*waiting)
        assert not hub.jobs._waiting


async def test_the_end_of_a_job_that_another_hub_works_at_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr_hub.hub.jobs.LOOK_S", 0.01)
    async with files(tmp_path) as hub:
        id = await submitted(hub)
        waiting = asyncio.create_task(hub.jobs.wait(id, ANN))
        await asyncio.sleep(0)
        hub.store.jobs[id] = replace(hub.store.jobs[id], state=JobState.DONE)
        await waiting


async def test_who_waits_for_a_job_that_is_forgotten_is_told(tmp_path: Path) -> None:
    async with files(tmp_path) as hub:
        id = await submitted(hub)
        waiting = asyncio.create_task(hub.jobs.wait(id, ANN))
        await asyncio.sleep(0)
        await hub.jobs.forget(id, ANN)
        with pytest.raises(NotFound):
            await waiting
        assert not hub.jobs._waiting


async def test_one_that_is_over_already_is_not_waited_for(tmp_path: Path) -> None:
    async with files(tmp_path) as hub:
        id = await submitted(hub)
        hub.store.fail(id, Failure(code="provider", message="gone"))
        await hub.jobs.wait(id, ANN)


async def test_a_file_is_taken_for_an_engine_that_is_not_up_yet(tmp_path: Path) -> None:
    async with files(tmp_path) as hub:
        hub.hub.engines._ready.clear()
        id = await submitted(hub, language="fr")
        assert hub.store.jobs[id].wish.provider == "scripted"
        with pytest.raises(NotFound) as error:
            await submitted(hub, b"more", provider="nobody")
        assert error.value.code == "unknown-provider"


async def test_the_statistics_count_every_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_hub.hub.jobs.PAGE", 2)
    async with files(tmp_path) as hub:
        for number in range(5):
            hub.store.finish(await submitted(hub, bytes([number])))
        stats = await hub.jobs.stats()
        assert stats.audio_hours == pytest.approx(5 * SAID.duration_ms / 3_600_000)


def test_what_a_killed_hub_has_left_is_removed_and_what_still_comes_is_not(tmp_path: Path) -> None:
    now = 1_000_000.0
    old, fresh, other = tmp_path / "upload-old", tmp_path / "upload-fresh", tmp_path / "other"
    for path, at in ((old, now - LEFT_S - 1), (fresh, now - LEFT_S + 60), (other, 0.0)):
        path.write_bytes(b"x")
        os.utime(path, (at, at))
    _prepare(tmp_path, now)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "upload-fresh"]
    _prepare(tmp_path / "a" / "b", now)
    assert (tmp_path / "a" / "b").is_dir()


# What is charged.


def limited(seconds: float = 100.0) -> Grant:
    keys = Keys()
    keys.limit("ann", seconds)
    return keys.admit("ann")


def left(grant: Grant) -> float:
    """Seconds of audio that the key may still send, to the hundredth."""
    assert grant.meter is not None
    low, high = 0.0, 100.0
    while high - low > 0.001:
        middle = (low + high) / 2
        try:
            grant.meter.hear(middle)
        except RateLimited:
            high = middle
        else:
            grant.meter.give_back(middle)
            low = middle
    return round(low, 2)


@given(st.integers(0, 99 * GUESSED_BYTES_PER_S), st.floats(0.0, 99.0))
def test_in_the_end_a_file_costs_its_length(size: int, seconds: float) -> None:
    grant, charges = limited(), Charges()
    charges.open("a", grant, charges.count(grant, size))
    charges.told("a", JobRecord(id="a", state="processing"))
    assert left(grant) == pytest.approx(100.0 - size / GUESSED_BYTES_PER_S, abs=0.02) and len(charges) == 1
    for _ in range(2):
        charges.told("a", JobRecord(id="a", state="processing", seconds=seconds))
        assert left(grant) == pytest.approx(100.0 - seconds, abs=0.02) and len(charges) == 0


def test_one_that_is_never_decoded_costs_nothing() -> None:
    for record in (None, JobRecord(id="a", state="failed"), JobRecord(id="a", state="cancelled")):
        grant, charges = limited(), Charges()
        charges.open("a", grant, charges.count(grant, 32_000 * 50))
        charges.told("b", record)
        assert len(charges) == 1
        charges.told("a", record)
        assert left(grant) == pytest.approx(100.0, abs=0.02) and len(charges) == 0


def test_a_file_longer_than_it_looked_is_made_up_for_by_waiting() -> None:
    now = 0.0
    meter = Meter(Allowance(audio_s_per_hour=3600.0), now=lambda: now)
    grant, charges = Grant(name="ann", meter=meter), Charges()
    charges.open("a", grant, charges.count(grant, 32_000))
    charges.told("a", JobRecord(id="a", seconds=3 * 3600.0))
    with pytest.raises(RateLimited) as error:
        charges.check(grant)
    assert error.value.retry_after == pytest.approx(2 * 3600.0)
    now = 2 * 3600.0 + 1
    charges.check(grant)


def test_a_key_without_limits_is_not_counted() -> None:
    charges = Charges()
    charges.check(ANN)
    charges.open("a", ANN, charges.count(ANN, 10**12))
    assert len(charges) == 0
