"""A hub without jobs says so, and one that cannot have those it wants does not start."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.hubs import scripted

from asr_hub.app import jobs, serving
from asr_hub.config.schema import Jobs
from asr_hub.errors import ConfigError

pytestmark = pytest.mark.e2e


async def answers(**settings: object) -> list[tuple[int, str, str]]:
    """Status, code and message of a submission, and of a look at a job."""
    async with (
        serving(scripted(jobs=settings)) as hub,
        httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=30) as http,
    ):
        sent = await http.post("/api/v1/asr/submit", files={"audio": ("a.wav", b"RIFF")})
        asked = await http.get(f"/api/v1/asr/events/{'0' * 32}")
        assert (await http.get("/api/v1/health")).status_code == 200
    told = [(answer.status_code, answer.json()["error"]) for answer in (sent, asked)]
    return [(status, error["code"], error["message"]) for status, error in told]


async def test_jobs_that_are_off_are_refused_with_what_to_do(tmp_path: Path) -> None:
    for status, code, message in await answers(enabled="off", folder=str(tmp_path / "jobs")):
        assert (status, code) == (503, "jobs-unavailable")
        assert "jobs" in message
    assert not (tmp_path / "jobs").exists()


async def test_without_their_packages_a_hub_has_no_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PACKAGES", ("dbos", "nothing_of_this_name"))
    (submit, _) = await answers(enabled="auto", folder=str(tmp_path / "jobs"))
    assert submit[:2] == (503, "jobs-unavailable") and "asr-hub[jobs]" in submit[2]
    with pytest.raises(ConfigError, match=r"needs nothing_of_this_name: pip install 'asr-hub\[jobs\]'"):
        await answers(enabled="on", folder=str(tmp_path / "jobs"))


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"jobs.folder: .* cannot be written"):
        await answers(enabled="on", folder=str(tmp_path / "file" / "jobs"))


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"s3": {"bucket": "calls"}}, "jobs.s3"),
        ({"s3": {"bucket": "calls", "endpoint": "https://minio.example.org"}}, "jobs.s3"),
        ({"database": "postgresql://asr:secret@db.example.org/asr"}, "jobs.database"),
        ({"database": "postgresql:///asr?host=db.example.org"}, "jobs.database"),
        ({"database": "postgresql://localhost/asr?hostaddr=192.0.2.1"}, "jobs.database"),
    ],
)
async def test_policy_local_has_no_jobs_outside_this_machine(
    settings: dict[str, object], key: str, tmp_path: Path
) -> None:
    config = scripted(jobs={"folder": str(tmp_path / "jobs"), **settings}, policy="local")
    with pytest.raises(ConfigError, match=key) as caught:
        async with serving(config):
            pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "database",
    [
        "postgresql://asr@127.0.0.1/asr",
        "postgresql://[::1]:5433/asr",
        "postgresql:///asr?host=/var/run",
        "postgresql:///asr",
    ],
)
def test_policy_local_takes_a_database_of_this_machine(database: str) -> None:
    jobs.stay_inside(Jobs(database=database))


async def test_policy_local_calls_nobody_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASR_HUB_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    config = scripted(jobs={"folder": str(tmp_path / "jobs")}, policy="local")
    async with (
        serving(config) as hub,
        httpx.AsyncClient(base_url=hub.url, trust_env=False, timeout=30) as http,
    ):
        form = {"webhook": "https://example.org/asr"}
        sent = await http.post("/api/v1/asr/submit", files={"audio": ("a.wav", b"RIFF")}, data=form)
    assert (sent.status_code, sent.json()["error"]["code"]) == (400, "webhooks-off")


def test_the_folder_is_that_of_the_configuration_or_of_the_users_data(tmp_path: Path) -> None:
    assert jobs.jobs_folder(Jobs(folder="/j"), {"XDG_DATA_HOME": "/d"}) == Path("/j")
    assert jobs.jobs_folder(Jobs(), {"XDG_DATA_HOME": "/d"}) == Path("/d/asr-hub/jobs")
    relative = jobs.jobs_folder(Jobs(), {"XDG_DATA_HOME": "relative"})
    assert relative == Path("~/.local/share/asr-hub/jobs").expanduser()
