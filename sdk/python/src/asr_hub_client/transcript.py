"""What was said in a session, as it stands."""

from __future__ import annotations

from asr_hub_client.messages import AnyServerMessage, Endpoint, Final, Hypothesis, Partial, Reset, Revision

MAX_UTTERANCES = 10_000
"""Of one session; the oldest are forgotten."""


class Transcript:
    """The finals of a session in order, with revisions applied, and the partial that is being said."""

    def __init__(self) -> None:
        self._finals: dict[int, Hypothesis] = {}
        self.partial = ""
        """What is being said now, and may change."""

    def take(self, message: AnyServerMessage) -> None:
        match message:
            case Partial():
                self.partial = message.hypothesis.text
            case Endpoint(reason="clear"):
                self.partial = ""
            case Final():
                self.partial = ""
                self._finals[message.utterance] = message.hypothesis
                if len(self._finals) > MAX_UTTERANCES:
                    del self._finals[next(iter(self._finals))]
            case Revision() if message.utterance in self._finals:
                self._finals[message.utterance] = message.hypothesis
            case Reset():
                self.partial = message.partial.hypothesis.text if message.partial is not None else ""
                self._finals = {reading.utterance: reading.hypothesis for reading in message.finals}
            case _:
                pass

    @property
    def finals(self) -> tuple[Hypothesis, ...]:
        """One for each utterance, in order."""
        return tuple(self._finals.values())

    @property
    def text(self) -> str:
        """The finals with something in them, one line each."""
        return "\n".join(hypothesis.text for hypothesis in self._finals.values() if hypothesis.text)
