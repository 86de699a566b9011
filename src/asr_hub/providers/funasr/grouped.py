"""What can share a tensor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence


def grouped(keys: Sequence[Hashable]) -> Iterable[list[int]]:
    """The places of equal keys, together."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return places.values()
