"""Which settings of a correction are usable, and where its key comes from."""

from __future__ import annotations

from typing import Any

import pytest

from asr_hub.correction.settings import CorrectionSettings, checked
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.unit

KEY = "sk-test-71c2"


def settings(**chosen: Any) -> CorrectionSettings:
    return CorrectionSettings(**{"base_url": "http://127.0.0.1:11434/v1", "model": "m", **chosen})


def test_the_key_comes_from_the_variable_that_is_named_and_from_nowhere_else() -> None:
    environment = {"MY_KEY": f" {KEY}\n", "OPENAI_API_KEY": "other"}
    assert checked("correction", settings(api_key_env="MY_KEY"), environment) == KEY
    assert checked("correction", settings(), environment) == ""


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"api_key_env": KEY}, "must be the NAME"),
        ({"api_key_env": "NOT_SET"}, "NOT_SET"),
        ({"api_key_env": "ODD_KEY"}, "ODD_KEY"),
        ({"base_url": f"http://me:{KEY}@127.0.0.1/v1"}, "no user or password"),
        ({"base_url": "127.0.0.1:11434/v1"}, "base_url"),
        ({"base_url": "ftp://127.0.0.1/v1"}, "base_url"),
        ({"base_url": "http://127.0.0.1:99999/v1"}, "base_url"),
        ({"base_url": "http://[::1/v1"}, "base_url"),
        ({"base_url": "http://127.0.0.1/v1?key=1"}, "base_url"),
        ({"budget_s": 0.0}, "budget_s"),
        ({"budget_s": float("nan")}, "budget_s"),
        ({"max_concurrent": 0}, "max_concurrent"),
    ],
)
def test_what_cannot_work_is_refused_without_the_key(chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        checked("correction", settings(**chosen), {"ODD_KEY": f"{KEY}\x00ü"})
    assert KEY not in str(raised.value)
    assert str(raised.value).startswith("correction: ")
