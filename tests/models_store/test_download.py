from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.models_store.hub import Hub, serving, zipped

from asr_hub.errors import ConfigError, Conflict, HubError, ProviderUnavailable
from asr_hub.models import manifest, sources
from asr_hub.models.catalogue import wanted
from asr_hub.models.download import fetch, free_bytes
from asr_hub.models.installed import faults, installed, one, remove
from asr_hub.models.web import Patience

pytestmark = pytest.mark.unit

WEIGHTS = bytes(range(256)) * 4000
CONTENT = {"model.bin": WEIGHTS, "config.json": b"{}", "empty.txt": b"", "sub/tokens.txt": b"a b c\n"}


class Puller:
    """Pulls into a folder of its own, and keeps what it was told."""

    def __init__(self, hub: Hub, folder: Path) -> None:
        self.hub = hub
        self.env = {
            "HF_ENDPOINT": hub.url,
            "ASR_HUB_VOSK_LIST": f"{hub.url}/model-list.json",
            "ASR_HUB_MODELS": str(folder),
            "HF_TOKEN": hub.token,
        }
        self.waits: list[float] = []
        self.meanwhile: Callable[[], None] = lambda: None
        """Done at each wait."""
        self.progress: list[tuple[int, int, str]] = []

    def __call__(
        self, name: str = "hf:me/mine", engine: str = "funasr", free: Callable[[Path], int] = free_bytes
    ) -> Path:
        patience = Patience(tries=3, pause=self.pause)
        with sources.web(self.env, patience) as client:
            plan = sources.resolve(wanted(name, engine), client, self.env)
            return fetch(plan, client, lambda *told: self.progress.append(told), env=self.env, free=free)

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.meanwhile()

    def fails(self, error: type[HubError] = ProviderUnavailable, **options: Callable[[Path], int]) -> str:
        """The message; nothing of the model may be visible then."""
        with pytest.raises(error) as caught:
            self(**options)
        assert installed(self.env) == []
        return str(caught.value)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub(repositories={"me/mine": dict(CONTENT)})) as hub:
        yield hub


@pytest.fixture
def pull(hub: Hub, tmp_path: Path) -> Puller:
    return Puller(hub, tmp_path / "models")


def test_a_model_appears_whole_with_its_manifest(pull: Puller, tmp_path: Path) -> None:
    folder = pull()
    assert folder == tmp_path / "models" / "funasr" / "me--mine"
    there = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert there.pop(manifest.FILE)
    assert there == CONTENT
    assert {path.name for path in folder.parent.iterdir()} == {"me--mine", ".me--mine.lock"}
    (found,) = installed(pull.env)
    assert found.manifest is not None
    assert (found.manifest.source, found.manifest.revision) == ("hf:me/mine", pull.hub.commit)
    assert list(faults(found)) == []
    assert pull.progress[-1][:2] == (sum(map(len, CONTENT.values())),) * 2
    assert [told[0] for told in pull.progress] == sorted(told[0] for told in pull.progress)


def test_what_is_here_is_not_fetched_again(pull: Puller) -> None:
    pull()
    asked = len(pull.hub.asked("/resolve/"))
    pull()
    assert len(pull.hub.asked("/resolve/")) == asked == 3


def test_a_file_that_breaks_off_is_continued_where_it_was(pull: Puller) -> None:
    pull.hub.cuts["model.bin"] = [1000, 500_000]
    pull()
    ranges = [request.headers.get("range") for request in pull.hub.asked("model.bin")]
    assert ranges == [None, "bytes=1000-", "bytes=501000-"]
    assert all("if-range" in request.headers for request in pull.hub.asked("model.bin")[1:])
    assert len(pull.waits) == 2


def test_a_later_pull_continues_what_an_earlier_one_left(pull: Puller) -> None:
    pull.hub.cuts["model.bin"] = [10_000, 0, 0, 0, 0]
    assert "run this again to continue" in pull.fails()
    assert pull.waits == [0.25, 0.5]
    pull.hub.cuts.clear()
    pull.hub.requests.clear()
    pull()
    assert [request.headers.get("range") for request in pull.hub.asked("/resolve/")][:1] == ["bytes=10000-"]
    assert list(faults(one("hf:me/mine", env=pull.env))) == []


