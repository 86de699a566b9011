"""Words that hold sentences together. They are said all the time, so none of them is a misheard name."""

from __future__ import annotations


def is_common(word: str, language: str | None = None) -> bool:
    """Whether it is a function word of the language; where none is named, of any that is known here."""
    plain = word.casefold().replace("\u2019", "'")
    known = _WORDS.get((language or "").partition("-")[0].lower())
    return plain in (known if known is not None else _ALL)


_ENGLISH = """
a about above after again against all almost alone along already also although always am among an and another any
anybody anyone anything are aren't around as ask at away back be became because become been before behind being below
between both bring but by call came can can't cannot come could couldn't did didn't do does doesn't doing don't done
down during each either else enough even ever every everybody everyone everything far few find first for from get gets
give given go goes going gone good got had hadn't has hasn't have haven't having he he's her here hers herself him
himself his how however i i'd i'll i'm i've if in into is isn't it it's its itself just keep kind knew know last later
least less let let's like little long look made make many may maybe me mean might mine more most much must my myself
near need never new next no nobody none nor not nothing now of off often oh ok okay old on once one only onto or other
others our ours ourselves out over own perhaps please put quite rather really right said same saw say says see seem seen
set
shall she she's should shouldn't show since so some somebody someone something soon still such take tell than thank
thanks that that's the their theirs them themselves then there there's these they they're thing things think this those
though thought three through till to today together told tomorrow tonight too took toward towards try two under until up
upon us use used very want was wasn't way we we'll we're we've well went were weren't what what's when where whether
which while who who's whole whom whose why will with within without won't would wouldn't yes yesterday yet you you'd
you'll you're you've your yours yourself
"""
_GERMAN = """
aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis bist bitte da dabei dafür
damit dann daran darauf das dass dein deine dem den denn der des dessen dich die dies diese diesem diesen dieser dieses
dir doch dort du durch ein eine einem einen einer eines einmal er erst es etwas euch euer für gegen gehen geht gerade
gibt gut hab habe haben hat hatte hatten her heute hier hin hinter ich ihm ihn ihnen ihr ihre im immer in ins ist ja
jede jedem jeden jeder jetzt kann kein keine können könnte machen man mehr mein meine mich mir mit morgen muss müssen
nach neben nein nicht nichts noch nun nur ob oder ohne schon sehr sein seine seit sich sie sind so soll sollen sollte
sondern sonst über um und uns unser unter viel vom von vor war waren warum was weil weiter welche wenn wer werden wie
wieder will wir wird wo wollen wurde würde zu zum zur zwei zwischen
"""

_WORDS = {"en": frozenset(_ENGLISH.split()), "de": frozenset(_GERMAN.split())}
_ALL = frozenset().union(*_WORDS.values())
