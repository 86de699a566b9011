"""What a client of FunASR is told of one recording."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from asr_hub.model import Hypothesis, Word
from asr_hub.wire.dialects.growing import Growing, Policy
from asr_hub.wire.dialects.spacing import joined, spaced

Mode = Literal["offline", "online", "2pass"]
"""What a client asks for."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A text."""

    mode: Literal["offline", "online", "2pass-online", "2pass-offline"]
    text: str
    wav_name: str
    is_final: bool
    timestamp: str | msgspec.UnsetType = msgspec.UNSET
    """JSON: the begin and the end of each word or character, in milliseconds of the recording's audio."""
    error: str | msgspec.UnsetType = msgspec.UNSET


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more comes of this recording."""

    mode: Mode
    wav_name: str
    is_final: bool
    """False: not all was heard."""
    is_end: bool
    text: Literal[""] = ""
    """Clients of the generation before take it for a text."""
    error: str | msgspec.UnsetType = msgspec.UNSET


Told = Result | Acknowledgement


class Recording:
    """
    What is told of it: `partial` and `final` as they come, `over` when it has ended.

    Once the client has ended it a final is held back until the next one or the end: the last one is to say that it is.
    """

    def __init__(self, mode: Mode, name: str, policy: Policy) -> None:
        self.mode = mode
        self.failure: str | None = None
        """Why not all of it was heard."""
        self.is_ending = False
        self.is_silent = False
        """It has no audio, and waits for the end of the one before it."""
        self._name = name
        # In the other modes the final takes the place of what was told before, so that nothing wrong stays.
        self._policy: Policy = "stable" if mode == "2pass" and policy == "final_only" else policy
        self._growing = Growing(self._policy)
        self._held: Result | None = None
        self._heard: list[Hypothesis] = []
        self._wants_ack = False

    @property
    def has_partials(self) -> bool:
        """Whether partials are told."""
        return self.mode != "offline" and self._policy != "final_only"

    def end(self, *, wants_ack: bool) -> None:
        """The client has sent all of it."""
        self.is_ending = True
        self._wants_ack = self._wants_ack or wants_ack

    def partial(self, hypothesis: Hypothesis) -> Sequence[Told]:
        if not self.has_partials or not (text := self._growing.partial(hypothesis)):
            return ()
        return (*self._release(), self._result("2pass-online" if self.mode == "2pass" else "online", text))

    def final(self, hypothesis: Hypothesis) -> Sequence[Told]:
        growing, self._growing = self._growing, Growing(self._policy)
        if not hypothesis.text:
            return ()
        match self.mode:
            case "offline":
                self._heard.append(hypothesis)
                return ()
            case "online":
                # The space is told with the text before it, also where all of that was told already.
                rest = growing.final(hypothesis)
                result = self._result("online", rest + spaced(hypothesis.text)[len(hypothesis.text) :])
            case "2pass":
                result = self._result("2pass-offline", spaced(hypothesis.text), times=_times((hypothesis,)))
        if not self.is_ending:
            return (result,)
        before, self._held = self._release(), result
        return before

    def over(self) -> Sequence[Told]:
        """Its last text, with `is_final`, and the acknowledgement where the client waits for it."""
        match self.mode:
            case "offline":
                text = spaced(joined(it.text for it in self._heard))
                last = self._result("offline", text, times=_times(self._heard))
            case "online":
                last = self._held or self._result("online", "")
            case "2pass":
                last = self._held or self._result("2pass-offline", "")
        error = msgspec.UNSET if self.failure is None else self.failure
        last = msgspec.structs.replace(last, is_final=True, error=error)
        return (last, self.acknowledgement()) if self._wants_ack else (last,)

    def acknowledgement(self) -> Acknowledgement:
        return Acknowledgement(
            mode=self.mode,
            wav_name=self._name,
            is_final=self.failure is None,
            is_end=True,
            error=msgspec.UNSET if self.failure is None else self.failure,
        )

    def failed(self, why: str) -> Acknowledgement:
        """It cannot go on."""
        self.failure = why
        return self.acknowledgement()

    def _release(self) -> Sequence[Told]:
        held, self._held = self._held, None
        return (held,) if held is not None else ()

    def _result(
        self,
        mode: Literal["offline", "online", "2pass-online", "2pass-offline"],
        text: str,
        *,
        times: str | msgspec.UnsetType = msgspec.UNSET,
    ) -> Result:
        return Result(mode=mode, text=text, wav_name=self._name, is_final=False, timestamp=times)


def _times(heard: Sequence[Hypothesis]) -> str | msgspec.UnsetType:
    """
    Of every word, or character where they have no spaces between them.

    Nothing where there are too few: FunASR's web page counts them off as it reads the text, and breaks.
    """
    times = [time for it in heard for word in it.words for time in _split(word)]
    wanted = sum(_counted(it.text) for it in heard)
    return msgspec.json.encode(times).decode() if times and len(times) >= wanted else msgspec.UNSET


def _split(word: Word) -> list[tuple[int, int]]:
    """A time for each character, where an engine takes several for one word."""
    count = max(len(_CHARACTER.findall(word.text)), 1)
    width = word.end - word.start
    return [(word.start + width * at // count, word.start + width * (at + 1) // count) for at in range(count)]


def _counted(text: str) -> int:
    """As the web page counts: letters of English between marks are one, whatever else stands there is as many."""
    return sum(1 if part.isascii() and part.isalpha() else len(part) for part in _MARKS.split(text) if part)


_CHARACTER = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_MARKS = re.compile("[\u3002\uff1f\uff0c\u3001?., ]")
