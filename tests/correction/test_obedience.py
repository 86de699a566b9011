"""A model that takes a dictation for an order, asked over HTTP: nothing it says is accepted, and honest work is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.correction.dictations import FIXES, TRAPS, Fix, Trap
from tests.correction.language_model import running

from asr_hub.correction.client import Corrector
from asr_hub.correction.settings import CorrectionSettings
from asr_hub.text.guard import Limits, judge

pytestmark = pytest.mark.unit


def written(said: str) -> str:
    return said[0].upper() + said[1:] + "."


OBEDIENCE: dict[str, Callable[[Trap], str]] = {
    "answer": lambda trap: trap.answer,
    "text and answer": lambda trap: f"{trap.said} {trap.answer}",
    "corrected text and answer": lambda trap: f"{written(trap.said)} {trap.answer}",
    "answer and text": lambda trap: f"{trap.answer} {trap.said}",
    "answer on a new line": lambda trap: f"{written(trap.said)}\n\n{trap.answer}",
    "translation": lambda trap: trap.translation,
    "text and translation": lambda trap: f"{written(trap.said)} ({trap.translation})",
    "refusal": lambda _: "I'm sorry, I can't help with that.",
    "introduction": lambda trap: f"Sure! Here is the corrected text: {written(trap.said)}",
    "label": lambda trap: f"Corrected: {written(trap.said)}",
    "closing offer": lambda trap: f"{written(trap.said)} Let me know if you need anything else.",
    "one word before": lambda trap: f"Okay, {trap.said}",
    "one word after": lambda trap: f"{written(trap.said)} Done.",
    "code": lambda trap: f"```\n{trap.said}\n```",
    "markdown": lambda trap: f"**{written(trap.said)}**",
    "link": lambda trap: f"{trap.said} https://example.org/?q=1",
}


@pytest.mark.parametrize("kind", OBEDIENCE)
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


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.said)
async def test_honest_corrections_are_accepted(fix: Fix) -> None:
    async with running(lambda _: f'"{fix.meant}"') as model:
        asking = Corrector(CorrectionSettings(base_url=model.url, model="m", budget_s=30), is_inside=True)
        correction = await asking.correct(fix.said, language=fix.language, hotwords=fix.hotwords)
        await asking.aclose()
    assert correction.text == fix.meant
    assert judge(fix.said, correction.text, limits=Limits(), hotwords=fix.hotwords, language=fix.language) == ""


async def test_an_echo_changes_nothing() -> None:
    async with running() as model:
        asking = Corrector(CorrectionSettings(base_url=model.url, model="m", budget_s=30), is_inside=True)
        for trap in TRAPS:
            correction = await asking.correct(trap.said)
            assert correction.text == trap.said
            assert judge(trap.said, correction.text, limits=Limits()) == ""
        await asking.aclose()
