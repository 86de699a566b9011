"""
Writes `dynamic_graph/`: the graph of tests/models/tiny-vosk in the form that Vosk puts together at run time.

The committed files came of: python tests/providers/vosk/make_dynamic_graph.py. Needs OpenFst's tools and its look-ahead
plugin (Debian: libfst-tools and libfst22-plugins-base, whose folder must be in LD_LIBRARY_PATH).

The form is that of Kaldi's mkgraph_lookahead.sh: a lexicon of words over the phones' transitions whose output labels
are sorted for look-ahead (HCLr.fst), and a grammar in the same labels (Gr.fst).
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pocketsphinx

MODEL = Path(__file__).parents[2] / "models" / "tiny-vosk"
OUT = Path(__file__).parent / "dynamic_graph"
BLANK = "SIL"
UNKNOWN = "[unk]"


def main() -> None:
    words = [line.split()[0] for line in (MODEL / "graph" / "words.txt").read_text().splitlines()][1:]
    lexicon = _lexicon(words)
    phones = [BLANK, *sorted({phone for said in lexicon.values() for phone in said})]
    # Any phone at all: what the engine needs to hear something else than its grammar.
    lines = [*_paths(words, lexicon, phones), *_any_phone(len(words) + 1, phones)]
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        text, plain, pairs = (Path(folder) / name for name in ("hcl.txt", "hcl.fst", "pairs"))
        text.write_text("\n".join(lines) + "\n0\n")
        _run("fstcompile", str(text), str(plain))
        _run(
            "fstconvert",
            "--fst_type=olabel_lookahead",
            f"--save_relabel_opairs={pairs}",
            str(plain),
            str(OUT / "HCLr.fst"),
        )
        new = {int(old): int(to) for old, to in (line.split() for line in pairs.read_text().splitlines())}
        labels = {word: new[number] for number, word in enumerate([*words, UNKNOWN], 1)}
        symbols = sorted((label, word) for word, label in labels.items())
        (OUT / "words.txt").write_text("".join(f"{word} {label}\n" for label, word in [(0, "<eps>"), *symbols]))
        text.write_text("".join(f"0 0 {labels[word]} {labels[word]} 4.4\n" for word in words) + "0\n")
        _run("fstcompile", "--arc_type=standard", str(text), str(OUT / "Gr.fst"))
    (OUT / "disambig_tid.int").write_text("")


def _lexicon(words: list[str]) -> dict[str, list[str]]:
    dictionary = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    said: dict[str, list[str]] = {}
    for line in dictionary.read_text().splitlines():
        word, *phones = line.split()
        said.setdefault(word, phones)
    return {word: said[word] for word in words}


def _enter(phones: list[str], phone: str) -> int:
    """The transition into a phone; one less is the one that stays in it."""
    return 2 * (phones.index(phone) + 1)


def _paths(words: list[str], lexicon: dict[str, list[str]], phones: list[str]) -> Iterator[str]:
    """Every word from state 0 to state 0, its phones with a blank between where the trainer's graph allows one."""
    blank = _enter(phones, BLANK)
    state = 1
    yield f"0 {state} {blank} 0"
    yield f"{state} {state} {blank - 1} 0"
    yield f"{state} 0 0 0"
    for number, word in enumerate(words, 1):
        at, before = 0, None
        for phone in lexicon[word]:
            here = state = state + 1
            label = number if before is None else 0
            if phone != before:
                yield f"{at} {here} {_enter(phones, phone)} {label}"
            if before is not None:
                state += 1
                yield f"{at} {state} {blank} 0"
                yield f"{state} {state} {blank - 1} 0"
                yield f"{state} {here} {_enter(phones, phone)} 0"
            yield f"{here} {here} {_enter(phones, phone) - 1} 0"
            at, before = here, phone
        yield f"{at} 0 0 0"


def _any_phone(number: int, phones: list[str]) -> Iterator[str]:
    first = 100_000
    yield f"0 {first} 0 {number}"
    for at, phone in enumerate(phones[1:], 1):
        enter = _enter(phones, phone)
        yield f"{first} {first + at} {enter} 0 1.5"
        yield f"{first + at} {first + at} {enter - 1} 0"
        yield f"{first + at} {first} 0 0"
        yield f"{first + at} 0 0 0"


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
