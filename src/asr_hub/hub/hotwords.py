"""The hotwords of a configuration, as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from asr_hub.config.schema import Config, Hotword
from asr_hub.store.slices.hotwords import HotwordsReplaced

Lists = Mapping[str, tuple[Hotword, ...]]
"""By the name of the key whose sessions prefer them; the empty one is of every session."""


def configured(config: Config, *, at: float, before: Config | None = None) -> Iterator[HotwordsReplaced]:
    """
    What puts the lists of a configuration in force at the time `at`.

    With the configuration that held `before`, only for lists that it had otherwise: what was put in the place of the
    others since stays.
    """
    old, new = _lists(before) if before is not None else {"": ()}, _lists(config)
    for tenant in dict.fromkeys((*old, *new)):
        words = new.get(tenant, ())
        if words != old.get(tenant, ()):
            yield HotwordsReplaced(
                at=at,
                words=tuple(word.text for word in words),
                weights={word.text: word.weight for word in words if word.weight != 1},
                tenant=tenant,
            )


def _lists(config: Config) -> Lists:
    return {"": config.hotwords, **config.hotwords_of}
