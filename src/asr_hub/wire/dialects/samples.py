"""Raw audio as clients send it that cut it anywhere: whole samples, without the header of a WAV file before them."""

from __future__ import annotations

from asr_hub.model import AudioFormat
from asr_hub.wire.dialects.riff import Riff


class Samples:
    """The audio of one session. Half a sample at the end of a frame waits for its other half; the last one is lost."""

    __slots__ = ("_half", "_riff", "_size")

    def __init__(self, format: AudioFormat) -> None:
        self._size = format.bytes_per_frame
        self._riff = Riff(format)
        self._half = b""

    def whole(self, data: bytes) -> bytes:
        """
        The samples that are there now, which may be none.

        Raises ProtocolError where a header says another format than the client, and changes nothing then.
        """
        return self._cut(self._riff.strip(data))

    def rest(self) -> bytes:
        """What was held back when the audio ends."""
        return self._cut(self._riff.rest())

    def _cut(self, data: bytes) -> bytes:
        data = self._half + data
        end = len(data) - len(data) % self._size
        self._half = data[end:]
        return data[:end]
