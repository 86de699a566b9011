"""Which languages may be heard: what the model knows, less what the settings leave out."""

from __future__ import annotations

from asr_hub.errors import ConfigError, NotFound
from asr_hub.providers.whisper.settings import WhisperSettings
from asr_hub.providers.whisper.vocabulary import ENGLISH, TRANSCRIBE, Vocabulary, tag


class Languages:
    """Raises ConfigError for settings that do not fit the model."""

    def __init__(self, vocabulary: Vocabulary, settings: WhisperSettings) -> None:
        self._vocabulary = vocabulary
        if not vocabulary.is_multilingual and settings.task != TRANSCRIBE:
            raise ConfigError(
                f"task: {settings.task!r} needs a model of several languages; this one hears English only"
            )
        there = tuple(vocabulary.languages) or (ENGLISH,)
        wanted = {self._known(language, "languages") for language in settings.languages}
        self.codes = tuple(code for code in there if not wanted or code in wanted)
        """Whisper's, in the model's order. Never empty."""
        self.tags = tuple(map(tag, self.codes))
        """The same in BCP 47."""
        self._default = self._known(settings.language, "language") if settings.language is not None else None

    def code(self, language: str | None) -> str | None:
        """What is spoken where the client says `language`; None: it is to be detected."""
        if language is not None:
            return self._vocabulary.code(language)
        return self._default if self._vocabulary.is_multilingual else ENGLISH

    def refused(self, language: str | None) -> NotFound | None:
        """Why a client cannot have `language`."""
        if language is None or self._vocabulary.code(language) in self.codes:
            return None
        return NotFound(
            f"this model does not hear {language!r}, only {', '.join(self.tags)}; choose another provider",
            code="unsupported-language",
        )

    def _known(self, language: str, key: str) -> str:
        code = self._vocabulary.code(language)
        if code is None:
            there = ", ".join(map(tag, self._vocabulary.languages)) or ENGLISH
            raise ConfigError(f"{key}: the model does not hear {language!r}; it hears {there}")
        return code
