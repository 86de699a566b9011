"""Where an OpenAI server is and who asks it: the settings that REST and Realtime share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.cloud.outside import opens_outside
from asr_hub.providers.cloud.refusal import Account
from asr_hub.providers.settings import read_settings

VENDOR_URL = "https://api.openai.com/v1"
VENDOR_VARIABLE = "OPENAI_API_KEY"
PLACEHOLDER = "no-key"
"""The SDK wants a key; a server of one's own often does not."""

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_SECRETS = ("api_key", "key", "token", "secret", "password")


class OpenAIServer(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that every kind which speaks to an OpenAI server has."""

    base_url: str | None = None
    """Up to and with `/v1`. By default the vendor's."""
    api_key_env: str | None = None
    """
    NAME of the environment variable with the key. By default `OPENAI_API_KEY` at the vendor's, and none elsewhere, so
    that the vendor's key reaches no other server.
    """
    prompt: str = ""
    """Text that leads the model in style and spelling, in the language of the audio."""
    max_streams: int = 8
    """Utterances at the same time. One more waits for a slot."""
    wait_s: float = 30.0
    """Seconds to wait for a slot before `overloaded`."""
    timeout_s: float = 30.0
    """Seconds for a final, from the end of the utterance."""
    self_test: Literal["models", "clip", "off"] = "models"
    """At the start: ask for the list of models, have the packaged English clip heard (a paid request), or nothing."""

    @property
    def url(self) -> str:
        return self.base_url or VENDOR_URL

    @property
    def is_vendor(self) -> bool:
        host = urlsplit(self.url).hostname or ""
        return host == "openai.com" or host.endswith(".openai.com")

    def account(self, name: str) -> Account:
        """The key from the environment. Raises ProviderUnavailable where the vendor's is not set."""
        variable = self.api_key_env or (VENDOR_VARIABLE if self.is_vendor else "")
        key = os.environ.get(variable, "").strip() if variable else ""
        if not key and self.is_vendor:
            raise ProviderUnavailable(f"{name}: no key; set the environment variable {variable} to one of your account")
        if not (key.isascii() and key.isprintable()):
            raise ProviderUnavailable(f"{name}: {variable} holds characters that no key has; set it anew")
        return Account(name=name, key=key, variable=variable)


S = TypeVar("S", bound=OpenAIServer)


def read_server_settings(name: str, settings: Mapping[str, Any], shape: type[S]) -> S:
    """Raises ConfigError, also where a key itself stands in the file: keys come from the environment only."""
    where = f"providers.{name}.settings"
    for secret in _SECRETS:
        if secret in settings:
            raise ConfigError(
                f"{where}: `{secret}` does not belong into a file; put the key into an environment variable and give "
                "its NAME as `api_key_env`"
            )
    chosen = read_settings(name, settings, shape)
    if chosen.api_key_env is not None and not _VARIABLE.fullmatch(chosen.api_key_env):
        # What stands there may be the key, so it is not shown.
        raise ConfigError(f"{where}: `api_key_env` must be the NAME of an environment variable, in capitals")
    if chosen.timeout_s <= 0:
        raise ConfigError(f"{where}: timeout_s must be above 0")
    if chosen.base_url is not None:
        _check_url(where, chosen.base_url)
    return chosen


def leaves_machine(settings: Mapping[str, Any]) -> bool:
    """Whether a provider with these settings opens connections outside this machine."""
    url = settings.get("base_url")
    return opens_outside(url if isinstance(url, str) else None)


def _check_url(where: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        raise ConfigError(f"{where}: `base_url` is no URL; write it as http://host:port/v1") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: `base_url` must hold no user or password; keys come from `api_key_env`")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        raise ConfigError(f"{where}: `base_url` must be an http or https address, such as http://127.0.0.1:8000/v1")
