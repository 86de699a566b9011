from __future__ import annotations

from pathlib import Path

import pytest

from asr_hub.jobs.job import Segment
from asr_hub.jobs.spooling import PLAN, Plan, SpoolWriter, cut_of, held, sweep, whole
from asr_hub.model import AudioFrame

pytestmark = pytest.mark.unit

SEGMENTS = (Segment(number=0, channel=1, start=1, end=3),)


def plan(samples: int = 4) -> Plan:
    return Plan(of="a", rate=16_000, channels=2, samples=samples, segments=SEGMENTS, warnings=("b: c",))


def row(samples: int = 4) -> tuple[AudioFrame, AudioFrame]:
    return AudioFrame(b"\1\2" * samples, 0), AudioFrame(b"\3\4" * samples, 0)


def spooled(folder: Path) -> Path:
    with held(folder), SpoolWriter(folder) as spool:
        spool.write(row(1))
        spool.write(row(3))
        assert (spool.channels, spool.samples) == (2, 4)
        spool.finish(plan())
    return folder


def test_a_finished_spool_is_whole_and_can_be_read(tmp_path: Path) -> None:
    found = whole(spooled(tmp_path / "new" / "folder"), "a")
    assert found == plan()
    cut = cut_of(tmp_path / "new" / "folder", found)
    assert cut.spool.read(cut.segments[0]) == b"\3\4\3\4"
    assert (cut.segments, cut.warnings) == (SEGMENTS, ("b: c",))
    assert not list(tmp_path.rglob("*.part"))


def test_a_spool_of_something_else_is_not_taken(tmp_path: Path) -> None:
    assert whole(spooled(tmp_path), "b") is None
    assert whole(tmp_path) == plan()


@pytest.mark.parametrize(
    "harm", ["no plan", "half a plan", "a plan of something else", "half a channel", "one channel"]
)
def test_what_is_not_all_there_is_not_whole(tmp_path: Path, harm: str) -> None:
    spooled(tmp_path)
    told = tmp_path / PLAN
    match harm:
        case "no plan":
            told.unlink()
        case "half a plan":
            told.write_bytes(told.read_bytes()[:-9])
        case "a plan of something else":
            told.write_bytes(b'{"of": 1}')
        case "half a channel":
            (tmp_path / "1.pcm").write_bytes(b"\3\4")
        case "one channel":
            (tmp_path / "0.pcm").unlink()
    assert whole(tmp_path) is None


def test_a_spool_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    spooled(tmp_path)
    with held(tmp_path), SpoolWriter(tmp_path) as spool:
        spool.write(row())
        # From its first sample on: a mixture of both would pass for whole.
        assert whole(tmp_path) is None
    assert not list(tmp_path.glob("*.part"))


def test_what_a_killed_process_left_is_swept_away_unless_somebody_is_at_work(tmp_path: Path) -> None:
    left = tmp_path / "0.pcm.part"
    left.write_bytes(b"ab")
    with held(tmp_path):
        sweep(tmp_path)
        assert left.exists()
    sweep(tmp_path)
    assert not left.exists()
    sweep(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_is_held_by_one_alone(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(BlockingIOError), held(tmp_path, patient=False):
        pass
