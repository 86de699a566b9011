"""The corrected pass: what a language model makes of a final, judged before anybody is told."""

from __future__ import annotations

import os
from collections.abc import Sequence

from asr_hub.config.schema import CorrectedPass
from asr_hub.correction.client import Corrector
from asr_hub.correction.settings import CorrectionSettings, checked
from asr_hub.errors import ConfigError, PassRefused
from asr_hub.model import ProviderName
from asr_hub.providers.cloud.outside import opens_outside
from asr_hub.text.guard import Limits, judge

_WHERE = "recognition.passes.corrected"


class Correcting:
    """One language model for all sessions. `aclose` when the hub ends."""

    def __init__(self, it: CorrectedPass, *, policy: str) -> None:
        """Raises ConfigError, as `settled` does."""
        settings, key = settled(it, policy=policy)
        self._client = Corrector(settings, key=key, is_inside=not opens_outside(it.base_url))
        self._limits = Limits(max_edit_share=it.max_edit_share)
        self._name = ProviderName(it.model)

    async def __call__(
        self, text: str, *, language: str | None, context: Sequence[str], names: Sequence[str]
    ) -> tuple[str, ProviderName]:
        """
        The corrected text, and the model's name.

        Raises CorrectionFailed where there is no whole answer in time, PassRefused where it is more than a correction.
        """
        answer = await self._client.correct(text, language=language, context=context, hotwords=names)
        if why := judge(text, answer.text, limits=self._limits, hotwords=names, language=language):
            raise PassRefused(f"{self._name} did more than correct: {why}")
        return answer.text, self._name

    async def aclose(self) -> None:
        """Corrections under way fail."""
        await self._client.aclose()


def settled(it: CorrectedPass, *, policy: str) -> tuple[CorrectionSettings, str]:
    """
    How the model is asked, and the key to send, empty where there is none. Opens nothing.

    Raises ConfigError: no address, no key in the environment, or an address that the policy forbids.
    """
    settings = CorrectionSettings(
        base_url=it.base_url,
        model=it.model,
        api_key_env=it.api_key_env,
        budget_s=it.budget_s,
        max_edit_share=it.max_edit_share,
    )
    key = checked(_WHERE, settings, os.environ)
    if policy == "local" and opens_outside(it.base_url):
        raise ConfigError(
            f"{_WHERE}: {it.base_url} is outside this machine, and `policy: local` forbids it; "
            "name a server on this machine, or set `policy: any`"
        )
    return settings, key
