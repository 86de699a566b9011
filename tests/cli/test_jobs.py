"""The commands against a server that speaks as a hub does, over real sockets."""

from __future__ import annotations

import json
import os
import signal
import threading
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.jobs_hub import CUT, FakeHub, running
from typer.testing import CliRunner, Result

from asr_hub.access.certificate import self_signed
from asr_hub.cli import jobs, jobs_client
from asr_hub.cli.jobs import app
from asr_hub.cli.jobs_client import JobsClient, Patience
from asr_hub.errors import HubError, NotFound, ProtocolError, ProviderUnavailable, UnsupportedAudio

pytestmark = pytest.mark.unit

SECRET = "ah_0123456789ab_secret"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running() as hub:
        yield hub


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PAUSE_S", 0.01)
    for name in ("ASR_HUB_URL", "ASR_HUB_KEY"):
        monkeypatch.delenv(name, raising=False)


def call(hub: FakeHub, *arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"ASR_HUB_URL": hub.url, **(env or {})})


def audio(folder: Path, name: str = "talk.mp3", content: bytes = b"audio") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refused(status: int, code: str, message: str, retryable: bool = False, **headers: str) -> Any:
    body = {"error": {"code": code, "message": message, "retryable": retryable}}
    return lambda path: (status, body, headers)


def hangs_up(path: str) -> Any:
    return (0, {}, {})


# Submitting


def test_a_file_is_sent_with_its_options_and_the_id_is_printed(hub: FakeHub, tmp_path: Path) -> None:
    path = audio(tmp_path, "talk ü.mp3", b"\0\xffRIFF")
    options = ["--provider", "whisper", "--language", "zh-TW", "--hotwords", "Visp,Brig", "--hotwords", "Zermatt"]
    more = ["--priority", "7", "--channels", "split", "-f", "srt", "-f", "vtt", "--webhook", "https://example.org/done"]
    done = call(hub, "submit", str(path), *options, *more)
    assert done.exit_code == 0, done.stderr
    (form,) = hub.forms
    assert form == {
        "audio": "talk ü.mp3",
        "content": "\0\xffRIFF",
        "provider": "whisper",
        "language": "zh-TW",
        "hotwords": "Visp,Brig,Zermatt",
        "priority": "7",
        "channels": "split",
        "formats": "srt,vtt",
        "webhook": "https://example.org/done",
    }
    assert done.stdout.split() == list(hub.tasks)
    assert "talk ü.mp3: queued, 3 before it, to begin in about 12 s" in done.stderr


def test_what_is_not_said_is_not_sent(hub: FakeHub, tmp_path: Path) -> None:
    call(hub, "submit", str(audio(tmp_path)))
    assert set(hub.forms[0]) == {"audio", "content", "priority", "channels"}


def test_a_file_that_cannot_be_read_or_is_too_large_does_not_stop_the_others(hub: FakeHub, tmp_path: Path) -> None:
    hub.max_bytes = 10
    large, good = audio(tmp_path, "large.wav", b"x" * 11), audio(tmp_path, "good.wav")
    done = call(hub, "submit", str(tmp_path / "none.wav"), str(tmp_path), str(large), str(good))
    assert done.exit_code == 1
    assert [form["audio"] for form in hub.forms] == ["good.wav"]
    assert "none.wav: cannot be read: No such file or directory" in done.stderr
    assert f"{tmp_path}: cannot be read: is no file that has an end" in done.stderr
    assert "has 11 bytes, and the hub takes 10" in done.stderr
    assert len(done.stdout.split()) == 1


