"""
What clients of FunASR's runtime say and are told over its WebSocket: recordings, one after the other.

    {"mode": "offline|online|2pass", "wav_name": …, "audio_fs": …, …}   before the audio, or while it comes
    audio                                                               samples, or the bytes of a file (`wav_format`)
    {"is_speaking": false}                                              the recording is over

A recording is a session, which begins with its audio and with what was said of it until then. Its end is answered with
one message that has `is_final`, even where nothing was said, and then, where the client said `is_end`, with one that
has `is_end`: of a failure that one says `is_final: false` and `error`. Every other message has `is_final: false`.

    offline   one message with the whole text
    online    `online`: what is to be written behind what was told; the policy of partials says how much before a final
    2pass     `2pass-online`: the same within an utterance, of words that stay; `2pass-offline`: the final, in its place

Finals of `offline` and `2pass` wait for the accurate pass, where the hub has one. Clients write texts one behind the
other, so that each ends with a space where its script has spaces.

The configuration may come in any order and in parts. Chunk sizes, look-back and `itn` are the engine's own business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from asr_hub.errors import HubError, Overloaded, ProtocolError
from asr_hub.model import AudioFormat, Pass
from asr_hub.wire.conversation import Limits
from asr_hub.wire.dialects import json_text
from asr_hub.wire.dialects.codec import Audio, Encoded, HangUp, Reply, Step, Text
from asr_hub.wire.dialects.funasr_hotwords import hotwords_of
from asr_hub.wire.dialects.funasr_results import Mode, Recording, Told
from asr_hub.wire.dialects.growing import Policy
from asr_hub.wire.dialects.languages import spoken
from asr_hub.wire.dialects.samples import Samples
from asr_hub.wire.messages import AnyServerMessage, Close, Closed, Configure, Error, Final, Partial, Start
from asr_hub.wire.refusal import ending

MOST_WAITING = 64
"""Recordings without audio that may have ended while the one before them is still heard."""


class Said(msgspec.Struct, frozen=True):
    """A text frame of a client. What it leaves out stays as it was."""

    mode: Mode | None = None
    wav_name: str | int | None = None
    wav_format: str | None = None
    """`pcm`, or the kind of the file whose bytes come."""
    audio_fs: int | None = None
    """Hertz"""
    hotwords: Any = None
    svs_lang: str | None = None
    is_speaking: bool | None = None
    is_finished: bool | None = None
    is_end: bool | None = None

    @property
    def ends(self) -> bool:
        """The recording is over."""
        return self.is_speaking is False or self.is_finished is True


class FunAsr:
    """A `Codec`. `provider` is who hears: these clients name none."""

    def __init__(
        self,
        provider: Callable[[str | None], str | None],
        *,
        policy: Policy = "final_only",
        limits: Limits = Limits(),
    ) -> None:
        self._provider = provider
        self._policy = policy
        self._limits = limits
        self._asked = Said(mode="2pass", wav_name="", wav_format="pcm", audio_fs=AudioFormat().sample_rate)
        self._heard: tuple[Recording, Samples | None] | None = None
        """The recording whose audio comes. What is no samples is a file."""
        self._told: deque[Recording] = deque()
        """Those whose end was not told yet, with the one that is heard."""
        self._is_new = True
        """Something came since the last recording ended."""
        self._is_over = False

    def greet(self) -> Sequence[Step]:
        return ()

    def receive_text(self, text: str) -> Sequence[Step]:
        said = json_text.read(text, Said)
        words = hotwords_of(said.hotwords, self._limits)
        if self._is_over:
            return ()
        asked = self._merged(said)
        if asked.audio_fs is not None and asked.audio_fs <= 0:
            raise ProtocolError("`audio_fs` is the sample rate of the audio, in hertz", code="bad-value")
        if said.ends and self._is_new and self._heard is None and len(self._told) >= MOST_WAITING:
            raise Overloaded(f"{MOST_WAITING} recordings wait for their answers; read those first")
        self._asked = asked
        if said.ends:
            return self._end(wants_ack=bool(said.is_end))
        if self._heard is not None:
            return self._changed(said, words)
        self._is_new = True
        return ()

    def receive_binary(self, data: bytes) -> Sequence[Step]:
        if not data or self._is_over:
            return ()
        if self._heard is not None:
            return self._audio(self._heard[1], data)
        start, recording = self._start()
        samples = Samples(start.format) if _is_raw(self._asked) else None
        steps = self._audio(samples, data)
        self._heard = recording, samples
        self._told.append(recording)
        self._is_new = True
        return (start, *steps)

    def tell(self, message: AnyServerMessage) -> Sequence[Reply]:
        if not self._told:
            return ()
        recording = self._told[0]
        match message:
            case Partial(hypothesis=hypothesis):
                return _texts(recording.partial(hypothesis))
            case Final(hypothesis=hypothesis):
                return _texts(recording.final(hypothesis))
            case Error(scope="session", message=text):
                recording.failure = text
                return ()
            case Closed(reason=reason):
                return self._closed(recording, reason)
            case _:
                return ()

    def refuse(self, error: HubError) -> Sequence[Reply]:
        self._is_over = True
        recording = self._told[0] if self._told else self._recording()
        told = recording.failed(f"{error.code}: {error}")
        return (*_texts((told,)), HangUp(ending(error).close_code, f"{error.code}: {error}"))

    def late(self) -> Sequence[Reply]:
        return ()

    # What the client says.

    def _merged(self, said: Said) -> Said:
        given = {name: value for name in _KEPT if (value := getattr(said, name)) is not None}
        return msgspec.structs.replace(self._asked, **given)

    def _start(self) -> tuple[Start, Recording]:
        asked = self._asked
        hotwords = hotwords_of(asked.hotwords, self._limits)
        recording = self._recording()
        rate = asked.audio_fs if _is_raw(asked) and asked.audio_fs else AudioFormat().sample_rate
        return Start(
            format=AudioFormat(sample_rate=rate),
            provider=self._provider(None),
            language=_language(asked.svs_lang),
            hotwords=tuple(hotwords),
            hotword_weights={word: weight for word, weight in hotwords.items() if weight != 1},
            partials=recording.has_partials,
            wait_for=Pass.FAST if recording.mode == "online" else Pass.ACCURATE,
        ), recording

    def _recording(self) -> Recording:
        asked = self._asked
        return Recording(asked.mode or "2pass", str(asked.wav_name), self._policy)

    def _changed(self, said: Said, words: dict[str, float]) -> Sequence[Step]:
        """What may change while audio comes; the rest holds for the next recording."""
        language = _language(said.svs_lang)
        if said.hotwords is None and language is None:
            return ()
        return (
            Configure(
                language=language,
                hotwords=tuple(words) if said.hotwords is not None else None,
                hotword_weights=(
                    {word: weight for word, weight in words.items() if weight != 1}
                    if said.hotwords is not None
                    else None
                ),
            ),
        )

    @staticmethod
    def _audio(samples: Samples | None, data: bytes) -> Sequence[Step]:
        if samples is None:
            return (Encoded(data),)
        whole = samples.whole(data)
        return (Audio(whole),) if whole else ()

    def _end(self, *, wants_ack: bool) -> Sequence[Step]:
        if not self._is_new:
            return self._end_again(wants_ack=wants_ack)
        self._is_new = False
        if self._heard is None:
            recording = self._recording()
            recording.end(wants_ack=wants_ack)
            if self._told:
                recording.is_silent = True
                self._told.append(recording)
                return ()
            return _texts(recording.over())
        recording, samples = self._heard
        self._heard = None
        recording.end(wants_ack=wants_ack)
        rest = samples.rest() if samples is not None else b""
        return (Audio(rest), Close()) if rest else (Close(),)

    def _end_again(self, *, wants_ack: bool) -> Sequence[Step]:
        """The end of a recording that has been ended: told once, unless it is only now that the client wants more."""
        if not wants_ack:
            return ()
        if self._told:
            self._told[-1].end(wants_ack=True)
            return ()
        return _texts((self._recording().acknowledgement(),))

    # What the client is told.

    def _closed(self, recording: Recording, reason: str) -> Sequence[Reply]:
        self._told.popleft()
        if reason != "close" and recording.failure is None:
            recording.failure = f"the session was closed before all was heard: {reason}"
        if not recording.is_ending and not self._is_over:
            self._is_over = True
            return (*_texts((recording.failed(recording.failure or reason),)), HangUp(_TRY_AGAIN, reason))
        replies = [] if self._is_over else list(_texts(recording.over()))
        while self._told and self._told[0].is_silent:
            replies += _texts(self._told.popleft().over())
        return replies


_KEPT = ("mode", "wav_name", "wav_format", "audio_fs", "hotwords", "svs_lang")

_TRY_AGAIN = 1013
"""The close code (registry of RFC 6455, 11.7)."""


def _is_raw(asked: Said) -> bool:
    return (asked.wav_format or "pcm").lower() == "pcm"


def _language(name: str | None) -> str | None:
    """BCP 47; nothing where the engine is to find out."""
    return None if name is None or name.lower() == "nospeech" else spoken((name,))


def _texts(told: Sequence[Told]) -> Sequence[Text]:
    return tuple(Text(msgspec.json.encode(one).decode()) for one in told)
