"""The README promises nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)[^)]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_row_of_what_works_has_a_test() -> None:
    table = README.split("## What works today")[1].split("##")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        assert re.search(r"\]\(tests/[^)]+\.py\)", row), row


def test_the_example_in_the_readme_is_the_example() -> None:
    code = README.split("<!-- example: examples/live.py -->\n```python\n")[1].split("```")[0]
    example = (ROOT / "examples" / "live.py").read_text()
    assert example.split('"""\n\n', 1)[1] == code


def test_every_command_is_in_the_readme() -> None:
    from asr_hub.cli import app

    names = {(command.name or command.callback.__name__) for command in app.registered_commands if command.callback}
    assert names
    for name in names:
        assert f"`asr-hub {name}" in README
