"""How numbers are said, language by language: the words of the smallest numbers, and how they stand together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One word of a number."""

    size: int
    is_factor: bool = False
    """It multiplies what stands before: hundred, thousand …"""
    is_ordinal: bool = False
    is_article: bool = False
    """It is one of a number only together with others: `ein` in `ein hundert`."""


class Lexicon(msgspec.Struct, frozen=True):
    """The number words of a language, or of all of them."""

    parts: Mapping[str, Part]
    connectors: frozenset[str] = frozenset()
    """May stand within a number: and, und, et …"""
    points: frozenset[str] = frozenset()
    """Begin the fraction of a number."""
    is_glued: bool = False
    """Numbers are written as one word: `zweiundvierzig`."""
    counts_in_scores: bool = False
    """Four twenties are eighty, and sixty goes on to seventy-nine."""

    def part(self, word: str) -> Part | None:
        """What `word` is within a number, be it glued together from several."""
        if found := self.parts.get(word):
            return found
        return None if not self.is_glued else _ordinal(self, word) or _unglued(self, word)


def lexicon(language: str | None) -> Lexicon:
    """That of a language (BCP 47). All together where it is not known: a word taken for a number guards too much."""
    return _lexicon((language or "").partition("-")[0].lower())


@cache
def _lexicon(language: str) -> Lexicon:
    if language in _LANGUAGES:
        return _LANGUAGES[language]
    every = _LANGUAGES.values()
    return Lexicon(
        parts={word: part for one in every for word, part in one.parts.items()},
        connectors=frozenset().union(*(one.connectors for one in every)),
        points=frozenset().union(*(one.points for one in every)),
        is_glued=True,
        counts_in_scores=True,
    )


def _parts(
    counted: str = "",
    *,
    tens: str = "",
    hundreds: str = "",
    factors: Mapping[str, int] | None = None,
    more: Mapping[str, int] | None = None,
    articles: str = "",
    ordinals: Mapping[str, int] | None = None,
) -> dict[str, Part]:
    """`counted` from 0 on, `tens` from 20 on, `hundreds` from 100 on."""
    parts = {word: Part(size) for size, word in enumerate(counted.split())}
    parts |= {word: Part(10 * size) for size, word in enumerate(tens.split(), 2)}
    parts |= {word: Part(100 * size) for size, word in enumerate(hundreds.split(), 1)}
    parts |= {word: Part(size) for word, size in (more or {}).items()}
    parts |= {word: Part(size, is_factor=True) for word, size in (factors or {}).items()}
    parts |= {word: Part(size, is_ordinal=True) for word, size in (ordinals or {}).items()}
    return parts | {word: Part(1, is_article=True) for word in articles.split()}


def _english() -> Lexicon:
    counted = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    odd = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
    regular = {word + "th": size for size, word in enumerate(counted.split()) if size not in odd.values() and size}
    regular |= {word[:-1] + "ieth": 10 * size for size, word in enumerate(tens.split(), 2)}
    factors = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    return Lexicon(
        parts=_parts(counted, tens=tens, factors=factors, ordinals=odd | regular),
        connectors=frozenset({"and"}),
        points=frozenset({"point"}),
    )


