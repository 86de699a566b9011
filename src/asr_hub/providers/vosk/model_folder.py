"""
What can be told of a Vosk model by its folder, without loading it.

The two layouts are those of https://alphacephei.com/vosk/models (section "model structure"): one with `am`, `conf` and
`graph`, and an older one with everything in the folder itself.
"""

from __future__ import annotations

import re
from pathlib import Path

from asr_hub.errors import ProviderUnavailable
from asr_hub.model import HUB_RATE

_RATE = re.compile(r"^\s*--sample-frequency=\s*(\d+)", re.MULTILINE)
_NAME = re.compile(r"vosk-model-(?:small-|big-)?([a-z]{2})(?:-([a-z]{2}))?(?=-|$)")
_LANGUAGES = {"cn": "zh", "kz": "kk", "vn": "vi", "ua": "uk"}
"""Countries that stand in the names of models where the language is meant."""
_MOST = 1 << 16
"""Bytes of a configuration file that are read."""


class ModelFolder:
    """The folder of one model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_old = not (path / "am" / "final.mdl").is_file() and (path / "final.mdl").is_file()

    def check(self) -> None:
        """Raises ProviderUnavailable, naming the file, where one is missing that the engine cannot do without."""
        for needed in self._needed():
            if not any((self.path / name).is_file() for name in needed):
                raise ProviderUnavailable(
                    f"vosk: {self.path} has no {' or '.join(needed)}; a model's folder holds am/final.mdl, "
                    "conf/model.conf, conf/mfcc.conf and graph/HCLG.fst, or graph/HCLr.fst with graph/Gr.fst: "
                    "`model` must name the folder that holds am/, conf/ and graph/"
                )

    @property
    def has_dynamic_graph(self) -> bool:
        """Whether the decoding graph is put together at run time, which a grammar needs."""
        graph = self._graph
        return (graph / "HCLr.fst").is_file() and not (graph / "HCLG.fst").is_file()

    @property
    def sample_rate(self) -> int:
        """Hertz. That of the hub where the model does not say."""
        for name in ("conf/mfcc.conf", "conf/fbank.conf", "mfcc.conf"):
            file = self.path / name
            if file.is_file():
                with file.open("rb") as conf:
                    found = _RATE.search(conf.read(_MOST).decode("utf-8", "replace"))
                return int(found[1]) if found else HUB_RATE
        return HUB_RATE

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP 47, from the folder's name. Empty where it does not say."""
        found = _NAME.match(self.path.resolve().name)
        if found is None:
            return ()
        language, region = _LANGUAGES.get(found[1], found[1]), found[2]
        return (f"{language}-{region.upper()}" if region else language,)

    @property
    def _graph(self) -> Path:
        return self.path if self._is_old else self.path / "graph"

    def _needed(self) -> tuple[tuple[str, ...], ...]:
        """The files that must be there; of each group one is enough."""
        if self._is_old:
            return (("final.mdl",), ("mfcc.conf",), ("HCLG.fst", "HCLr.fst"), *self._rest("", "words.txt"))
        conf = (("conf/model.conf",), ("conf/mfcc.conf", "conf/fbank.conf"))
        return (
            ("am/final.mdl",),
            *conf,
            ("graph/HCLG.fst", "graph/HCLr.fst"),
            *self._rest("graph/", "graph/words.txt"),
        )

    def _rest(self, at: str, words: str) -> tuple[tuple[str, ...], ...]:
        # A dynamic graph may carry its words in the grammar's symbols.
        return ((f"{at}Gr.fst",), (f"{at}disambig_tid.int",)) if self.has_dynamic_graph else ((words,),)
