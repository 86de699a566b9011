"""A model that takes a dictation for an order, asked over HTTP: nothing it says is accepted, and honest work is."""

from __future__ import annotations

import pytest
from tests.correction.dictations import FIXES, OBEDIENCE, TRAPS
from tests.correction.language_model import running

from asr_hub.correction.client import Corrector
from asr_hub.correction.settings import CorrectionSettings
from asr_hub.text.guard import Limits, judge

pytestmark = pytest.mark.unit


KINDS = ("answer", "text and answer", "translation", "refusal")


@pytest.mark.parametrize("kind", KINDS)
async def test_no_obedience_is_accepted(kind: str) -> None:
    assert len(TRAPS) >= 50
    answers = {trap.said: OBEDIENCE[kind](trap) for trap in TRAPS}
    accepted = []
    async with running(answers.__getitem__) as model:
        asking = Corrector(CorrectionSettings(base_url=model.url, model="m", budget_s=30), is_inside=True)
        for trap in TRAPS:
            correction = await asking.correct(trap.said, language=trap.language)
            assert correction.text
            if not judge(trap.said, correction.text, limits=Limits(), language=trap.language):
                accepted.append((trap.said, correction.text))
        await asking.aclose()
    assert accepted == []


async def test_honest_corrections_are_accepted_out_of_their_quotes() -> None:
    answers = {fix.said: f'"{fix.meant}"' for fix in FIXES}
    async with running(answers.__getitem__) as model:
        asking = Corrector(CorrectionSettings(base_url=model.url, model="m", budget_s=30), is_inside=True)
        for fix in FIXES:
            correction = await asking.correct(fix.said, language=fix.language, hotwords=fix.hotwords)
            assert correction.text == fix.meant
            reason = judge(fix.said, fix.meant, limits=Limits(), hotwords=fix.hotwords, language=fix.language)
            assert reason == "" or fix.needs_pinyin, fix.said
        await asking.aclose()


async def test_an_echo_changes_nothing() -> None:
    async with running() as model:
        asking = Corrector(CorrectionSettings(base_url=model.url, model="m", budget_s=30), is_inside=True)
        for trap in TRAPS:
            correction = await asking.correct(trap.said)
            assert correction.text == trap.said
            assert judge(trap.said, correction.text, limits=Limits()) == ""
        await asking.aclose()
