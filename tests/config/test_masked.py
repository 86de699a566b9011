"""The configuration to look at: nothing of what is secret in it, and everything else."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator

import pytest

from asr_hub.config.loader import is_secret, section_in
from asr_hub.config.masked import COVERED, masked
from asr_hub.config.schema import Config, Section

pytestmark = pytest.mark.unit

HASH = "5ec0" * 16

CONFIG = Config.model_validate(
    {
        "provider": "rented",
        "providers": {
            "rented": {
                "kind": "somebody.package:Adapter",
                "settings": {
                    "api_key": "hidden-1",
                    "apiKey": "hidden-2",
                    "api_key_env": "RENTED_API_KEY",
                    "max_tokens": 224,
                    "pin": {"password": 4711001},
                    "credentials": {"client": "hidden-3", "more": ["hidden-4"]},
                    "headers": {"X-Account": "hidden-5"},
                    "mirrors": [{"url": "https://me:hidden-6@mirror.example/x?sig=hidden-7&v=hidden-8"}],
                    "command": ["run", "--api-key=hidden-9", "Bearer hidden-10"],
                    "note": "it is sk-hidden0123456789abcdef",
                    "auth": ["hidden-11"],
                    "pem": "-----BEGIN PRIVATE KEY-----\nhidden-12",
                    "temperature": 0.2,
                    "keep_warm": True,
                },
            }
        },
        "access": {
            "keys": {"phone": {"id": "0123456789ab", "hash": HASH}},
            "jwt": {"algorithm": "HS256", "secret": "hidden-13" * 4, "audience": "asr"},
            "tokens": {"secret": "hidden-14" * 4},
        },
        "server": {"tls": {"certificate": "hub.pem", "key": "hub-key.pem"}},
        "dialects": {"vosk": {"key": "phone"}, "models": {"token-model": "rented"}},
        "jobs": {"database": "postgresql://hub:hidden-15@db.example/jobs?password=hidden-16"},
        "recognition": {
            "passes": {
                "corrected": {
                    "base_url": "https://u:hidden-17@llm.example/v1?key=hidden-18",
                    "model": "m",
                    "api_key_env": "LLM_KEY",
                }
            }
        },
        "hotwords": ["Zermatt", {"text": "Täsch", "weight": 2}],
        "hotwords_of": {"key-desk": ["Visp"]},
    }
)


def test_no_secret_is_among_what_is_shown() -> None:
    shown = json.dumps(masked(CONFIG), ensure_ascii=False)
    for secret in ("hidden", "4711001", HASH):
        assert secret in CONFIG.model_dump_json()
        assert secret not in shown


def test_what_is_no_secret_is_shown_as_it_holds() -> None:
    shown = masked(CONFIG)
    settings = shown["providers"]["rented"]["settings"]
    assert settings["api_key"] == settings["credentials"] == COVERED
    assert (settings["api_key_env"], settings["max_tokens"]) == ("RENTED_API_KEY", 224)
    assert (settings["temperature"], settings["keep_warm"]) == (0.2, True)
    assert settings["mirrors"] == [{"url": f"https://{COVERED}@mirror.example/x?sig={COVERED}&v={COVERED}"}]
    assert shown["access"]["keys"]["phone"]["id"] == "0123456789ab"
    assert shown["access"]["jwt"]["audience"] == "asr"
    assert shown["server"]["tls"] == {"certificate": "hub.pem", "key": "hub-key.pem"}
    assert shown["dialects"]["vosk"]["key"] == "phone"
    assert shown["dialects"]["models"] == {"token-model": "rented"}
    assert shown["jobs"]["database"] == f"postgresql://{COVERED}@db.example/jobs?password={COVERED}"
    assert shown["jobs"]["webhooks"]["secret_env"] == "ASR_HUB_WEBHOOK_SECRET"
    assert shown["hotwords"] == [{"text": "Zermatt", "weight": 1.0}, {"text": "Täsch", "weight": 2.0}]
    assert shown["hotwords_of"] == {"key-desk": [{"text": "Visp", "weight": 1.0}]}


def test_the_defaults_are_shown_whole() -> None:
    assert masked(Config()) == Config().model_dump(mode="json")


def test_every_field_that_is_called_like_a_secret_was_thought_of() -> None:
    found = {f"{kind.__name__}.{name}" for kind, name in _fields(Config) if is_secret(name)}
    shown = {"Tls.key", "Jwt.public_key", "CorrectedPass.api_key_env", "Webhooks.secret_env", "Access.keys"}
    shown |= {f"{kind}.key" for kind in ("DialectOnPort", "FunAsrDialect")} | {"Access.tokens"}
    assert found - shown == {"Jwt.secret", "Tokens.secret"}


def _fields(kind: type[Section]) -> Iterator[tuple[type[Section], str]]:
    hints = typing.get_type_hints(kind)
    for name in kind.model_fields:
        yield kind, name
        inner = section_in(hints[name])
        if inner is not None:
            yield from _fields(inner)


def test_what_follows_the_option_of_a_command_is_covered() -> None:
    settings = {"args": ["--api-key", "hidden-1", "--port", "80"], "run": "serve --password hidden-2 --port 80"}
    provider = {"kind": "somebody.package:Adapter", "settings": settings}
    shown = masked(Config.model_validate({"providers": {"x": provider}}))["providers"]["x"]["settings"]
    assert shown["args"] == ["--api-key", COVERED, "--port", "80"]
    assert shown["run"] == f"serve --password {COVERED} --port 80"
