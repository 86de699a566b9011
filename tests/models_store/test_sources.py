from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.models_store.hub import COMMIT, Hub, git_id, serving

from asr_hub.errors import NotFound, ProviderUnavailable, Unauthorized
from asr_hub.models import sources
from asr_hub.models.catalogue import Model, wanted
from asr_hub.models.sources import Plan, is_safe, resolve
from asr_hub.models.web import Patience

pytestmark = pytest.mark.unit

CONTENT = {
    "model.bin": b"weights" * 1000,
    "config.json": b"{}",
    "README.md": b"# mine\n",
    ".gitattributes": b"*.bin filter=lfs\n",
    "test_wavs/0.wav": b"RIFF",
    "demo.py": b"import os\n",
}
NAME = "hf:me/mine"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub(repositories={"me/mine": dict(CONTENT)})) as hub:
        yield hub


def plan(hub: Hub, name: str = NAME, engine: str = "funasr", **env: str) -> Plan:
    return plan_of(hub, wanted(name, engine), **env)


def plan_of(hub: Hub, model: Model, **env: str) -> Plan:
    full = {"HF_ENDPOINT": f"{hub.url}/", "ASR_HUB_VOSK_LIST": f"{hub.url}/model-list.json", **env}
    with sources.web(full, Patience(pause=lambda seconds: None)) as client:
        return resolve(model, client, full)


def test_a_plan_has_every_useful_file_with_size_and_checksum_at_one_commit(hub: Hub) -> None:
    found = plan(hub)
    files = {remote.file.path: remote for remote in found.files}
    assert set(files) == {"model.bin", "config.json", "README.md"}
    assert files["model.bin"].file.size == 7000
    assert files["model.bin"].file.checksum == f"sha256:{hashlib.sha256(CONTENT['model.bin']).hexdigest()}"
    assert files["config.json"].file.checksum == f"git-sha1:{git_id(b'{}')}"
    assert files["config.json"].url == f"{hub.url}/me/mine/resolve/{COMMIT}/config.json"
    assert (found.revision, found.licence, found.size) == (COMMIT, "mit", 7000 + 2 + 7)
    assert [request.path for request in hub.requests] == [
        "/api/models/me/mine/revision/main",
        f"/api/models/me/mine/tree/{COMMIT}",
    ]


def test_a_revision_is_asked_for(hub: Hub) -> None:
    plan(hub, "hf:me/mine@v2")
    assert hub.requests[0].path == "/api/models/me/mine/revision/v2"


def test_a_long_list_is_read_page_by_page(hub: Hub) -> None:
    hub.repositories["me/mine"] |= {f"part-{number}.bin": b"x" for number in range(20)}
    hub.page_size = 6
    assert len(plan(hub).files) == 23
    assert len(hub.asked("/tree/")) == 5


def test_a_list_that_goes_on_elsewhere_is_not_followed(hub: Hub) -> None:
    hub.page_size = 1
    with serving(Hub(repositories={"me/mine": dict(CONTENT)})) as other:
        hub.next_page_on = other.url
        with pytest.raises(ProviderUnavailable, match="on another server"):
            plan(hub, HF_TOKEN="hf_secret")
        assert other.requests == []


def test_the_token_goes_to_the_hub_only(hub: Hub) -> None:
    hub.gated.add("me/mine")
    with pytest.raises(Unauthorized, match="set HF_TOKEN"):
        plan(hub)
    assert plan(hub, HF_TOKEN=hub.token).files
    hub.archives["vosk-model-cn-0.22"] = b"zip"
    with serving() as elsewhere:
        elsewhere.archives = hub.archives
        assert plan(
            hub, "vosk-model-cn-0.22", "vosk", HF_TOKEN="t", ASR_HUB_VOSK_LIST=f"{elsewhere.url}/model-list.json"
        )
        assert ["authorization" in request.headers for request in elsewhere.requests] == [False]


@pytest.mark.parametrize(
    ("licence", "shown"),
    [(None, "see its page"), ("apache-2.0", "apache-2.0"), (["mit", "x"], "mit, x"), ("other", "other")],
)
def test_the_licence_is_the_one_of_the_page(hub: Hub, licence: object, shown: str) -> None:
    hub.licence = licence
    assert plan(hub).licence == shown


