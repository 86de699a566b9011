from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.recordings.made import NAME, PUBLIC, recorded
from tests.store.facts import A
from typer.testing import CliRunner, Result

from asr_hub.cli.main import app
from asr_hub.model import AudioFormat, EndpointReason, Hypothesis, ProviderName, Role, SessionId
from asr_hub.recordings.packing import packed
from asr_hub.store.event import Event
from asr_hub.store.journal import Entry, Journal, encode, header
from asr_hub.store.root import ROOT
from asr_hub.store.slices.sessions import SessionAttached, SessionClosed, SessionOpened, SpeechEnded, SpeechStarted
from asr_hub.store.slices.system import HubStarted
from asr_hub.store.slices.transcripts import HypothesisRevised, UtteranceCorrected, UtteranceFinalized

pytestmark = pytest.mark.unit

ONE, TWO = SessionId("one"), SessionId("two")
ENGINE = ProviderName("scripted")

runner = CliRunner()


def heard(text: str, *, is_final: bool = True) -> Hypothesis:
    return Hypothesis(text=text, start=100, end=900, is_final=is_final)


def opened(session: SessionId) -> list[Event]:
    return [
        SessionOpened(at=2.0, session=session, provider=ENGINE, format=AudioFormat(), protocol="websocket"),
        SessionAttached(at=2.0, session=session, role=Role.PUBLISHER, protocol="websocket"),
        SpeechStarted(at=3.0, session=session, utterance=1, audio_ms=100),
    ]


FACTS: list[Event] = [
    HubStarted(at=1.0, version="0.1.0", max_sessions=9, default_provider=ENGINE),
    *opened(ONE),
    HypothesisRevised(at=4.0, session=ONE, utterance=1, hypothesis=heard("turn the", is_final=False)),
    SpeechEnded(at=5.0, session=ONE, utterance=1, audio_ms=900, reason=EndpointReason.SILENCE),
    UtteranceFinalized(
        at=5.5, session=ONE, utterance=1, hypothesis=heard("turn the [light] off"), reason=EndpointReason.SILENCE
    ),
    *opened(TWO),
    HypothesisRevised(at=6.0, session=TWO, utterance=1, hypothesis=heard("cough", is_final=False)),
    SpeechEnded(at=6.0, session=TWO, utterance=1, audio_ms=900, reason=EndpointReason.CLEAR),
    UtteranceCorrected(at=6.5, session=ONE, utterance=1, hypothesis=heard("turn the [light] on")),
    SessionClosed(at=7.0, session=ONE, reason="close"),
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "hub.journal"
    path.write_bytes(header() + encode(Entry(seq, event) for seq, event in enumerate(FACTS, 1)))
    return path


def replay(*arguments: object) -> Result:
    return runner.invoke(app, ["replay", *map(str, arguments)])


def told(*arguments: object) -> Any:
    done = replay(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def said(moment: Any, session: SessionId) -> dict[str, str]:
    return {number: each["text"] for number, each in moment["sessions"][session]["utterances"].items()}


def test_the_end_of_a_journal(journal: Path) -> None:
    moment = told(journal)
    assert (moment["seq"], moment["time"], moment["fact"]) == (len(FACTS), 7.0, "[Session] Closed")
    assert list(moment["state"]["sessions"]) == [TWO]
    assert moment["sessions"][ONE]["closed"] == "close"
    assert said(moment, ONE) == {"1": "turn the [light] on"}
    assert said(moment, TWO) == {}


def test_every_moment_can_be_reached_and_has_the_state_of_the_store(journal: Path) -> None:
    state = ROOT.initial
    texts = []
    for seq, event in enumerate(FACTS, 1):
        state = ROOT.reduce(state, event)
        moment = told(journal, "--at", seq)
        assert (moment["seq"], moment["fact"]) == (seq, event.type)
        assert set(moment["state"]["sessions"]) == set(state["sessions"])
        texts.append(said(moment, ONE).get("1") if ONE in moment["sessions"] else None)
    assert texts == [
        *[None] * 4,
        *["turn the"] * 2,
        *["turn the [light] off"] * 6,
        *["turn the [light] on"] * 2,
    ]


def test_a_time_that_is_none_and_a_text_for_the_terminal_are_shown_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "hub.journal"
    hostile = heard("\x1b]0;owned\x07\x1b[2Jon\u009b2J")
    facts: list[Event] = [
        *opened(ONE),
        HypothesisRevised(at=1e300, session=ONE, utterance=1, hypothesis=hostile),
    ]
    path.write_bytes(header() + encode(Entry(seq, event) for seq, event in enumerate(facts, 1)))
    for arguments in ((path,), (path, "--why", 4)):
        done = replay(*arguments)
        assert done.exit_code == 0, done.output
        assert "1e+300" in done.stdout
        assert not {"\x1b", "\x07", "\u009b"} & set(done.stdout)


def test_before_the_first_fact_there_is_nothing(journal: Path) -> None:
    moment = told(journal, "--at", 0)
    assert (moment["seq"], moment["fact"], moment["sessions"]) == (0, "", {})


def test_one_session_alone(journal: Path) -> None:
    moment = told(journal, "--session", TWO, "--at", 11)
    assert list(moment["sessions"]) == [TWO]
    assert list(moment["state"]["sessions"]) == [TWO]
    assert said(moment, TWO) == {"1": "cough"}


def test_lines_for_people_show_what_was_said_as_it_was_said(journal: Path) -> None:
    done = replay(journal, "--at", 11)
    assert done.exit_code == 0, done.output
    assert "after fact 11 [Transcript] Revised 1970-01-01T00:00:06.000Z" in done.stdout
    assert "turn the [light] off" in done.stdout
    assert "… cough" in done.stdout
    assert "one scripted, live" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("sessions two ")]
    assert {"provider=scripted", "phase=speech", "utterance=1", "opened_at=1970-01-01T00:00:02.000Z"} <= set(
        line.split()
    )
    assert "language" not in line


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--at", "99"], "can be read up to fact 14, not 99"),
        (["--session", "none"], "knows no session 'none' up to fact 14; it knows: one, two"),
    ],
)
def test_what_is_not_there_is_told(journal: Path, arguments: list[str], remedy: str) -> None:
    done = replay(journal, *arguments)
    assert done.exit_code == 2
    assert remedy in done.stderr


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("hello\n")
    for path in (other, tmp_path / "none", tmp_path):
        done = replay(path)
        assert done.exit_code == 2
        assert done.stderr.strip()


