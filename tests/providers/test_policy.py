from __future__ import annotations

import pytest
from tests.hubs import scripted

from asr_hub.app import running_hub
from asr_hub.errors import ConfigError
from asr_hub.providers.policy import stay_inside
from asr_hub.providers.registry import Entry

pytestmark = pytest.mark.unit

CLOUD = {"openai": {}, "openai-realtime": {}, "google": {"project": "p"}}


@pytest.mark.parametrize("kind", CLOUD)
def test_a_provider_that_goes_outside_is_refused_by_name(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-that-is-set")
    with pytest.raises(ConfigError, match=r"providers\.mine: .* `policy: local` forbids it"):
        stay_inside({"mine": Entry(kind, CLOUD[kind])})


def test_a_server_on_this_machine_is_inside() -> None:
    stay_inside(
        {
            "compatible": Entry("openai", {"base_url": "http://127.0.0.1:8000/v1"}),
            "emulated": Entry("google", {"project": "p", "api_endpoint": "localhost:9000"}),
            "own": Entry("pocketsphinx", {}),
        }
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.com/v1", "http://[::2]/v1", "http://10.0.0.1/v1", "x"])
def test_what_only_looks_like_this_machine_is_outside(url: str) -> None:
    with pytest.raises(ConfigError):
        stay_inside({"mine": Entry("openai", {"base_url": url})})


async def test_a_hub_does_not_start_with_it_even_if_nobody_uses_it() -> None:
    providers = {"scripted": {"kind": "scripted"}, "cloud": {"kind": "openai"}}
    with pytest.raises(ConfigError, match=r"providers\.cloud"):
        async with running_hub(scripted(policy="local", providers=providers)):
            raise AssertionError("it runs")
