"""The settings of the Google provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from asr_hub.errors import ConfigError
from asr_hub.providers.cloud.outside import opens_outside
from asr_hub.providers.settings import read_settings

VENDOR = "speech.googleapis.com"
MOST_STREAM_S = 290.0
"""Seconds: the server closes a stream after five minutes."""

MAX_BOOST = 20.0

_NAME = re.compile(r"[A-Za-z0-9._:-]+")
_SECRETS = ("credentials", "credentials_file", "api_key", "key", "token", "secret", "password")


class GoogleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `providers.<name>.settings` may hold for `kind: google`."""

    project: str
    """The id of the Google Cloud project that is billed."""
    location: str = "global"
    """A region such as `us-central1`: where the audio is processed, and which models there are."""
    model: str = "long"
    """`long`, `short`, `telephony`, `chirp_2`, `chirp_3` … Chirp needs a location that has it."""
    language_codes: tuple[str, ...] = ("en-US",)
    """BCP 47. What is spoken where a session does not say."""
    api_endpoint: str | None = None
    """`host` or `host:port`. By default that of `location`. A loopback one is spoken to without TLS and credentials."""
    words: bool | None = None
    """Word times. By default for every model but chirp_3, which refuses them while streaming."""
    confidence: bool | None = None
    """By default for every model but Chirp, whose numbers mean nothing."""
    punctuation: bool = True
    """Have the server set punctuation."""
    boost: float = 10.0
    """How much likelier a hotword becomes: above 0, up to 20."""
    max_streams: int = 32
    """Utterances at the same time. One more waits for a slot."""
    wait_s: float = 30.0
    """Seconds to wait for a slot before `overloaded`."""
    timeout_s: float = 30.0
    """Seconds for the final, from the end of the utterance."""
    max_stream_s: float = MOST_STREAM_S
    """Seconds of audio after which a longer utterance goes on in another stream."""
    self_test: Literal["clip", "off"] = "off"
    """At the start: have the packaged English clip heard (a paid request), or nothing."""

    @property
    def endpoint(self) -> str:
        if self.api_endpoint is not None:
            return self.api_endpoint
        return VENDOR if self.location == "global" else f"{self.location}-{VENDOR}"

    @property
    def gives_words(self) -> bool:
        return not self.model.startswith("chirp_3") if self.words is None else self.words

    @property
    def gives_confidence(self) -> bool:
        return not self.model.startswith("chirp") if self.confidence is None else self.confidence


def read_google_settings(name: str, settings: Mapping[str, Any]) -> GoogleSettings:
    """Raises ConfigError, also where credentials stand in the file: they come from the environment only."""
    where = f"providers.{name}.settings"
    for secret in _SECRETS:
        if secret in settings:
            raise ConfigError(
                f"{where}: `{secret}` does not belong into a file; set GOOGLE_APPLICATION_CREDENTIALS to the path of "
                "the credentials"
            )
    chosen = read_settings(name, settings, GoogleSettings)
    for key, value in (("project", chosen.project), ("location", chosen.location)):
        if not _NAME.fullmatch(value):
            raise ConfigError(f"{where}: `{key}` must be an id, of letters, digits and dashes")
    if not chosen.language_codes:
        raise ConfigError(f"{where}: `language_codes` names no language; give what is spoken, such as [en-US]")
    if not 0 < chosen.boost <= MAX_BOOST:
        raise ConfigError(f"{where}: boost must be above 0 and at most {MAX_BOOST:g}")
    if not 1 <= chosen.max_stream_s <= MOST_STREAM_S or chosen.timeout_s <= 0:
        raise ConfigError(f"{where}: max_stream_s must be 1 to {MOST_STREAM_S:g}, and timeout_s above 0")
    return chosen


def leaves_machine(settings: Mapping[str, Any]) -> bool:
    """Whether a provider with these settings opens connections outside this machine."""
    endpoint = settings.get("api_endpoint")
    return opens_outside(endpoint if isinstance(endpoint, str) else None)