def test_a_journal_that_breaks_off_is_shown_as_far_as_it_goes(journal: Path) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-10])
    done = replay(journal)
    assert done.exit_code == 1
    assert f"after fact {len(FACTS) - 1}" in done.stdout
    assert "turn the [light] on" in done.stdout
    assert f"damaged: journal line {len(FACTS) + 1}" in done.stderr
    assert replay(journal, "--at", 7).exit_code == 0


def test_a_fact_that_cannot_follow_is_told_after_what_comes_before(journal: Path) -> None:
    bad = SpeechEnded(session=ONE, utterance=9, audio_ms=1, reason=EndpointReason.SILENCE)
    with journal.open("ab") as file:
        file.write(encode([Entry(len(FACTS) + 1, bad)]))
    done = replay(journal)
    assert done.exit_code == 1
    assert "cannot follow" in done.stderr


def test_a_journal_that_begins_later_goes_on_from_its_state(tmp_path: Path) -> None:
    kept = Journal(size=3, snapshot_every=2)
    state = ROOT.initial
    for event in FACTS[:10]:
        state = ROOT.reduce(state, event)
        kept.append(event, state)
    path = tmp_path / "late.journal"
    path.write_bytes(b"".join(kept.dump()))
    moment = told(path)
    assert moment["seq"] == 10
    assert said(moment, ONE) == {"1": "turn the [light] off"}
    done = replay(path, "--at", 1)
    assert done.exit_code == 2
    assert "this journal begins after fact" in done.stderr