def test_a_large_file_is_sent_in_pieces(hub: FakeHub, tmp_path: Path) -> None:
    path = tmp_path / "large.wav"
    size = 16 * 2**20
    with path.open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    done = call(hub, "submit", str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.exit_code == 0, done.stderr
    assert hub.sizes[0] > size
    assert peak < 4 * 2**20


def test_one_that_is_known_is_said_so(hub: FakeHub, tmp_path: Path) -> None:
    id = hub.add("talk.mp3", "done")
    done = call(hub, "submit", str(audio(tmp_path)))
    assert (done.exit_code, done.stdout.split()) == (0, [id])
    assert "talk.mp3: is a job already: done" in done.stderr


def test_an_upload_that_breaks_is_sent_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusals = [lambda path: None, hangs_up, refused(503, "overloaded", "no room", True, **{"Retry-After": "0"})]
    done = call(hub, "submit", str(audio(tmp_path)))
    assert done.exit_code == 0, done.stderr
    assert [line.split("?")[0] for line in hub.asked] == ["GET /api/asr/formats", *["POST /api/v1/asr/submit"] * 3]
    assert len(hub.forms) == 1
    assert "sending talk.mp3 again" in done.stderr


def test_an_upload_is_not_sent_for_ever(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusals = [lambda path: None, *[hangs_up] * 9]
    done = call(hub, "submit", str(audio(tmp_path)))
    assert done.exit_code == 2
    assert len(hub.asked) == 1 + jobs_client.UPLOADS


def test_a_hub_that_is_started_again_gets_the_file_then(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusals = [lambda path: None, hangs_up, lambda path: (502, {}, {}), lambda path: (504, {}, {})]
    done = call(hub, "submit", str(audio(tmp_path)))
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("sending talk.mp3 again") == 1


@pytest.mark.parametrize("change", [lambda file: os.truncate(file, 70_000), lambda file: os.truncate(file, 200_000)])
async def test_a_file_that_changes_meanwhile_is_told_and_not_sent_again(
    hub: FakeHub, tmp_path: Path, change: Any
) -> None:
    path = audio(tmp_path, "growing.wav", b"x" * 140_000)
    async with JobsClient(hub.url, None, patience=Patience(pause_s=0.01)) as client:
        with pytest.raises(UnsupportedAudio, match="changed while it was sent"):
            await client.submit(path, {}, lambda sent: change(path) if sent else None)
    assert len(hub.asked) <= 1


def test_what_the_hub_refuses_of_every_file_ends_it(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusals = [lambda path: None, refused(404, "unknown-provider", "no provider `x`; there are: scripted")]
    done = call(hub, "submit", str(audio(tmp_path)), str(audio(tmp_path, "b.wav")))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: no provider `x`; there are: scripted\n"


def test_an_empty_file_is_refused_alone(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusals = [lambda path: None, refused(415, "empty-file", "the file is empty; send one with audio in it")]
    done = call(hub, "submit", str(audio(tmp_path, "empty.wav", b"")), str(audio(tmp_path)))
    assert done.exit_code == 1
    assert "empty.wav: the file is empty" in done.stderr
    assert len(done.stdout.split()) == 1


def test_it_stays_until_the_jobs_are_over_where_it_is_asked_to(hub: FakeHub, tmp_path: Path) -> None:
    good, bad = hub.add("good.wav"), hub.add("bad.wav")
    hub.events[good] = [[{"status": "processing", "segments": 2, "segments_done": 1}, {"status": "done", "seconds": 4}]]
    error = {"code": "unsupported-audio", "message": "no audio in it; send a file with sound"}
    hub.events[bad] = [[{"status": "failed", "error": error}]]
    done = call(hub, "submit", "--watch", *(str(audio(tmp_path, name)) for name in ("good.wav", "bad.wav", "good.wav")))
    assert done.exit_code == 1
    assert done.stdout.split() == [good, bad, good]
    assert f"good.wav: done, 4 s of audio; its text: asr-hub jobs export {good}" in done.stderr
    assert f"bad.wav: failed: unsupported-audio: {error['message']}; to go on" in done.stderr
    assert sum("/events/" in line for line in hub.asked) == 2


# Watching


def test_watching_ends_with_the_last_job(hub: FakeHub) -> None:
    ids = [hub.add("a"), hub.add("b")]
    for id in ids:
        hub.events[id] = [[{"status": "queued"}, {"status": "done"}]]
    done = call(hub, "watch", *ids, ids[0])
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.count(": done") == 2


def test_a_job_that_is_cancelled_is_not_done(hub: FakeHub) -> None:
    id = hub.add("a")
    hub.events[id] = [[{"status": "cancelled"}]]
    done = call(hub, "watch", id)
    assert done.exit_code == 1
    assert f"asr-hub jobs retry {id}" in done.stderr


def test_an_unknown_job_is_a_wrong_call_and_the_others_are_watched(hub: FakeHub) -> None:
    id = hub.add("a", "done")
    done = call(hub, "watch", "../no/such", id)
    assert done.exit_code == 2
    assert "../no/such: no such job" in done.stderr
    assert f"{id}: done" in done.stderr
    assert "GET /api/v1/asr/result/..%2Fno%2Fsuch" in hub.asked


def test_events_that_break_off_are_asked_for_and_come_back(hub: FakeHub) -> None:
    id = hub.add("a", "processing", progress=40.0)
    hub.events[id] = [[{"status": "processing", "progress": 20}, CUT], [CUT], [{"status": "done", "progress": 100}]]
    done = call(hub, "watch", id)
    assert done.exit_code == 0, done.stderr
    events, result = f"GET /api/v1/asr/events/{id}", f"GET /api/v1/asr/result/{id}"
    assert hub.asked == ["GET /api/asr/formats", events, result, events, result, events]


def test_without_events_it_asks(hub: FakeHub) -> None:
    id = hub.add("a", "processing")
    finishing = lambda: hub.tasks[id].update(status="done", duration=7.0)  # noqa: E731
    hub.events[id] = [[CUT], [finishing, CUT]]
    done = call(hub, "watch", id)
    assert done.exit_code == 0, done.stderr
    assert "done, 7 s of audio" in done.stderr


def test_a_hub_that_is_killed_and_started_again_is_waited_for(hub: FakeHub) -> None:
    id = hub.add("a", "processing")
    hub.events[id] = [[{"status": "processing"}, CUT], [{"status": "done"}]]
    hub.refusals = [lambda path: None, lambda path: None, hangs_up, hangs_up]
    done = call(hub, "watch", id)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("does not answer any more") == 1
    assert "its jobs are written down, and it goes on with them when it runs again" in done.stderr


def test_a_hub_that_stays_away_is_given_up(hub: FakeHub) -> None:
    ids = [hub.add("a"), hub.add("b")]
    hub.refusals = [lambda path: None, *[hangs_up] * 500]
    done = call(hub, "watch", *ids, "--patience", "0.05")
    assert done.exit_code == 2
    assert done.stderr.count("error: ") == 1
    assert f"to see how: asr-hub jobs watch {' '.join(ids)}" in done.stderr


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As in a terminal: what a shell starts in the background ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_who_interrupts_is_told_that_the_jobs_go_on(hub: FakeHub, interruptible: None) -> None:
    id, is_left = hub.add("a"), threading.Event()
    hub.events[id] = [[{"status": "queued"}, lambda: os.kill(os.getpid(), signal.SIGINT), is_left.wait]]
    done = call(hub, "watch", id)
    is_left.set()
    assert done.exit_code == 130
    assert done.stderr == f"the jobs go on in the hub; to see how: asr-hub jobs watch {id}\n"


# Who answers


def test_no_hub_is_told_with_what_to_do(hub: FakeHub) -> None:
    for arguments in (["watch", "a"], ["list"], ["cancel", "a"], ["export", "a"], ["history", "export"]):
        done = CliRunner().invoke(app, [*arguments, "--url", "http://127.0.0.1:1"])
        assert done.exit_code == 2
        assert "error: no hub answers at http://127.0.0.1:1" in done.stderr
        assert "asr-hub serve" in done.stderr
        assert "--url or ASR_HUB_URL" in done.stderr


@pytest.mark.parametrize("url", ["", "localhost:8765", "ftp://example.org", "http://", "\0"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    done = CliRunner().invoke(app, ["list", "--url", url])
    assert done.exit_code == 2
    assert "is no address of a hub" in done.stderr


def test_it_is_a_command_of_asr_hub(hub: FakeHub) -> None:
    from asr_hub.cli import app as asr_hub

    hub.add("talk.mp3")
    done = CliRunner().invoke(asr_hub, ["jobs", "history", "export", "--url", hub.url])
    assert json.loads(done.stdout)["name"] == "talk.mp3"


def test_a_key_is_taken_from_the_environment_and_a_wrong_one_is_told_without_it(hub: FakeHub) -> None:
    hub.key = SECRET
    assert call(hub, "list", env={"ASR_HUB_KEY": SECRET}).exit_code == 0
    for wrong in ("another-secret", "an other", "ü", "a\nb"):
        done = call(hub, "watch", "a", "--key", wrong)
        assert done.exit_code == 2
        assert "ASR_HUB_KEY" in done.stderr
        assert wrong not in done.stderr


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[1]"])
def test_what_is_no_hub_is_told(hub: FakeHub, body: bytes) -> None:
    hub.refusals = [lambda path: (200, json.loads(body) if body != b"<html>" else "x", {})]
    done = call(hub, "list")
    assert done.exit_code == 2
    assert "is no hub, or one of another version" in done.stderr
    hub.refusals = [lambda path: (404, {"detail": "Not Found"}, {})]
    assert "answered 404 Not Found, not as a hub does" in call(hub, "list").stderr


def test_a_hub_without_jobs_says_so_and_is_not_asked_again(hub: FakeHub, tmp_path: Path) -> None:
    hub.refusals = [refused(503, "jobs-unavailable", "files are not transcribed here; set jobs.enabled")]
    done = call(hub, "submit", str(audio(tmp_path)))
    assert (done.exit_code, len(hub.asked)) == (2, 1)
    assert "files are not transcribed here" in done.stderr


# The rest


def test_jobs_are_listed(hub: FakeHub) -> None:
    hub.add("talk.mp3", "done", duration=12.0, created_at=1_800_000_000.0)
    hub.add("[bold]x.wav", "failed", error={"code": "too-large", "message": "cut it"})
    hub.add("y.wav", "processing", progress=42.0)
    done = call(hub, "list")
    assert done.exit_code == 0, done.stderr
    first, second, third, last = done.stdout.splitlines()
    assert first.startswith(next(iter(hub.tasks)))
    assert first.split()[1:4] == ["done", "12", "s"]
    assert first.endswith("scripted  talk.mp3")
    assert second.endswith("[bold]x.wav  too-large: cut it")
    assert "42 %" in third
    assert last == "3 of 3 jobs"


def test_the_wishes_of_a_list_reach_the_hub(hub: FakeHub) -> None:
    call(hub, "list", "--state", "failed", "--state", "done", "--text", "ü &", "--since", "2026-01-31", "--all")
    (asked,) = hub.asked
    assert asked == "GET /api/v1/asr/history?state=failed&state=done&text=%C3%BC+%26&since=2026-01-31&all=true&limit=50"
    assert call(hub, "list", "--state", "lost").exit_code == 2


def test_a_long_list_comes_in_pages(hub: FakeHub) -> None:
    for number in range(450):
        hub.add(f"{number}.wav")
    listed = json.loads(call(hub, "list", "--json", "--limit", "420").stdout)
    assert [job["name"] for job in listed["jobs"]] == [f"{number}.wav" for number in range(420)]
    assert listed["total"] == 450
    assert len(hub.asked) == 3
    assert "50 of 450 jobs; --limit 450 shows the others" in call(hub, "list").stdout


@pytest.mark.parametrize("jobs", [[{"task_id": 5}], [{}]])
def test_jobs_of_another_version_are_no_traceback(hub: FakeHub, jobs: list[Any]) -> None:
    hub.refusals = [lambda path: (200, {"jobs": jobs, "next": None, "total": 1}, {})]
    done = call(hub, "list")
    assert done.exit_code == 2
    assert "another version" in done.stderr


def test_jobs_are_cancelled_and_retried(hub: FakeHub) -> None:
    id, other = hub.add("a"), hub.add("b")
    assert call(hub, "cancel", id).stderr == f"{id}: cancelled\n"
    assert call(hub, "retry", id).stderr == f"{id}: queued\n"
    done = call(hub, "retry", other)
    assert (done.exit_code, done.stderr) == (2, "error: the job did not fail; there is nothing to try again\n")
    done = call(hub, "cancel", "nobody", other)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[1:] == [f"{other}: cancelled"]


def test_a_text_is_fetched(hub: FakeHub, tmp_path: Path) -> None:
    id = hub.add("a", "done")
    hub.texts = {"txt": "Grüezi\n", "srt": "1\n00:00 …\n"}
    assert call(hub, "export", id).stdout == "Grüezi\n"
    target = tmp_path / "a.srt"
    assert call(hub, "export", id, "--format", "srt", "-o", str(target)).exit_code == 0
    assert target.read_text() == hub.texts["srt"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_text_that_cannot_be_had_leaves_no_file(hub: FakeHub, tmp_path: Path) -> None:
    id, waiting = hub.add("a", "done"), hub.add("b")
    target = tmp_path / "a.txt"
    target.write_text("former")
    for arguments, told in (([id, "-f", "doc"], "one of txt, srt"), ([waiting], "ask again when it is done")):
        done = call(hub, "export", *arguments, "-o", str(target))
        assert done.exit_code == 2
        assert told in done.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["former"]
    hub.texts = {"txt": "x"}
    done = call(hub, "export", id, "-o", str(tmp_path / "none" / "a.txt"))
    assert done.exit_code == 2
    assert "--output: cannot write" in done.stderr
    assert call(hub, "export", id, "-o", os.devnull).exit_code == 0
    assert not Path(os.devnull).is_file()


def test_the_history_is_exported_as_lines(hub: FakeHub, tmp_path: Path) -> None:
    for number in range(250):
        hub.add(f"{number}\n.wav")
    target = tmp_path / "jobs.jsonl"
    done = call(hub, "history", "export", "--all", "-o", str(target))
    assert done.exit_code == 0, done.stderr
    assert [json.loads(line) for line in target.read_text().splitlines()] == list(hub.tasks.values())
    assert all("all=true" in asked for asked in hub.asked)
    assert call(hub, "history", "export").stdout == target.read_text()


@pytest.mark.parametrize(("age", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)])
def test_an_age_is_a_time(age: str, seconds: int) -> None:
    assert jobs._since(age, 1_000_000.4) == str(1_000_000 - seconds)


def test_other_times_are_the_hubs_to_read() -> None:
    for said in (None, "2026-01-31T12:00Z", "7 days", "\N{ARABIC-INDIC DIGIT ONE}d"):
        assert jobs._since(said, 1e9) == said
    assert jobs._since("999999999w", 1e9) == "0"


# The client by itself


async def pieces_of(*pieces: bytes) -> Any:
    for piece in pieces:
        yield piece


@settings(max_examples=40)
@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), min_size=1), max_size=5),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
async def test_events_are_whole_wherever_they_are_cut(events: list[Any], cuts: list[int], end: str) -> None:
    written = "".join(f":{end}id: 1{end}event: job{end}data: {json.dumps(event)}{end}{end}" for event in events)
    stream = written.encode()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(places)]
    read = [json.loads(data) async for data in jobs_client._data_of(pieces_of(*pieces))]
    assert read == events


@pytest.mark.parametrize("piece", [b"x" * 65536, b"data: " + b"x" * 65536 + b"\n"])
async def test_an_event_without_an_end_is_not_kept(piece: bytes) -> None:
    with pytest.raises(ProtocolError, match="has more than"):
        async for _ in jobs_client._data_of(pieces_of(*[piece] * 17)):
            pass


async def test_a_page_that_names_itself_as_the_next_is_the_last(hub: FakeHub) -> None:
    hub.refusals = [lambda path: (200, {"jobs": [], "next": "5", "total": 9}, {})] * 2
    async with JobsClient(hub.url, None) as client:
        assert len([page async for page in client.pages({"limit": "1"})]) == 2


async def test_what_the_hub_says_keeps_its_code(hub: FakeHub) -> None:
    async with JobsClient(hub.url, None, patience=Patience(total_s=0)) as client:
        with pytest.raises(NotFound) as told:
            await client.task("nobody")
        assert told.value.code == "unknown-job"
        for status in (502, 503, 504):
            hub.refusals = [lambda path, status=status: (status, {}, {})]
            with pytest.raises(HubError) as away:
                await client.task("nobody")
            assert away.value.retryable
        hub.refusals = [hangs_up]
        with pytest.raises(ProviderUnavailable, match="does not answer any more"):
            await client.task("nobody")


async def test_a_proxy_is_for_other_machines(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for url in (hub.url, hub.url.replace("127.0.0.1", "localhost")):
        async with JobsClient(url, None) as client:
            assert (await client.limits()).max_bytes == hub.max_bytes
    async with JobsClient("http://hub.example", None) as client:
        with pytest.raises(ProviderUnavailable, match="All connection attempts failed"):
            await client.limits()


def test_a_certificate_of_the_hubs_own_is_named_in_a_variable(tmp_path: Path) -> None:
    pair = self_signed(["localhost"])
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    with running(tls=(certificate, key)) as hub:
        unknown = call(hub, "list")
        assert unknown.exit_code == 2
        assert "SSL_CERT_FILE" in unknown.stderr
        assert call(hub, "list", env={"SSL_CERT_FILE": str(certificate)}).exit_code == 0
