"""The TypeScript client as it is published: its own tests, its package, its messages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, check=False, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


def test_its_own_tests_pass(sdk: Path) -> None:
    out = run("node", "--test", "--test-reporter=tap", cwd=sdk)
    assert int(re.findall(r"^# pass (\d+)", out, re.M)[0]) > 30
    assert re.findall(r"^# (?:fail|skipped|todo) (\d+)", out, re.M) == ["0", "0", "0"]


def test_its_messages_are_those_of_the_hub() -> None:
    run(sys.executable, ROOT / "tools" / "make_typescript.py", "--check", cwd=ROOT)


def test_messages_that_differ_are_told(tmp_path: Path) -> None:
    stale = tmp_path / "messages.ts"
    stale.write_text("export const VERSION = 0;\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_typescript.py", "--check", "--path", stale],
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 1
    assert "run `python tools/make_typescript.py`" in done.stderr


def test_the_package_is_imported_from_an_empty_folder(sdk: Path, tmp_path: Path) -> None:
    packed = json.loads(run("npm", "pack", "--json", "--pack-destination", tmp_path, cwd=sdk))
    # npm 12 names the package before what it says of it.
    (about,) = packed if isinstance(packed, list) else packed.values()
    names = {file["path"] for file in about["files"]}
    assert {"dist/index.js", "dist/index.d.ts", "README.md", "LICENSE", "examples/node-file.mjs"} <= names
    assert not [name for name in names if name.startswith(("test/", "src/", "node_modules/"))]
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
    run(
        "npm", "install", "--offline", "--no-audit", "--no-fund", "--omit=peer", tmp_path / about["filename"], cwd=empty
    )
    (empty / "check.mjs").write_text(
        'import * as client from "asr-hub-client";\nconsole.log(JSON.stringify(Object.keys(client).sort()));\n'
        'try { await new client.AsrHub({ url: "http://127.0.0.1:9" }).health(); }\n'
        "catch (error) { console.log(error.name, error instanceof client.AsrHubError); }\n",
        encoding="utf-8",
    )
    names_line, error_line = run("node", "check.mjs", cwd=empty).splitlines()
    assert {"AsrHub", "HubError", "Microphone", "Session", "SessionLost"} <= set(json.loads(names_line))
    assert error_line == "ConnectionFailed true"
    # The types are whole in themselves: a program without the types of Node.js or of `ws` is checked with them.
    (empty / "check.ts").write_text(
        'import { AsrHub, type Final, SessionLost } from "asr-hub-client";\n'
        'const session = await new AsrHub({ url: "http://127.0.0.1:8765" }).open({ language: "en" });\n'
        'session.on("final", (message: Final) => message.hypothesis.words.map((word) => word.start));\n'
        'session.on("lost", ({ error }) => error instanceof SessionLost);\n'
        "for await (const message of session) {\n"
        '  if (message.type === "partial") { const text: string = message.hypothesis.text; void text; }\n'
        "}\n"
        "// @ts-expect-error  no such message\n"
        'session.on("applause", () => undefined);\n',
        encoding="utf-8",
    )
    options = ("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022")
    run(sdk / "node_modules" / ".bin" / "tsc", *options, "check.ts", cwd=empty)


def test_the_lock_names_no_host(sdk: Path) -> None:
    assert "://" not in re.sub(r'"url": "https?://[^"]*"', "", (sdk / "package-lock.json").read_text(encoding="utf-8"))
    assert '"resolved"' not in (sdk / "package-lock.json").read_text(encoding="utf-8")


def test_what_the_readme_shows_is_what_there_is(sdk: Path, tmp_path: Path) -> None:
    """Every TypeScript block of README.md passes the compiler."""
    blocks = re.findall(r"^```ts\n(.*?)^```", (sdk / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 3
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "asr-hub-client").symlink_to(sdk, target_is_directory=True)
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
    for number, block in enumerate(blocks):
        (tmp_path / f"block{number}.ts").write_text(block, encoding="utf-8")
    files = [f"block{number}.ts" for number in range(len(blocks))]
    options = ("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022")
    run(sdk / "node_modules" / ".bin" / "tsc", *options, *files, cwd=tmp_path)
