"""
The graph that Kaldi searches: words as chains of phones under CTC's rules, joined by a bigram.

Between phones there may be blank; between two equal ones there must be. It is written as an OpenFst `vector` of
tropical weights (openfst.org), which `struct` can write.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
from tools.train_tiny.bigram import BEGIN, END, Bigram
from tools.train_tiny.kaldi_text import entry, self_loop
from tools.train_tiny.pronunciation import Pronunciations

_BLANK = 0
_MAGIC, _VERSION, _EXPANDED_AND_MUTABLE = 2125659606, 2, 3


class Arc(msgspec.Struct, frozen=True, order=True):
    """One way out of a state."""

    transition: int
    word: int
    """Its place in words.txt; 0 for none."""
    cost: float
    to: int


class Graph:
    """States with arcs; a state with a final cost may end a text."""

    def __init__(self) -> None:
        self.arcs: list[list[Arc]] = []
        self.final: dict[int, float] = {}
        self.start = 0

    def state(self) -> int:
        """A new state."""
        self.arcs.append([])
        return len(self.arcs) - 1

    def emitting(self, phone: int) -> int:
        """A new state that goes on emitting one phone."""
        state = self.state()
        self.add(state, self_loop(phone), state)
        return state

    def add(self, source: int, transition: int, to: int, *, word: int = 0, cost: float = 0.0) -> None:
        """A new arc."""
        self.arcs[source].append(Arc(transition, word, cost, to))

    def with_blank(self, state: int) -> int:
        """The state of blank after a state."""
        blank = self.emitting(_BLANK)
        self.add(state, entry(_BLANK), blank)
        return blank

    def write(self, path: Path) -> None:
        """Writes HCLG.fst."""
        count = sum(map(len, self.arcs))
        header = struct.pack("<i", _MAGIC) + _text("vector") + _text("standard")
        header += struct.pack("<iiQqqq", _VERSION, 0, _EXPANDED_AND_MUTABLE, self.start, len(self.arcs), count)
        body = bytearray(header)
        for state, arcs in enumerate(self.arcs):
            body += struct.pack("<fq", self.final.get(state, float("inf")), len(arcs))
            for arc in sorted(arcs):
                body += struct.pack("<iifi", arc.transition, arc.word, arc.cost, arc.to)
        path.write_bytes(body)


def build(words: Sequence[str], spoken: Pronunciations, phones: Sequence[str], bigram: Bigram) -> Graph:
    """The graph of all sequences of the words. The place of a word, from 1, is its label."""
    places = {phone: at for at, phone in enumerate(phones)}
    chains = {word: [places[phone] for phone in spoken[word]] for word in words}
    graph = Graph()
    graph.start = graph.state()
    silence = graph.with_blank(graph.start)
    heads, tails = {}, {}
    for word, chain in chains.items():
        heads[word], tail = _chain(graph, chain)
        tails[word] = (tail, graph.with_blank(tail))
    for label, word in enumerate(words, 1):
        first = chains[word][0]
        for source in (graph.start, silence):
            graph.add(source, entry(first), heads[word], word=label, cost=bigram.cost(BEGIN, word))
        for before in words:
            tail, blank = tails[before]
            cost = bigram.cost(before, word)
            graph.add(blank, entry(first), heads[word], word=label, cost=cost)
            if chains[before][-1] != first:
                graph.add(tail, entry(first), heads[word], word=label, cost=cost)
    graph.final = {graph.start: 0.0, silence: 0.0}
    graph.final |= {state: bigram.cost(word, END) for word in words for state in tails[word]}
    return graph


def _chain(graph: Graph, phones: Sequence[int]) -> tuple[int, int]:
    """The first and the last state of a word."""
    head = tail = graph.emitting(phones[0])
    for before, phone in pairwise(phones):
        state = graph.emitting(phone)
        graph.add(graph.with_blank(tail), entry(phone), state)
        if phone != before:
            graph.add(tail, entry(phone), state)
        tail = state
    return head, tail


def _text(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()
