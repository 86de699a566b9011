"""Any sequence of words is found in the graph by its phones, and by nothing else."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.train_tiny.bigram import BEGIN, END, Bigram
from tools.train_tiny.decoding_graph import Graph, build
from tools.train_tiny.kaldi_text import entry, self_loop

pytestmark = pytest.mark.unit

PHONES = ("SIL", "A", "B", "C")
SPOKEN = {"ab": ("A", "B"), "ba": ("B", "A"), "aac": ("A", "A", "C"), "c": ("C",)}
WORDS = tuple(SPOKEN)
BIGRAM = Bigram(["ab ba", "c aac", "c c ab"])
GRAPH = build(WORDS, SPOKEN, PHONES, BIGRAM)


def transitions(frames: list[int]) -> list[int]:
    """The transition ids of a phone for each frame: one enters the phone, the same again stays in it."""
    befores = [-1, *frames[:-1]]
    return [
        self_loop(phone) if phone == before else entry(phone) for before, phone in zip(befores, frames, strict=True)
    ]


def readings(graph: Graph, ids: list[int]) -> dict[tuple[str, ...], float]:
    """Every text that the graph finds in transition ids, with its cost."""
    paths = [(graph.start, (), 0.0)]
    for transition in ids:
        paths = [
            (arc.to, (*words, *((WORDS[arc.word - 1],) if arc.word else ())), cost + arc.cost)
            for state, words, cost in paths
            for arc in graph.arcs[state]
            if arc.transition == transition
        ]
    return {words: cost + graph.final[state] for state, words, cost in paths if state in graph.final}


def frames_of(words: list[str], chance: random.Random) -> list[int]:
    """A path of CTC: each phone for some frames, blanks where they may and where they must be."""
    phones = [PHONES.index(phone) for word in words for phone in SPOKEN[word]]
    frames = [0] * chance.randint(0, 2)
    for before, phone in zip([-1, *phones], phones, strict=False):
        must = before == phone
        frames += [0] * chance.randint(int(must), 2)
        frames += [phone] * chance.randint(1, 3)
    return frames + [0] * chance.randint(0, 2)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.integers())
def test_words_are_found_by_any_path_of_ctc_at_the_cost_of_the_bigram(words, seed) -> None:
    found = readings(GRAPH, transitions(frames_of(words, random.Random(seed))))
    pairs = zip([BEGIN, *words], [*words, END], strict=True)
    assert found[tuple(words)] == pytest.approx(sum(BIGRAM.cost(first, second) for first, second in pairs))
    spellings = {sum((SPOKEN[word] for word in text), ()) for text in found}
    assert spellings == {sum((SPOKEN[word] for word in words), ())}


def test_silence_is_no_words() -> None:
    assert readings(GRAPH, transitions([0, 0, 0])) == {(): 0.0}


def test_equal_phones_without_blank_between_are_one() -> None:
    a, b, c = (PHONES.index(phone) for phone in "ABC")
    assert readings(GRAPH, [entry(a), entry(a), entry(c)]) == {}
    assert readings(GRAPH, [entry(b), entry(a), entry(a), entry(b)]) == {}
    assert set(readings(GRAPH, transitions([a, 0, a, c]))) == {("aac",)}


def test_what_is_written_reads_as_openfst_says(tmp_path: Path) -> None:
    GRAPH.write(tmp_path / "HCLG.fst")
    data = (tmp_path / "HCLG.fst").read_bytes()
    assert data[:4] == struct.pack("<i", 2125659606)
    assert data[4:26] == b"\x06\0\0\0vector\x08\0\0\0standard"
    at = 26
    version, flags, properties, start, states, arcs = struct.unpack_from("<iiQqqq", data, at)
    assert (version, flags, properties & 1, start) == (2, 0, 1, GRAPH.start)
    assert (states, arcs) == (len(GRAPH.arcs), sum(map(len, GRAPH.arcs)))
    at += struct.calcsize("<iiQqqq")
    for state in range(states):
        final, count = struct.unpack_from("<fq", data, at)
        at += 12
        assert final == pytest.approx(GRAPH.final.get(state, float("inf")))
        for arc in sorted(GRAPH.arcs[state]):
            transition, word, cost, to = struct.unpack_from("<iifi", data, at)
            assert (transition, word, to) == (arc.transition, arc.word, arc.to)
            assert cost == pytest.approx(arc.cost)
            at += 16
        assert count == len(GRAPH.arcs[state])
    assert at == len(data)


def test_the_probabilities_of_what_follows_a_word_sum_to_one() -> None:
    following = [*{word for text in ("ab ba", "c aac", "c c ab") for word in text.split()}, END]
    for first in (BEGIN, "c", "ab"):
        assert sum(2.718281828459045 ** -BIGRAM.cost(first, second) for second in following) == pytest.approx(1)