def test_what_does_not_exist_is_told(hub: Hub) -> None:
    with pytest.raises(NotFound, match="has no /api/models/me/none/revision/main; check the name"):
        plan(hub, "hf:me/none")
    with pytest.raises(NotFound, match="no file that transformers could use"):
        hub.repositories["me/empty"] = {"demo.py": b""}
        plan(hub, "hf:me/empty", "transformers")
    with pytest.raises(NotFound, match=r"lists no vosk-model-cn-0\.22"):
        plan(hub, "vosk-model-cn-0.22", "vosk")


def test_a_passing_failure_is_tried_again_and_a_lasting_one_is_told(hub: Hub) -> None:
    hub.failures["/revision/"] = [500, 429]
    assert plan(hub).files
    hub.failures["/revision/"] = [503] * 10
    with pytest.raises(ProviderUnavailable, match="cannot be reached: status 503"):
        plan(hub)
    assert len(hub.asked("/revision/")) == 6
    hub.failures["/revision/"] = [418]
    with pytest.raises(ProviderUnavailable, match="with status 418"):
        plan(hub)


def test_a_server_that_is_not_there_is_told() -> None:
    with serving() as gone:
        pass
    with pytest.raises(ProviderUnavailable, match="cannot be reached"):
        plan(gone)


@pytest.mark.parametrize("address", ["ftp://x", "nonsense", "http://[::1", "http://127.0.0.1:99999"])
def test_an_endpoint_that_is_none_is_told(hub: Hub, address: str) -> None:
    with pytest.raises(ProviderUnavailable):
        plan(hub, HF_ENDPOINT=address)
    assert hub.requests == []


@pytest.mark.parametrize("address", ["ftp://x", "file:///etc/passwd", "nonsense"])
def test_what_is_no_http_is_not_tried_again(hub: Hub, address: str) -> None:
    with pytest.raises(ProviderUnavailable, match="cannot be fetched"):
        plan(hub, HF_ENDPOINT=address)


def test_another_kind_of_server_is_told(hub: Hub) -> None:
    hub.commit = "main"
    with pytest.raises(ProviderUnavailable, match="names no commit"):
        plan(hub)
    with pytest.raises(ProviderUnavailable, match="did not answer as expected"):
        plan(hub, "vosk-model-cn-0.22", "vosk", ASR_HUB_VOSK_LIST=f"{hub.url}/api/models/me/mine/revision/main")


@pytest.mark.parametrize(
    "entry",
    [
        {"path": "/etc/x.json"},
        {"path": "a\\x.json"},
        {"path": "x\n.json"},
        {"size": -1},
        {"oid": "zz"},
        {"oid": ""},
        {"lfs": {"oid": "../../x", "size": 1}},
    ],
)
def test_a_hostile_list_is_refused(hub: Hub, entry: dict[str, object]) -> None:
    hub.extra_tree = [{"type": "file", "path": "x.json", "oid": "a" * 40, "size": 1, **entry}]
    with pytest.raises(ProviderUnavailable, match="cannot be taken"):
        plan(hub)


def test_hidden_files_are_no_part_of_a_model(hub: Hub) -> None:
    paths = [".x.json", "../x.json", "a/../../x.json", "a/.x.json"]
    hub.extra_tree = [{"type": "file", "path": path, "oid": "a" * 40, "size": 1} for path in paths]
    assert {remote.file.path for remote in plan(hub).files} == {"model.bin", "config.json", "README.md"}


def test_vosk_has_one_archive_with_its_checksum(hub: Hub) -> None:
    hub.archives["vosk-model-cn-0.22"] = b"zip"
    found = plan(hub, "vosk-model-cn-0.22", "vosk")
    assert found.is_archive
    assert [(remote.url, remote.file.size, remote.file.checksum) for remote in found.files] == [
        (f"{hub.url}/zip/vosk-model-cn-0.22.zip", 3, f"md5:{hashlib.md5(b'zip').hexdigest()}")
    ]


@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(st.sampled_from(["..", ".", "/", "//", "\\", "a", ".b", "\0", "\n"]), max_size=8).map("".join),
    )
)
@example("a/b/c.txt")
@example("a/./b")
def test_a_safe_path_stays_below(path: str) -> None:
    import os

    if is_safe(path):
        assert os.path.normpath(f"/models/m/{path}") == f"/models/m/{path}"
        assert path
    elif path.isascii() and path.isalnum():
        raise AssertionError(path)
