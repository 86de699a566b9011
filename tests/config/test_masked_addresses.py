"""Addresses in a configuration: nothing that lets somebody in is shown, and an engine's address stays one."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_hub.config.masked import masked
from asr_hub.config.masked_addresses import COVERED, masked_addresses
from asr_hub.config.schema import Config

pytestmark = pytest.mark.unit

HEX = "8f14e45fceea167a5a36dedd4bea2543"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.example/services/T000/B000/SECRET", f"https://hooks.example/{COVERED}"),
        ("hooks.example/services/T000/B000/SECRET", f"hooks.example/{COVERED}"),
        (
            "https://chat.example:8443/api/webhooks/1/SECRET?wait=1",
            f"https://chat.example:8443/{COVERED}?wait={COVERED}",
        ),
        ("https://api.example/bot12:SECRET/sendMessage", f"https://api.example/{COVERED}"),
        ("https://maker.example/trigger/on/with/key/SECRET", f"https://maker.example/trigger/on/with/key/{COVERED}"),
        (f"https://ping.example/{HEX}/start", f"https://ping.example/{COVERED}/start"),
        ("https://x.example/9b2e3a52-1c1f-4a9e-8d55-0f3a1b2c3d4e", f"https://x.example/{COVERED}"),
        ("https://x.example/v1?SECRET", f"https://x.example/v1?{COVERED}"),
        ("https://x.example/v1?SECRET==", f"https://x.example/v1?{COVERED}"),
        ("https://x.example/v1;sid=SECRET#access=SECRET", f"https://x.example/v1;sid={COVERED}#access={COVERED}"),
        ("postgresql://hub:SEC/RET@db.example:5432/jobs", f"postgresql://{COVERED}@db.example:5432/jobs"),
        ("postgresql://hub:SEC?RET@db.example/jobs", f"postgresql://{COVERED}@db.example/jobs"),
        ("postgresql://hub:SEC@RET@db.example/jobs", f"postgresql://{COVERED}@db.example/jobs"),
        ("redis://:SECRET@cache.example,redis://a:SECRET@b", f"redis://{COVERED}@cache.example,redis://{COVERED}@b"),
        ("hub:SECRET@db.example:5432", f"{COVERED}@db.example:5432"),
        ("http://10.0.0.7:8000/v1/audio/transcriptions", None),
        ("https://eu.example/openai/deployments/whisper-large-v3-turbo", None),
        ("https://[::1]:9000/v1", None),
        ("wss://asr.example/Systran/faster-whisper-large-v3-turbo-ct2-int8", None),
        ("https://x.example/iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch", None),
        ("http://engine:8000", None),
        ("somebody.package:Adapter", None),
        ("/etc/asr-hub/hub-key.pem", None),
        ("0.0.0.0:8080", None),
        ("10:30", None),
        ("me@example.org", None),
    ],
)
def test_what_is_shown_of_an_address(address: str, shown: str | None) -> None:
    assert masked_addresses(address, is_hook=False) == (shown or address)
    assert masked_addresses(shown or address, is_hook=False) == (shown or address), "twice is as once"


SECRET = st.text(string.ascii_letters + string.digits + "-._~", min_size=12, max_size=40).map(lambda it: f"S3cr{it}3t")
NAMED = st.sampled_from(["api_key", "token", "client_secret", "password", "authorization", "X-Api-Key", "credentials"])
HOOKED = st.sampled_from(["webhook", "callback_url", "on_final_hook", "notify", "alerts"])


@st.composite
def held(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """A setting, and the secret that stands in it."""
    secret = draw(SECRET)
    host = draw(st.sampled_from(["engine.example", "10.0.0.7:8000", "localhost"]))
    path = draw(st.sampled_from(["", "/v1", "/v1/audio/transcriptions"]))
    plain = draw(st.sampled_from(["base_url", "url", "server", "where"]))
    return draw(
        st.sampled_from(
            [
                ({draw(NAMED): secret}, secret),
                ({draw(NAMED): {"deep": [secret]}}, secret),
                ({plain: f"https://{secret}@{host}{path}"}, secret),
                ({plain: f"https://user:{secret}@{host}{path}"}, secret),
                ({plain: f"https://{host}{path}?{draw(st.sampled_from(['sig', 'v', 'key']))}={secret}&x=1"}, secret),
                ({plain: f"https://{host}{path}?{secret}"}, secret),
                ({plain: f"https://{host}{path}#t={secret}"}, secret),
                ({plain: f"https://hooks.{host}{path}/T0/{secret}"}, secret),
                ({plain: f"https://{host}/api/webhooks/1/{secret}"}, secret),
                ({draw(HOOKED): f"https://{host}{path}/{secret}/x"}, secret),
                ({draw(HOOKED): {"final": [f"https://{host}{path}/{secret}"]}}, secret),
                ({f"https://u:{secret}@{host}": 1}, secret),
                ({"command": ["run", f"--url=https://u:{secret}@{host}/v1", "--port", "80"]}, secret),
            ]
        )
    )


@given(held(), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_no_secret_is_shown_wherever_it_stands(given: tuple[dict[str, Any], str], depth: int) -> None:
    setting, secret = given
    for level in range(depth):
        setting = {"more": [setting]} if level % 2 else {"inner": setting}
    provider = {"kind": "somebody.package:Adapter", "settings": setting}
    shown = json.dumps(masked(Config.model_validate({"providers": {"x": provider}})), ensure_ascii=False)
    assert secret not in shown


@given(
    SECRET, st.sampled_from(["https://u:{}@h.example/v1", "https://h.example/v1?k={}", "https://hooks.h.example/{}"])
)
@settings(max_examples=30, deadline=None)
def test_no_address_of_the_schema_shows_one(secret: str, form: str) -> None:
    address = form.format(secret)
    config = Config.model_validate(
        {
            "jobs": {"database": address.replace("https", "postgresql"), "s3": {"bucket": "b", "endpoint": address}},
            "recognition": {"passes": {"corrected": {"base_url": address, "model": "m"}}},
        }
    )
    assert secret in config.model_dump_json()
    assert secret not in json.dumps(masked(config), ensure_ascii=False)
