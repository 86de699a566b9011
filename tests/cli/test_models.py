from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models_store.hub import Hub, serving, zipped
from typer.testing import CliRunner, Result

from asr_hub.cli import models
from asr_hub.errors import ProviderUnavailable
from asr_hub.models.folder import find

pytestmark = pytest.mark.unit

CONTENT = {
    "model.bin": bytes(range(256)) * 2000,
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a\n",
    "README.md": b"",
}
REPOSITORY = "Systran/faster-whisper-tiny"
NAME = "faster-whisper-tiny"
VOSK = "vosk-model-small-en-us-0.15"

runner = CliRunner()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    archives = {VOSK: zipped({f"{VOSK}/am/final.mdl": b"x" * 1000, f"{VOSK}/conf/model.conf": b""})}
    with serving(Hub(repositories={REPOSITORY: dict(CONTENT)}, archives=archives)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("ASR_HUB_VOSK_LIST", f"{hub.url}/model-list.json")
        monkeypatch.setenv("ASR_HUB_MODELS", str(tmp_path / "models"))
        monkeypatch.setenv("NO_PROXY", "*")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody sat there: what is typed is the test's."""
    monkeypatch.setattr(models, "_can_ask", lambda yes: True)


def run(*arguments: str, typed: str | None = None) -> Result:
    return runner.invoke(models.app, list(arguments), input=typed)


def said(result: Result) -> str:
    return " ".join(result.stderr.split())


def test_pull_path_verify_and_rm(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "faster-whisper" / NAME
    assert run("path", "tiny").exit_code == 2
    done = run("pull", "tiny", "--yes")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder}\n"
    for shown in (NAME, f"hf:{REPOSITORY} (0123456789ab)", "512.0 kB in 5 files", "mit, see https://huggingface.co/"):
        assert shown in said(done)
    assert f"use it: asr-hub use faster-whisper --model {NAME}" in said(done)
    assert find("tiny", engine="faster-whisper") == folder
    assert run("path", "tiny").stdout == run("path", NAME).stdout == f"{folder}\n"

    assert run("verify").stdout == f"OK {NAME}\n"
    (folder / "config.json").write_bytes(b"[]")
    (folder / "vocabulary.txt").unlink()
    wrong = run("verify", "tiny")
    assert wrong.exit_code == 1
    assert f"wrong {NAME}: config.json: has another content" in wrong.stdout
    assert f"wrong {NAME}: vocabulary.txt: is missing" in wrong.stdout
    assert "asr-hub models rm faster-whisper-tiny -e faster-whisper -y" in wrong.stdout

    assert run("rm", "tiny", "-y").exit_code == 0
    assert not folder.exists()
    nothing = run("verify")
    assert (nothing.exit_code, nothing.stdout) == (0, "no models here\n")
    gone = run("rm", "tiny", "-y")
    assert gone.exit_code == 2
    assert "error: 'tiny' is not here" in said(gone)


def test_an_archive_of_vosk(hub: Hub) -> None:
    assert run("pull", VOSK, "-y").exit_code == 0
    assert (find(VOSK, engine="vosk") / "am" / "final.mdl").is_file()
    assert run("verify", VOSK).exit_code == 0


def test_what_works_beside_a_recogniser_is_not_offered_as_one(hub: Hub) -> None:
    hub.repositories["funasr/ct-punc"] = {"model.pt": b"x"}
    done = run("pull", "ct-punc", "-y")
    assert done.exit_code == 0
    assert "asr-hub use" not in said(done)


def test_any_repository(hub: Hub) -> None:
    assert "say which engine it is for" in said(run("pull", "hf:me/mine", "-y"))
    hub.repositories["me/mine"] = dict(CONTENT)
    done = run("pull", "hf:me/mine@v1", "-e", "faster-whisper", "-y")
    assert done.exit_code == 0
    assert "asr-hub use faster-whisper --model hf:me/mine@v1" in said(done)
    assert hub.asked("/revision/v1")
    assert find("hf:me/mine@v1", engine="faster-whisper").name == "me--mine@v1"


def test_nobody_to_ask_is_told_before_the_network_is_touched(hub: Hub) -> None:
    done = run("pull", "tiny")
    assert done.exit_code == 2
    assert said(done) == (
        f"{NAME}: 78.0 MB, licence: MIT, see https://huggingface.co/{REPOSITORY} "
        "error: nobody is here to be asked: asr-hub models pull tiny --yes"
    )
    assert "me--mine: size on its page" in said(run("pull", "hf:me/mine", "-e", "vosk"))
    assert hub.requests == []


@pytest.mark.usefixtures("terminal")
def test_it_asks_before_it_fetches_and_before_it_removes(hub: Hub) -> None:
    no = run("pull", "tiny", typed="n\n")
    assert no.exit_code == 1
    assert "Fetch it?" in no.stderr
    assert hub.asked("/resolve/") == []
    assert run("pull", "tiny", typed="y\n").exit_code == 0
    no = run("rm", "tiny", typed="n\n")
    assert no.exit_code == 1
    assert "(512.0 kB)?" in no.stderr
    assert find("tiny", engine="faster-whisper").is_dir()
    assert run("rm", "tiny", typed="y\n").exit_code == 0


def test_what_is_here_is_not_fetched_again(hub: Hub) -> None:
    run("pull", "tiny", "-y")
    asked = len(hub.requests)
    again = run("pull", "tiny")
    assert again.exit_code == 0
    assert "is here already" in said(again)
    assert len(hub.requests) == asked


def test_the_list_shows_what_is_here(hub: Hub, tmp_path: Path) -> None:
    run("pull", "tiny", "-y")
    (tmp_path / "models" / "vosk" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "vosk" / "mine" / "a").write_bytes(b"12345")
    told = json.loads(run("list", "--json").stdout)
    assert told["folder"] == str(tmp_path / "models")
    rows = {(row["engine"], row["name"]): row for row in told["models"]}
    tiny = rows["faster-whisper", NAME]
    assert tiny["is_here"] and tiny["licence"] == "MIT" and tiny["size"] == sum(map(len, CONTENT.values()))
    assert tiny["aliases"] == ["tiny"]
    assert rows["vosk", "mine"]["about"] == "put here by hand"
    assert rows["vosk", "mine"]["size"] == 5
    assert not rows["vosk", VOSK]["is_here"]
    assert {row["engine"] for row in json.loads(run("list", "--json", "-e", "vosk").stdout)["models"]} == {"vosk"}


@pytest.mark.parametrize(("columns", "terminal"), [(40, False), (40, True), (119, True), (120, True), (300, True)])
def test_the_list_has_a_line_with_the_whole_name_for_each_model_at_any_width(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int, terminal: bool
) -> None:
    run("pull", "tiny", "-y")
    (tmp_path / "models" / "vosk" / "mine").mkdir(parents=True)
    rows = json.loads(run("list", "--json").stdout)["models"]
    monkeypatch.setenv("COLUMNS", str(columns))
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    lines = re.sub(r"\x1b\[[0-9;]*m", "", run("list").stdout).splitlines()
    engine = ""
    listed = []
    for line in lines[:-2]:
        if line.startswith("  "):
            listed.append((engine, line.split()[0]))
        else:
            engine = line or engine
    order = list(dict.fromkeys(row["engine"] for row in rows))
    assert listed == [(each, row["name"]) for each in order for row in rows if row["engine"] == each]
    tiny = next(line for line in lines if f" {NAME} " in line)
    assert re.match(rf"  {NAME} \(tiny\) +512\.0 kB  many +MIT  \[installed\]", tiny)
    assert ("The smallest Whisper" in tiny) is (not terminal or columns >= 120)
    assert sum("[installed]" in line for line in lines) == 2
    assert lines[-1] == f"Models live in {tmp_path / 'models'}"


def test_a_model_that_was_copied_here_cannot_be_verified_and_is_no_fault(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "models" / "vosk" / "mine").mkdir(parents=True)
    done = run("verify")
    assert done.exit_code == 0
    assert "unknown mine: was not fetched by" in done.stdout


def test_one_name_for_two_engines(hub: Hub, tmp_path: Path) -> None:
    for engine in ("vosk", "funasr"):
        (tmp_path / "models" / engine / "mine").mkdir(parents=True)
    assert "say which one with --engine: funasr, vosk" in said(run("path", "mine"))
    assert run("path", "mine", "-e", "vosk").stdout == f"{tmp_path / 'models' / 'vosk' / 'mine'}\n"


def test_faults_of_the_network_are_told_with_the_way_round(hub: Hub, tmp_path: Path) -> None:
    hub.gated.add(REPOSITORY)
    assert "set HF_TOKEN to a token of yours" in said(run("pull", "tiny", "-y"))
    hub.gated.clear()
    assert "error: " in said(run("pull", "base", "-y"))
    hub.failures["/revision/"] = [500] * 5
    down = run("pull", "tiny", "-y")
    assert down.exit_code == 2
    assert "error: " in said(down)
    where = tmp_path / "models" / "faster-whisper" / NAME
    assert f"copy the model's files from https://huggingface.co/{REPOSITORY} into {where}" in said(down)
    assert "needs model.bin, config.json, tokenizer.json" in said(down)


def test_more_than_the_disk_holds_is_refused_first(hub: Hub) -> None:
    hub.extra_tree = [{"type": "file", "path": "vocabulary.json", "oid": "a" * 40, "size": 10**15}]
    done = run("pull", "tiny", "-y")
    assert done.exit_code == 2
    assert "1,000,000,001 MB are needed" in said(done)
    assert hub.asked("/resolve/") == []


def test_a_pull_that_broke_off_is_continued_by_the_program(hub: Hub) -> None:
    hub.cuts["model.bin"] = [100_000]
    program = "from asr_hub.cli.models import app; app()"
    done = subprocess.run(
        [sys.executable, "-c", program, "pull", "tiny", "-y"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [request.headers.get("range") for request in hub.asked("model.bin")] == [None, "bytes=100000-"]
    with pytest.raises(ProviderUnavailable):
        find("base", engine="faster-whisper")
    assert run("verify").exit_code == 0