_ARTICLES = "ein eine einen einem einer"
_LANGUAGES = {
    "en": _english(),
    "de": Lexicon(
        parts=_parts(
            "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
            "siebzehn achtzehn neunzehn",
            tens="zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
            # casefold() writes ß as ss.
            more={"zwo": 2, "dreissig": 30},
            factors={
                "hundert": 100,
                "tausend": 1000,
                "million": 10**6,
                "millionen": 10**6,
                "milliarde": 10**9,
                "milliarden": 10**9,
            },
            articles=_ARTICLES,
            ordinals={stem + "te": size for stem, size in {"ers": 1, "drit": 3, "sieb": 7, "ach": 8}.items()},
        ),
        connectors=frozenset({"und"}),
        points=frozenset({"komma"}),
        is_glued=True,
    ),
    "fr": Lexicon(
        parts=_parts(
            "zéro _ deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
            tens="vingt trente quarante cinquante soixante septante huitante nonante",
            more={"vingts": 20},
            factors={
                "cent": 100,
                "cents": 100,
                "mille": 1000,
                "million": 10**6,
                "millions": 10**6,
                "milliard": 10**9,
                "milliards": 10**9,
            },
            articles="un une",
        ),
        connectors=frozenset({"et"}),
        points=frozenset({"virgule"}),
        counts_in_scores=True,
    ),
    "es": Lexicon(
        parts=_parts(
            "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
            "diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco "
            "veintiséis veintisiete veintiocho veintinueve",
            tens="veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
            hundreds="ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
            "novecientos",
            more={"cien": 100, "veintiún": 21, "veintiuna": 21},
            factors={"mil": 1000, "millón": 10**6, "millones": 10**6},
            articles="un una",
        ),
        connectors=frozenset({"y"}),
        points=frozenset({"coma", "punto"}),
    ),
    "it": Lexicon(
        parts=_parts(
            "zero _ due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
            "diciassette diciotto diciannove",
            tens="venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
            # Before a vowel the tens lose theirs: ventuno, trentotto.
            more={"tré": 3, "vent": 20, "trent": 30, "quarant": 40, "cinquant": 50, "sessant": 60, "settant": 70}
            | {"ottant": 80, "novant": 90},
            factors={"cento": 100, "mille": 1000, "mila": 1000, "milione": 10**6, "milioni": 10**6, "miliardi": 10**9},
            articles="un uno una",
        ),
        connectors=frozenset({"e"}),
        points=frozenset({"virgola"}),
        is_glued=True,
    ),
    "pt": Lexicon(
        parts=_parts(
            "zero _ dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete "
            "dezoito dezenove",
            tens="vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
            hundreds="cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
            more={"duas": 2, "cem": 100, "dezasseis": 16, "dezassete": 17, "dezanove": 19},
            factors={"mil": 1000, "milhão": 10**6, "milhões": 10**6},
            articles="um uma",
        ),
        connectors=frozenset({"e"}),
        points=frozenset({"vírgula"}),
    ),
    "nl": Lexicon(
        parts=_parts(
            "nul één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien "
            "zeventien achttien negentien",
            tens="twintig dertig veertig vijftig zestig zeventig tachtig negentig",
            factors={"honderd": 100, "duizend": 1000, "miljoen": 10**6, "miljard": 10**9},
            articles="een",
        ),
        connectors=frozenset({"en", "ën"}),
        points=frozenset({"komma"}),
        is_glued=True,
    ),
}


def _ordinal(lexicon: Lexicon, word: str) -> Part | None:
    """German ordinals: a number, or an odd stem, with an ending."""
    stem = word[:-1] if word.endswith(("ten", "ter", "tes", "tem")) else word
    if found := lexicon.parts.get(stem):
        return found if found.is_ordinal else None
    for ending in ("ste", "te"):
        root = stem.removesuffix(ending)
        if root != stem and (part := lexicon.parts.get(root) or _unglued(lexicon, root)):
            return Part(part.size, is_ordinal=True)
    return None


def _unglued(lexicon: Lexicon, word: str) -> Part | None:
    """The number that `word` spells with two words or more, and nothing else."""
    for names in _split(lexicon, word):
        if len(names) > 1 and (size := _sum(lexicon, names)) is not None:
            return Part(size)
    return None


def _split(lexicon: Lexicon, word: str) -> Iterable[list[str]]:
    """Every way to cut a word into number words and connectors; words longer than any number have none."""
    if len(word) > 60:
        return
    if not word:
        yield []
    for length in range(len(word), 1, -1):
        head = word[:length]
        if head in lexicon.parts or head in lexicon.connectors:
            for rest in _split(lexicon, word[length:]):
                yield [head, *rest]


def _sum(lexicon: Lexicon, names: list[str]) -> int | None:
    """Their order within a hundred does not count: `zweiundvierzig` is 2 and 40."""
    if names[0] in lexicon.connectors or names[-1] in lexicon.connectors:
        return None
    total = group = 0
    for name in names:
        part = lexicon.parts.get(name)
        if part is None:
            continue
        if part.is_ordinal:
            return None
        if not part.is_factor:
            group += part.size
        elif part.size == 100:
            group = (group or 1) * 100
        else:
            total += (group or 1) * part.size
            group = 0
    return total + group
