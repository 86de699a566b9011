"""A configuration that is read again while the hub runs: what changes, what waits for a restart, what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.attentive import KIND, Attentive
from tests.hubs import scripted, until
from tests.speech import silence, tone

from asr_hub import app
from asr_hub.config.loader import load
from asr_hub.config.schema import Config
from asr_hub.errors import ConfigError, Conflict, Overloaded, ProviderUnavailable
from asr_hub.hub.attachment import Attachment
from asr_hub.hub.hub import Hub
from asr_hub.hub.promotion import promote
from asr_hub.hub.reload import Reload
from asr_hub.model import ProviderName
from asr_hub.protocols.facts import ReloadView
from asr_hub.store.event import Event
from asr_hub.store.slices.hotwords import HotwordsReplaced, select_hotwords, select_tenants, select_word_list
from asr_hub.store.slices.providers import (
    Health,
    ProviderFailed,
    ProviderRemoved,
    ProviderRetired,
    select_provider,
    select_providers,
)
from asr_hub.store.slices.scores import ShadowCompared
from asr_hub.store.slices.sessions import Phase, select_session
from asr_hub.store.slices.system import Reconfigured, select_system
from asr_hub.wire.messages import Start

pytestmark = pytest.mark.unit

ONE, TWO, THREE = map(ProviderName, ("one", "two", "three"))


def hub_of(**sections: Any) -> Config:
    """A hub with the attentive engine, once as `one` and once as `two`."""
    return scripted(
        **{"provider": "one", "providers": {"one": {"kind": KIND}, "two": {"kind": KIND}}, **sections},
    )


class Rig:
    """A hub without a server."""

    def __init__(self, hub: Hub, reload: Reload) -> None:
        self.hub = hub
        self.reload = reload

    def engine(self, name: ProviderName) -> Attentive:
        found = self.hub.engines.get(name)
        assert isinstance(found, Attentive)
        return found

    def facts(self, *kinds: type) -> list[Any]:
        return [entry.event for entry in self.hub.store.journal.entries() if isinstance(entry.event, kinds)]


@asynccontextmanager
async def running(config: Config, then: Config | Exception | None = None, **options: Any) -> AsyncIterator[Rig]:
    def read() -> Config:
        if isinstance(then, Exception):
            raise then
        return then or config

    plan = app.plan_of(config)
    async with app.running_hub(config, plan) as hub:
        options = {"read": read, "plan": plan, "make_plan": app.plan_of, **options}
        yield Rig(hub, Reload(hub, config, **options))


class Speaker:
    """A client in the same process."""

    def __init__(self, hub: Hub, **start: Any) -> None:
        self._news = asyncio.Event()
        self.hub = hub
        self.messages: list[dict[str, Any]] = []
        self.attachment: Attachment = hub.open(
            Start(**start), protocol="test", on_messages=self._news.set, on_room=lambda: None
        )

    async def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The message of this kind that is the `count`th."""
        async with asyncio.timeout(30):
            while len(found := self.of(kind)) < count:
                await self._news.wait()
                self._news.clear()
                self.messages += map(json.loads, self.attachment.read())
        return found[count - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def say(self, pcm: bytes) -> None:
        self.attachment.push(pcm)

    async def wait_until_speaking(self) -> None:
        """One utterance has begun, and an engine hears it."""
        self.say(silence(0.3) + tone(0.8))
        await self.wait_for("partial")

    async def finish(self, count: int = 1) -> dict[str, Any]:
        self.say(tone(0.2) + silence(1.0))
        return await self.wait_for("final", count)


async def test_nothing_new_changes_nothing() -> None:
    async with running(hub_of()) as rig:
        before = rig.engine(ONE)
        assert await rig.reload() == ReloadView(applied=[], needs_restart=[])
        assert rig.engine(ONE) is before
        assert rig.facts(Reconfigured)


async def test_limits_the_default_and_hotwords_hold_at_once() -> None:
    then = hub_of(provider="two", hotwords=["Zermatt"], sessions={"max_sessions": 1, "idle_timeout_s": 7})
    async with running(hub_of(), then) as rig:
        view = await rig.reload()
        assert view.applied == ["hotwords", "provider", "sessions.idle_timeout_s", "sessions.max_sessions"]
        assert view.needs_restart == []
        speaker = Speaker(rig.hub)
        await speaker.wait_until_speaking()
        with pytest.raises(Overloaded):
            Speaker(rig.hub)
        assert (await speaker.finish())["hypothesis"]["provider"] == "two"
        assert rig.engine(TWO).asked[-1].hotwords == ("Zermatt",)
        assert rig.hub.limits.idle_timeout == 7
        system = select_system(rig.hub.store.state)
        assert (system.default_provider, system.max_sessions) == ("two", 1)


async def test_only_the_lists_of_hotwords_that_changed_are_replaced() -> None:
    config = hub_of(hotwords=["a"], hotwords_of={"ann": ["b"], "bob": ["c"], "eve": ["d"]})
    then = hub_of(hotwords=["a"], hotwords_of={"ann": [{"text": "b", "weight": 2}], "bob": ["c"], "kim": ["e"]})
    async with running(config, then) as rig:
        rig.hub.dispatch(HotwordsReplaced(words=("from elsewhere",), tenant="bob"))
        assert (await rig.reload()).applied == ["hotwords_of.ann", "hotwords_of.eve", "hotwords_of.kim"]
        state = rig.hub.store.state
        assert select_tenants(state) == ("ann", "bob", "kim")
        assert select_word_list(state, "ann").weights == {"b": 2.0}
        assert select_hotwords(state, "bob") == ("from elsewhere",)
        assert (await rig.reload()).applied == []


async def test_a_file_of_hotwords_is_read_again(tmp_path: Path) -> None:
    words, file = tmp_path / "words.txt", tmp_path / "hub.yaml"
    words.write_text("Brig\n")
    file.write_text(
        f"hotwords: [Visp]\nhotwords_file: {words}\nprovider: one\nproviders: {{one: {{kind: {KIND!r}}}}}\n"
    )
    async with running(load(file), read=lambda: load(file)) as rig:
        assert select_hotwords(rig.hub.store.state) == ("Visp", "Brig")
        words.write_text("Brig\nTäsch :2\n", encoding="utf-8")
        assert (await rig.reload()).applied == ["hotwords"]
        assert select_word_list(rig.hub.store.state).weights == {"Täsch": 2.0}
        words.unlink()
        with pytest.raises(Conflict, match=r"words\.txt: cannot be read"):
            await rig.reload()
        assert select_hotwords(rig.hub.store.state) == ("Visp", "Brig", "Täsch")


async def test_what_cannot_change_is_named_until_the_hub_starts_again() -> None:
    then = hub_of(server={"port": 1, "drain_s": 3}, audio={"vad": "off"}, sessions={"max_sessions": 3})
    async with running(hub_of(), then) as rig:
        wanted = ["audio.tick_ms", "audio.vad", "server.drain_s", "server.port"]
        assert await rig.reload() == ReloadView(applied=["sessions.max_sessions"], needs_restart=wanted)
        assert await rig.reload() == ReloadView(applied=[], needs_restart=wanted)
        assert select_system(rig.hub.store.state).needs_restart == tuple(wanted)


async def test_an_engine_that_changed_finishes_what_it_hears_and_the_next_hears_the_next() -> None:
    then = hub_of(providers={"one": {"kind": KIND, "settings": {"transcript": ["new"]}}, "two": {"kind": KIND}})
    async with running(hub_of(), then) as rig:
        old = rig.engine(ONE)
        speaker = Speaker(rig.hub)
        await speaker.wait_until_speaking()
        assert (await rig.reload()).applied == ["providers.one"]
        new = rig.engine(ONE)
        assert new is not old and not old.closed.is_set()
        first = await speaker.finish()
        assert first["hypothesis"]["text"] and "new" not in first["hypothesis"]["text"]
        speaker.say(tone(0.6) + silence(1.0))
        second = await speaker.wait_for("final", 2)
        assert set(second["hypothesis"]["text"].split()) == {"new"}
        assert not speaker.of("error") and not speaker.of("warning")
        assert not rig.facts(ProviderRetired, ProviderRemoved)
        async with asyncio.timeout(30):
            await old.closed.wait()
        record = select_provider(rig.hub.store.state, ONE)
        assert record is not None and (record.health, record.used) == (Health.READY, 0)


async def test_a_session_whose_engine_is_gone_is_told_and_goes_on_with_the_default() -> None:
    then = hub_of(provider="two", providers={"two": {"kind": KIND}})
    async with running(hub_of(), then) as rig:
        old = rig.engine(ONE)
        speaker, other = Speaker(rig.hub), Speaker(rig.hub, provider="two")
        await speaker.wait_until_speaking()
        assert (await rig.reload()).applied == ["provider", "providers.one"]
        record = select_provider(rig.hub.store.state, ONE)
        assert record is not None and (record.health, record.used) == (Health.RETIRING, 1)
        warning = await speaker.wait_for("warning")
        assert warning["code"] == "provider-removed" and "two" in warning["message"]
        assert (await speaker.finish())["hypothesis"]["provider"] == "one"
        speaker.say(tone(0.6) + silence(1.0))
        assert (await speaker.wait_for("final", 2))["hypothesis"]["provider"] == "two"
        await until(rig.hub, lambda state: select_provider(state, ONE) is None)
        assert old.closed.is_set()
        assert other.of("warning") == []
        assert {record.name for record in select_providers(rig.hub.store.state)} == {"two"}


async def test_an_utterance_of_an_engine_that_is_gone_and_fails_is_heard_by_the_default() -> None:
    config = hub_of(
        providers={"one": {"kind": KIND, "settings": {"faults": {"fail_after_ms": 900}}}, "two": {"kind": KIND}}
    )
    then = hub_of(provider="two", providers={"two": {"kind": KIND}})
    async with running(config, then) as rig:
        speaker = Speaker(rig.hub)
        await speaker.wait_until_speaking()
        await rig.reload()
        final = await speaker.finish()
        assert final["hypothesis"]["provider"] == "two" and final["hypothesis"]["text"]
        assert [warning["code"] for warning in speaker.of("warning")] == ["provider-removed", "handed-on"]


async def test_an_engine_that_is_added_hears_at_once() -> None:
    then = hub_of(providers={"one": {"kind": KIND}, "two": {"kind": KIND}, "three": {"kind": KIND, "fallback": "one"}})
    async with running(hub_of(), then) as rig:
        assert (await rig.reload()).applied == ["providers.three"]
        speaker = Speaker(rig.hub, provider="three")
        speaker.say(silence(0.3) + tone(0.8))
        assert (await speaker.finish())["hypothesis"]["provider"] == "three"
        assert rig.hub.engines.heirs(THREE, None) == [ONE]


@pytest.mark.parametrize(
    ("then", "error", "message"),
    [
        (ConfigError("hub.yaml:3: sessions: is wrong"), Conflict, "hub.yaml:3: sessions: is wrong"),
        (
            hub_of(
                provider="two", providers={"two": {"kind": KIND, "settings": {"no_such": 1}}, "one": {"kind": KIND}}
            ),
            Conflict,
            "no_such",
        ),
        (hub_of(provider="two", providers={"two": {"kind": "nothing-like-it"}}), Conflict, "nothing-like-it"),
        (
            hub_of(
                provider="two",
                hotwords=["new"],
                sessions={"max_sessions": 1},
                providers={
                    "two": {"kind": KIND},
                    "three": {"kind": KIND, "settings": {"faults": {"start": "no weights here"}}},
                },
            ),
            ProviderUnavailable,
            "nothing was changed.*no weights here",
        ),
        (
            hub_of(policy="local", providers={"one": {"kind": KIND}, "two": {"kind": "openai", "settings": {}}}),
            Conflict,
            "local",
        ),
    ],
    ids=["file", "setting", "kind", "start", "policy"],
)
async def test_what_is_wrong_changes_nothing(then: Config | Exception, error: type[Exception], message: str) -> None:
    async with running(hub_of(), then) as rig:
        engines, state = {ONE: rig.engine(ONE), TWO: rig.engine(TWO)}, rig.hub.store.state
        for _ in range(2):
            with pytest.raises(error, match=message) as caught:
                await rig.reload()
            assert error is not Conflict or getattr(caught.value, "code", "") == "config"
        assert {name: rig.engine(name) for name in engines} == engines
        assert rig.hub.store.state == state
        assert not any(engine.closed.is_set() for engine in engines.values())
        assert rig.hub.default == "one"


async def test_a_hub_without_a_file_says_so() -> None:
    async with running(hub_of(), read=None) as rig:
        with pytest.raises(Conflict, match="--config") as caught:
            await rig.reload()
        assert caught.value.code == "no-config-file"


async def test_reloads_are_one_after_the_other() -> None:
    versions = [hub_of(sessions={"max_sessions": number}) for number in range(1, 6)]
    done: list[str] = []

    def read() -> Config:
        done.append("read")
        return versions[done.count("read") - 1]

    async with running(hub_of(), read=read) as rig:
        dispatch = rig.hub.dispatch

        def noting(event: Event) -> None:
            if isinstance(event, Reconfigured):
                done.append("applied")
            dispatch(event)

        rig.hub.dispatch = noting  # type: ignore[method-assign]
        views = await asyncio.gather(*(rig.reload() for _ in versions))
        assert all(view.applied == ["sessions.max_sessions"] for view in views)
        assert done == ["read", "applied"] * len(versions)
        assert [fact.max_sessions for fact in rig.facts(Reconfigured)] == [1, 2, 3, 4, 5]
        assert rig.hub.limits.max_sessions == 5


async def test_of_several_new_engines_none_is_left_where_one_does_not_start() -> None:
    broken = {"kind": KIND, "settings": {"faults": {"self_test": True}}}
    then = hub_of(
        providers={
            "one": {"kind": KIND, "settings": {"max_streams": 3}},
            "two": {"kind": KIND},
            "three": broken,
            "four": {"kind": KIND},
        }
    )
    async with running(hub_of(), then) as rig:
        before = {rig.engine(ONE), rig.engine(TWO)}
        Attentive.made.clear()
        with pytest.raises(ProviderUnavailable, match="self-test"):
            await rig.reload()
        tried = set(Attentive.made) - before
        assert {engine.name for engine in tried} >= {"one", "three"}
        assert all(engine.closed.is_set() for engine in tried)
        assert not any(engine.closed.is_set() for engine in before)


async def test_words_that_were_set_meanwhile_stay_where_the_file_says_what_it_said() -> None:
    then = [hub_of(hotwords=["a"], sessions={"max_sessions": 9}), hub_of(hotwords=["c"])]
    async with running(hub_of(hotwords=["a"]), read=lambda: then.pop(0)) as rig:
        assert select_hotwords(rig.hub.store.state) == ("a",)
        rig.hub.dispatch(HotwordsReplaced(words=("b",)))
        await rig.reload()
        assert select_hotwords(rig.hub.store.state) == ("b",)
        await rig.reload()
        assert select_hotwords(rig.hub.store.state) == ("c",)


async def test_another_part_agrees_before_anything_changes_and_is_told_after() -> None:
    then = [
        hub_of(logging={"level": "error"}, sessions={"max_sessions": 9}),
        hub_of(logging={"level": "debug"}, sessions={"max_sessions": 8}),
        hub_of(logging={"level": "debug"}, sessions={"max_sessions": 7}),
    ]
    asked: list[str] = []
    levels: list[str] = []

    def prepare(config: Config) -> Callable[[], None]:
        asked.append(config.logging.level)
        if config.logging.level == "error":
            raise ConfigError("not as loud")
        return lambda: levels.append(config.logging.level)

    async with running(hub_of(), read=lambda: then.pop(0)) as rig:
        rig.reload.join("logging", prepare)
        with pytest.raises(Conflict, match="not as loud"):
            await rig.reload()
        assert rig.hub.limits.max_sessions == 200
        assert (await rig.reload()).applied == ["logging.level", "sessions.max_sessions"]
        assert (await rig.reload()).applied == ["sessions.max_sessions"]
        assert asked == ["error", "debug"] and levels == ["debug"]
        with pytest.raises(ValueError, match="logging"):
            rig.reload.join("logging", prepare)


async def test_the_engine_of_the_wake_word_stays_until_the_hub_starts_again() -> None:
    wake_word = {"provider": "two", "phrases": ["computer"]}
    then = hub_of(providers={"one": {"kind": KIND}})
    async with running(hub_of(wake_word=wake_word), then) as rig:
        view = await rig.reload()
        assert view == ReloadView(applied=[], needs_restart=["providers.two", "wake_word"])
        assert rig.engine(TWO)


async def test_a_hub_that_drains_changes_nothing_more() -> None:
    async with running(hub_of(), hub_of(provider="two")) as rig:
        await rig.hub.drain(5)
        with pytest.raises(Overloaded) as caught:
            await rig.reload()
        assert caught.value.code == "draining"
        assert rig.hub.default == "one"


async def test_a_hub_that_stops_closes_what_still_retires() -> None:
    then = hub_of(provider="two", providers={"two": {"kind": KIND}})
    async with running(hub_of(), then) as rig:
        old = rig.engine(ONE)
        speaker = Speaker(rig.hub)
        await speaker.wait_until_speaking()
        await rig.reload()
        assert not old.closed.is_set()
    assert old.closed.is_set()


async def test_an_engine_that_never_started_is_replaced_by_one_that_does() -> None:
    config = hub_of(
        providers={"one": {"kind": KIND, "settings": {"faults": {"start": "no weights"}}}, "two": {"kind": KIND}}
    )
    async with running(config, hub_of()) as rig:
        assert rig.facts(ProviderFailed)
        await rig.reload()
        record = select_provider(rig.hub.store.state, ONE)
        assert record is not None and record.health is Health.READY
        assert rig.engine(ONE)


async def test_a_fact_of_a_reload_holds_keys_and_no_secret() -> None:
    secret = "a-word-that-must-not-be-written-down"
    then = hub_of(providers={"one": {"kind": KIND, "settings": {"transcript": [secret]}}, "two": {"kind": KIND}})
    async with running(hub_of(), then) as rig:
        await rig.reload()
        (fact,) = rig.facts(Reconfigured)
        assert fact.applied == ("providers.one",)
        assert secret not in repr(fact)


async def test_a_session_that_closes_while_its_engine_goes_has_its_final() -> None:
    then = hub_of(provider="two", providers={"two": {"kind": KIND}})
    async with running(hub_of(), then) as rig:
        speaker = Speaker(rig.hub)
        await speaker.wait_until_speaking()
        speaker.attachment.close()
        record = select_session(rig.hub.store.state, speaker.attachment.session)
        assert record is not None and record.phase is Phase.CLOSING
        await rig.reload()
        await speaker.wait_for("closed")
        assert speaker.of("final")[0]["hypothesis"]["provider"] == "one"


# The section `recognition`.


BROKEN = {"faults": {"start": "no weights"}}


def recognition(**section: Any) -> Config:
    return hub_of(recognition=section)


def corrected(**settings: Any) -> dict[str, Any]:
    return {"corrected": {"base_url": "http://127.0.0.1:9/v1", "model": "m", **settings}}


class SlowCorrector:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self.closed = asyncio.Event()

    async def __call__(self, text: str, **about: Any) -> tuple[str, ProviderName]:
        self.asked.set()
        await self.go.wait()
        assert not self.closed.is_set()
        return text.upper(), ProviderName("m")

    async def aclose(self) -> None:
        self.closed.set()


async def test_what_is_done_with_an_utterance_changes_while_the_hub_runs() -> None:
    then = recognition(
        shadow={"provider": "two", "every": 3},
        hedging={"provider": "two"},
        breaker={"failures": 2, "open_s": 5},
        failover={"attempts": 4},
        match_hotwords=False,
    )
    async with running(hub_of(), then) as rig:
        view = await rig.reload()
        assert view == ReloadView(
            applied=[
                "recognition.breaker.failures",
                "recognition.breaker.open_s",
                "recognition.failover.attempts",
                "recognition.hedging",
                "recognition.match_hotwords",
                "recognition.shadow",
            ],
            needs_restart=[],
        )
        strategy = rig.hub.around.strategy
        assert strategy.shadow is not None and (strategy.shadow.provider, strategy.shadow.every) == (TWO, 3)
        assert strategy.hedge is not None and strategy.patience.attempts == 4 and not strategy.match_hotwords
        policy = rig.hub.around._breakers.policy
        assert (policy.failures, policy.open_s) == (2, 5)


async def test_an_engine_that_is_put_on_trial_hears_what_is_said_next() -> None:
    then = recognition(shadow={"provider": "two"})
    async with running(hub_of(), then) as rig:
        speaker = Speaker(rig.hub)
        await speaker.wait_until_speaking()
        await speaker.finish()
        await rig.reload()
        await speaker.wait_until_speaking()
        await speaker.finish(2)
        await rig.hub.around.shadowing.settled()
        (fact,) = rig.facts(ShadowCompared)
        assert (fact.provider, fact.primary, fact.errors) == (TWO, ONE, 0)


@pytest.mark.parametrize(
    "section",
    [
        {"passes": corrected(api_key_env="NOBODY_SET_THIS")},
        {"speakers": {"model": "nowhere/at-all.onnx"}},
        {"passes": corrected(), "speakers": {"model": "nowhere/at-all.onnx"}},
    ],
    ids=["key", "model", "the second of two"],
)
async def test_a_recognition_that_cannot_hold_changes_nothing(section: dict[str, Any]) -> None:
    then = hub_of(recognition={**section, "polish": True}, sessions={"max_sessions": 9})
    async with running(hub_of(), then) as rig:
        around = rig.hub.around
        before = (around.strategy, around._breakers.policy, around.corrector, around.speakers)
        with pytest.raises((Conflict, ProviderUnavailable)):
            await rig.reload()
        assert (around.strategy, around._breakers.policy, around.corrector, around.speakers) == before
        assert rig.hub.limits.max_sessions == 200


async def test_where_an_engine_does_not_start_the_language_model_stays_as_it_was() -> None:
    then = hub_of(
        providers={"one": {"kind": KIND}, "two": {"kind": KIND}, "three": {"kind": "scripted", "settings": BROKEN}},
        recognition={"passes": corrected(), "polish": True},
    )
    async with running(hub_of(), then) as rig:
        with pytest.raises(ProviderUnavailable):
            await rig.reload()
        assert rig.hub.around.corrector is None and not rig.hub.around.strategy.polish


async def test_a_language_model_outside_is_refused_where_the_policy_turns_local() -> None:
    passes = corrected(base_url="https://example.com/v1")
    async with running(recognition(passes=passes), hub_of(policy="local", recognition={"passes": passes})) as rig:
        with pytest.raises(Conflict, match="outside"):
            await rig.reload()


async def test_a_language_model_that_is_replaced_is_closed_when_nobody_waits_for_it() -> None:
    then = [recognition(passes=corrected(model="n")), recognition(passes=corrected(model="n"), polish=True), hub_of()]
    async with running(recognition(passes=corrected()), read=lambda: then.pop(0)) as rig:
        around = rig.hub.around
        old = around.corrector = SlowCorrector()
        asked = asyncio.create_task(around.correct("a", language=None, context=(), names=()))
        await old.asked.wait()
        await rig.reload()
        new = around.corrector
        assert new is not None and new is not old and not old.closed.is_set()
        old.go.set()
        assert (await asked)[0] == "A"
        async with asyncio.timeout(10):
            await old.closed.wait()
        # What stays as it was is not made anew.
        await rig.reload()
        assert around.corrector is new and around.strategy.polish
        await rig.reload()
        assert around.corrector is None and around.strategy.corrected_budget_s is None


async def test_a_hub_that_stops_closes_the_language_model_it_has_and_the_one_before() -> None:
    then = recognition(passes=corrected(model="n"))
    async with running(recognition(passes=corrected()), then) as rig:
        around = rig.hub.around
        old = around.corrector = SlowCorrector()
        await rig.reload()
        new = around.corrector = SlowCorrector()
    assert old.closed.is_set() and new.closed.is_set()


async def test_what_the_configuration_says_counts_more_than_a_promotion() -> None:
    config = recognition(shadow={"provider": "two"})
    async with running(config) as rig:
        promote(rig.hub, TWO)
        shadow = rig.hub.around.strategy.shadow
        assert rig.hub.default == TWO and shadow is not None and shadow.provider == ONE
        assert select_system(rig.hub.store.state).default_provider == TWO
        assert (await rig.reload()).applied == ["provider", "recognition.shadow"]
        shadow = rig.hub.around.strategy.shadow
        assert rig.hub.default == ONE and shadow is not None and shadow.provider == TWO
        assert select_system(rig.hub.store.state).default_provider == ONE
        assert (await rig.reload()).applied == []