def test_as_a_program(journal: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asr_hub", "replay", str(journal), "--json", "--at", "7"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said(json.loads(done.stdout), ONE) == {"1": "turn the [light] off"}


def linked(*arguments: object) -> list[tuple[int, str]]:
    return [(cause["seq"], cause["link"]) for cause in told(*arguments)]


def test_why_a_fact_came(journal: Path) -> None:
    assert linked(journal, "--why", 7) == [(2, "opened"), (4, "began"), (5, "heard"), (6, "endpoint"), (7, "final")]
    shown = replay(journal, "--why", 7)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert len(lines) == 5 and "endpoint" in lines[3] and "reason=silence" in lines[3]
    for number in (99, 0):
        assert replay(journal, "--why", number).exit_code == 2


def test_a_recording_is_read_from_its_folder_and_from_its_zip(tmp_path: Path) -> None:
    made = recorded(tmp_path, [FACTS[0], *(replace(event, session=A) for event in FACTS[1:7])])
    zip = tmp_path / "recording.zip"
    zip.write_bytes(b"".join(packed(made)))
    for path in (made.path, zip):
        moment = told(path)
        assert moment["seq"] == 7 and said(moment, SessionId(PUBLIC)) == {"1": "turn the [light] off"}
        assert linked(path, "--why", 7)[-1] == (7, "final")
        assert told(path, "--at", 5)["fact"] == "[Transcript] Revised"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with all that somebody may take for a recording."""
    made = recorded(tmp_path / "all", [opened(A)[0], SpeechStarted(session=A, utterance=1, audio_ms=1)])
    for name in ("rotten", "newer", "unnamed"):
        shutil.copytree(made.path, tmp_path / name)
    journal, meta = tmp_path / "rotten" / "journal.jsonl", tmp_path / "newer" / "recording.json"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"rot\n"]))
    meta.write_bytes(meta.read_bytes().replace(b'"version": 1', b'"version": 9'))
    (tmp_path / "unnamed" / "recording.json").unlink()
    (tmp_path / "cut.zip").write_bytes(b"".join(packed(made))[:-40])
    (tmp_path / "later.journal").write_bytes(header(after=7, state=ROOT.initial))
    (tmp_path / "newer.journal").write_bytes(header().replace(b'"version":1', b'"version":9'))
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("notes.txt", "x")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("empty", "is no recording; name the folder of one"),
        ("all", f"is the folder of recordings, such as {{shelf}}/all/{NAME}"),
        ("notes.txt", "is no journal; name a file that `journal.path` named"),
        ("nothing", "is no journal"),
        (f"all/{NAME}/recording.json", f"or a recording, such as {{shelf}}/all/{NAME}"),
        ("cut.zip", "no zip, or not all of one"),
        ("other.zip", "no recording has: 'notes.txt'"),
        ("none", "No such file"),
        ("newer.journal", "version 9, this release reads 1; read it with the release that wrote it"),
        (f"all/{NAME} --at 3", "can be read up to fact 2, not 3"),
        (f"all/{NAME} --why 3", "can be read up to fact 2, not 3"),
        (f"all/{NAME} --why 2 --at 1", "leave out --at"),
        ("later.journal --why 7", "begins after fact 7"),
        ("later.journal --why 8", "can be read up to fact 7, not 8"),
        ("rotten --at 2", "up to fact 1, not 2: journal line 3"),
        ("rotten --why 2", "up to fact 1, not 2: journal line 3"),
    ],
)
def test_whoever_names_the_wrong_thing_is_told_the_right_one(arguments: str, message: str, shelf: Path) -> None:
    path, *rest = arguments.split()
    done = replay(shelf / path, *rest)
    assert done.exit_code == 2
    told = "".join(done.stderr.split()).replace("│", "")
    assert "".join(message.format(shelf=shelf).split()) in told


@pytest.mark.parametrize(
    ("name", "seq", "message"),
    [("rotten", 1, "journal line 3"), ("newer", 2, "version 9"), ("unnamed", 2, "no recording")],
)
def test_of_a_damaged_recording_what_is_sound_is_shown(name: str, seq: int, message: str, shelf: Path) -> None:
    done = replay(shelf / name)
    assert done.exit_code == 1
    assert f"after fact {seq}" in done.stdout and message in done.stderr


def test_a_journal_is_read_from_a_pipe(journal: Path) -> None:
    read, write = os.pipe()
    os.write(write, journal.read_bytes())
    os.close(write)
    assert told(f"/dev/fd/{read}")["seq"] == len(FACTS)
    os.close(read)