def test_files_that_are_whole_are_not_fetched_twice(pull: Puller) -> None:
    pull.hub.failures["sub/tokens.txt"] = [404]
    with pytest.raises(HubError):
        pull()
    pull.hub.requests.clear()
    pull()
    assert [request.path.rpartition("/")[2] for request in pull.hub.asked("/resolve/")] == ["tokens.txt"]


@pytest.mark.parametrize("lack", ["has_ranges", "etags"])
def test_a_server_that_cannot_continue_begins_anew(pull: Puller, lack: str) -> None:
    setattr(pull.hub, lack, False)
    pull.hub.cuts["model.bin"] = [1000]
    assert (pull() / "model.bin").read_bytes() == WEIGHTS
    # Without a tag it could not be told whether the rest belongs to what is here, so it is not asked for.
    again = {"has_ranges": "bytes=1000-", "etags": None}[lack]
    assert [request.headers.get("range") for request in pull.hub.asked("model.bin")] == [None, again]


def test_a_file_that_changed_in_between_is_begun_anew(pull: Puller) -> None:
    pull.hub.cuts["model.bin"] = [1000]
    pull.hub.lies["model.bin"] = b"\0" * len(WEIGHTS)
    pull.meanwhile = pull.hub.lies.clear
    assert (pull() / "model.bin").read_bytes() == WEIGHTS
    assert len(pull.waits) == 1
    assert len(pull.hub.asked("model.bin")) == 2


def test_a_wrong_checksum_is_tried_once_more_and_then_told(pull: Puller) -> None:
    pull.hub.lies["model.bin"] = b"\0" * len(WEIGHTS)
    assert "its checksum is wrong" in pull.fails()
    assert len(pull.hub.asked("model.bin")) == 2
    pull.hub.lies.clear()
    pull()
    assert list(faults(one("hf:me/mine", env=pull.env))) == []


@pytest.mark.parametrize(
    ("lie", "said"), [(WEIGHTS * 2, "is longer than"), (WEIGHTS[:-1], "it ends after 1023999 of 1024000 bytes")]
)
def test_another_size_is_told(pull: Puller, lie: bytes, said: str) -> None:
    pull.hub.lies["model.bin"] = lie
    pull.hub.has_ranges = False
    assert said in pull.fails()
    assert max(done for done, _, _ in pull.progress) <= sum(map(len, CONTENT.values()))


def test_a_broken_part_is_found_by_its_checksum(pull: Puller) -> None:
    pull.hub.cuts["model.bin"] = [10_000, 0, 0]
    pull.fails()
    (part,) = [path for path in Path(pull.env["ASR_HUB_MODELS"]).rglob("parts/*") if not path.suffix]
    part.write_bytes(b"\0" * 10_000)
    pull.hub.cuts.clear()
    assert (pull() / "model.bin").read_bytes() == WEIGHTS


def test_another_revision_begins_anew(pull: Puller) -> None:
    pull.hub.cuts["model.bin"] = [10_000, 0, 0]
    pull.fails()
    pull.hub.cuts.clear()
    pull.hub.commit = "f" * 40
    pull.hub.repositories["me/mine"]["model.bin"] = WEIGHTS[::-1]
    assert (pull() / "model.bin").read_bytes() == WEIGHTS[::-1]


def test_what_is_whole_of_another_revision_is_not_kept(pull: Puller) -> None:
    pull.hub.failures["sub/tokens.txt"] = [404]
    with pytest.raises(HubError):
        pull()
    pull.hub.commit = "f" * 40
    pull.hub.repositories["me/mine"]["model.bin"] = WEIGHTS[::-1]
    assert (pull() / "model.bin").read_bytes() == WEIGHTS[::-1]


def test_a_redirect_to_another_server_works_and_does_not_get_the_token(pull: Puller) -> None:
    pull.hub.gated.add("me/mine")
    pull.hub.cuts["model.bin"] = []
    with serving(Hub(repositories=pull.hub.repositories, cuts={"model.bin": [5000]})) as cdn:
        pull.hub.cdn = cdn.url.replace("127.0.0.1", "localhost")
        pull()
        assert [request.headers.get("range") for request in cdn.asked("model.bin")] == [None, "bytes=5000-"]
        assert all("authorization" not in request.headers for request in cdn.requests)
    assert all(request.headers["authorization"] == f"Bearer {pull.hub.token}" for request in pull.hub.requests)


