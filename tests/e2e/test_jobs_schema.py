"""
Whatever a client makes of the hub's OpenAPI document, the hub answers as the document says, and never with a defect.

schemathesis makes the requests: those that the document allows, and those that it does not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from schemathesis.specs.openapi import checks
from tests.audio_files import wav
from tests.hubs import scripted
from tests.speech import tone

from asr_hub.app import serving

pytestmark = pytest.mark.e2e

EXAMPLES = 8
"""Requests to each operation, of each kind."""

# Bytes, as far as whoever makes them up is concerned.
ZIP = "application/zip"
schemathesis.serializer.alias(ZIP, "application/octet-stream")

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


# The hub's own use of chance, in its thread, is taken for that of what makes the requests.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
async def test_no_request_finds_a_defect(tmp_path: Path) -> None:
    config = scripted(
        jobs={"folder": str(tmp_path), "max_file_bytes": 1 << 16}, recorder={"folder": str(tmp_path / "recordings")}
    )
    async with serving(config) as hub:
        task = await asyncio.to_thread(submitted, hub.url)
        seen = await asyncio.to_thread(walk, hub.url, task)
    assert seen >= {200, 202, 400, 404, 409, 415}, seen
    assert not any((tmp_path / "uploads").iterdir())


def submitted(url: str) -> str:
    """A job that can be asked for."""
    with requests.Session() as session:
        answer = session.post(f"{url}/api/asr/transcribe", files={"audio": ("a.wav", wav(tone(1.0)))}, timeout=60)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["task_id"])


def walk(url: str, task: str) -> set[int]:
    """Ask everything that the document has. Returns which statuses came."""
    seen: set[int] = set()
    with requests.Session() as session:
        document = schemathesis.openapi.from_dict(session.get(f"{url}/openapi.json", timeout=60).json())
        for found in document.get_all_operations():
            operation = found.ok()
            ask(operation, schemathesis.GenerationMode.POSITIVE, session, url, task, seen)
            # In a path, and in a body of bytes, anything is allowed, and that is made above.
            if operation.query or any(body.media_type != ZIP for body in operation.body):
                ask(operation, schemathesis.GenerationMode.NEGATIVE, session, url, task, seen)
    return seen


def ask(operation: Any, mode: Any, session: requests.Session, url: str, task: str, seen: set[int]) -> None:
    known = 0

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal known
        known += 1
        # Made-up ids are unknown, so every second one is that of a job that is there.
        if known % 2 and "task_id" in (case.path_parameters or {}) and operation.method.lower() != "delete":
            case.path_parameters["task_id"] = task
        answer = case.call(base_url=url, session=session, timeout=60)
        seen.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, (operation.label, answer.text)
        case.validate_response(answer, checks=CHECKS)

    one()
