"""Which language model corrects, and how much it may cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import msgspec

from asr_hub.errors import ConfigError

_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


class CorrectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAI-compatible server and what is asked of it."""

    base_url: str
    """Up to and with `/v1`."""
    model: str
    api_key_env: str | None = None
    """NAME of the environment variable with the key. None where the server wants none."""
    language_hint: str | None = None
    """BCP 47. For finals whose language is not known."""
    temperature: float | None = 0.0
    """None leaves it to the server: some models take no other than their own."""
    budget_s: float = 3.0
    """Seconds for a whole correction, connecting and waiting included."""
    max_edit_share: float = 0.3
    """Of the words; the guard refuses what changes more."""
    max_input_chars: int = 4000
    """A longer final is not sent."""
    max_output_chars: int = 6000
    """Reading stops beyond, and earlier where the text itself is short."""
    max_concurrent: int = 4
    """Corrections at the same time. One more is refused at once."""
    instructions: str = ""
    """What else the model is told: the subject, or how something is written."""


def checked(where: str, settings: CorrectionSettings, environment: Mapping[str, str]) -> str:
    """
    The key to send, empty where there is none. `where` names the place in the configuration.

    Raises ConfigError for an address that is none or holds a password, a number out of range, and a key that is not in
    the environment. The key is in no message.
    """
    _check_url(where, settings.base_url)
    for name in ("budget_s", "max_input_chars", "max_output_chars", "max_concurrent"):
        if not getattr(settings, name) > 0:
            raise ConfigError(f"{where}: {name} must be above 0")
    variable = settings.api_key_env
    if variable is None:
        return ""
    if not _VARIABLE.fullmatch(variable):
        # What stands there may be the key, so it is not shown.
        raise ConfigError(f"{where}: `api_key_env` must be the NAME of an environment variable, in capitals")
    key = environment.get(variable, "").strip()
    if not key:
        raise ConfigError(f"{where}: no key; set the environment variable {variable}, or remove `api_key_env`")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{where}: {variable} holds characters that no key has; set it anew")
    return key


def _check_url(where: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        raise ConfigError(f"{where}: `base_url` is no URL; write it as http://host:port/v1") from None
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: `base_url` must hold no user or password; keys come from `api_key_env`")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good or parts.query or parts.fragment:
        raise ConfigError(f"{where}: `base_url` must be an http or https address, such as http://127.0.0.1:11434/v1")