def test_passing_failures_are_tried_again(pull: Puller) -> None:
    pull.hub.failures["/resolve/"] = [500, 503]
    pull()
    assert pull.waits == [0.25, 0.5]


def test_no_room_is_told_before_anything_is_fetched(pull: Puller) -> None:
    assert "1 MB are needed and 0 MB are free" in pull.fails(ConfigError, free=lambda folder: 1000)
    assert pull.hub.asked("/resolve/") == []


def test_a_folder_that_cannot_be_made_is_told(pull: Puller, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    assert "set ASR_HUB_MODELS" in pull.fails(ConfigError)


def test_two_pulls_of_one_model_do_not_clash(pull: Puller) -> None:
    pull.hub.waiting["model.bin"] = threading.Event()
    results: list[Path] = []
    first = threading.Thread(target=lambda: results.append(pull()))
    first.start()
    try:
        lock = Path(pull.env["ASR_HUB_MODELS"]) / "funasr" / ".me--mine.part"
        while not lock.is_dir():
            first.join(0.01)
        assert "is being pulled by another process" in pull.fails(Conflict)
    finally:
        pull.hub.waiting["model.bin"].set()
        first.join()
    assert results == [pull()]


VOSK = "vosk-model-small-en-us-0.15"


def test_an_archive_is_unpacked_without_its_outer_folder(pull: Puller) -> None:
    files = {f"{VOSK}/am/final.mdl": WEIGHTS, f"{VOSK}/conf/model.conf": b"x", f"{VOSK}/README": b""}
    pull.hub.archives[VOSK] = zipped(files)
    pull.hub.cuts[f"{VOSK}.zip"] = [300]
    folder = pull(VOSK, "vosk")
    assert (folder / "am" / "final.mdl").read_bytes() == WEIGHTS
    found = one(VOSK, env=pull.env)
    assert found.manifest is not None
    assert {file.path for file in found.manifest.files} == {"am/final.mdl", "conf/model.conf", "README"}
    assert list(faults(found)) == []
    assert {path.name for path in folder.parent.iterdir()} == {VOSK, f".{VOSK}.lock"}


def test_an_archive_that_is_none_leaves_nothing(pull: Puller) -> None:
    pull.hub.archives[VOSK] = b"PK but not really"
    with pytest.raises(ProviderUnavailable, match="is no ZIP archive"):
        pull(VOSK, "vosk")
    assert installed(pull.env) == []
    pull.hub.archives[VOSK] = zipped({f"{VOSK}/am/final.mdl": b"x"})
    pull(VOSK, "vosk")


def test_an_archive_that_is_too_large_when_unpacked_is_told(pull: Puller) -> None:
    pull.hub.archives[VOSK] = zipped({f"{VOSK}/am/final.mdl": bytes(200 * 2**20)})
    with pytest.raises(ConfigError, match="are needed"):
        pull(VOSK, "vosk", free=lambda folder: 100 * 2**20)
    assert installed(pull.env) == []


def test_what_is_damaged_or_missing_is_named(pull: Puller) -> None:
    folder = pull()
    found = one("me--mine", env=pull.env)
    (folder / "config.json").write_bytes(b"[]")
    (folder / "model.bin").write_bytes(WEIGHTS[:-1])
    (folder / "empty.txt").unlink()
    assert set(faults(found)) == {
        "config.json: has another content: its checksum is wrong",
        "model.bin: has 1023999 bytes instead of 1024000",
        "empty.txt: is missing",
    }
    (folder / manifest.FILE).write_text("{")
    assert "cannot be read" in next(faults(found))
    assert [place.name for place in installed(pull.env)] == ["me--mine"]


def test_a_model_is_removed_and_can_come_back(pull: Puller) -> None:
    pull()
    remove(one("hf:me/mine", "funasr", env=pull.env))
    assert installed(pull.env) == []
    assert pull().is_dir()
