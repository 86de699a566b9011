"""
The README's table of providers, from what each says it can do: `python -m asr_hub.providers.table [--check]`.

Without `--check` the table is written; with it, a README that differs is an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from asr_hub.providers import registry
from asr_hub.providers.base import Capabilities

README = Path(__file__).resolve().parents[3] / "README.md"
BEGIN = "<!-- providers: written by `python -m asr_hub.providers.table` -->"
END = "<!-- end of providers -->"

_LEFT_OUT = ("scripted",)
"""Kinds that hear nothing real."""
_COLUMNS = ("streaming", "partials", "words", "confidence", "hotwords", "wake_words", "batch", "gpu")
_EMULATED = "by the hub"


def table() -> str:
    """Markdown, one row for each built-in kind."""
    titles = (*_COLUMNS[:6], "languages", *_COLUMNS[6:])
    lines = [
        f"| provider | install | {' | '.join(titles)} |".replace("_", " ").replace("gpu", "GPU"),
        "|---|---|" + "---|" * len(titles),
    ]
    for kind, entry in sorted(registry.BUILTIN.items(), key=lambda item: (-item[1].rank, item[0])):
        if kind in _LEFT_OUT:
            continue
        can = registry.capabilities(kind)
        cells = [_cell(can, column) for column in _COLUMNS]
        lines.append(
            f"| `{kind}` | {_install(entry)} | " + " | ".join((*cells[:6], _languages(can), *cells[6:])) + " |"
        )
    return "\n".join(lines)


def _cell(can: Capabilities, column: str) -> str:
    if column in can.emulates:
        return _EMULATED
    return "yes" if getattr(can, column) else "–"  # noqa: RUF001 - a dash, as in a table


def _languages(can: Capabilities) -> str:
    return ", ".join(can.languages) if can.languages else "the model's"


def _install(entry: registry.Kind) -> str:
    extra = entry.install.partition("[")[2].partition("]")[0]
    return f"`{extra}`" if extra else "built in"


def main() -> None:
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not rest or END not in rest:
        raise SystemExit(f"{README.name} has no place for the table: {BEGIN} … {END}")
    wanted = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        if wanted != text:
            raise SystemExit(f"{README.name} is not what the providers say; run: python -m asr_hub.providers.table")
    elif wanted != text:
        README.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
