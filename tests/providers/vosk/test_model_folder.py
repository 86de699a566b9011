"""What is told of a Vosk model by its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr_hub.errors import ProviderUnavailable
from asr_hub.providers.vosk.model_folder import ModelFolder

pytestmark = pytest.mark.unit

NEW = ("am/final.mdl", "conf/model.conf", "conf/mfcc.conf", "graph/HCLG.fst", "graph/words.txt")
SMALL = (*NEW[:3], "graph/HCLr.fst", "graph/Gr.fst", "graph/disambig_tid.int")
OLD = ("final.mdl", "mfcc.conf", "HCLr.fst", "Gr.fst", "disambig_tid.int")


def _model(folder: Path, files: tuple[str, ...]) -> ModelFolder:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("--sample-frequency=8000\n" if name.endswith("mfcc.conf") else "")
    return ModelFolder(folder)


@pytest.mark.parametrize("files", [NEW, SMALL, OLD])
def test_each_layout_is_known_and_each_file_of_it_is_missed(tmp_path: Path, files: tuple[str, ...]) -> None:
    _model(tmp_path / "whole", files).check()
    for number, gone in enumerate(files):
        lacking = tuple(name for name in files if name != gone)
        with pytest.raises(ProviderUnavailable):
            _model(tmp_path / str(number), lacking).check()


def test_the_rate_is_the_models(tmp_path: Path) -> None:
    assert _model(tmp_path / "new", NEW).sample_rate == 8000
    assert _model(tmp_path / "old", OLD).sample_rate == 8000
    (tmp_path / "new" / "conf" / "mfcc.conf").write_bytes(b"\xff--use-energy=false\n")
    assert ModelFolder(tmp_path / "new").sample_rate == 16_000
    assert ModelFolder(tmp_path / "none").sample_rate == 16_000


def test_only_a_graph_in_two_parts_takes_a_grammar(tmp_path: Path) -> None:
    assert not _model(tmp_path / "new", NEW).has_dynamic_graph
    assert _model(tmp_path / "small", SMALL).has_dynamic_graph
    assert _model(tmp_path / "old", OLD).has_dynamic_graph
    # The engine takes the fixed graph where both are there.
    assert not _model(tmp_path / "both", (*SMALL, "graph/HCLG.fst")).has_dynamic_graph


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("vosk-model-small-en-us-0.15", ("en-US",)),
        ("vosk-model-cn-0.22", ("zh",)),
        ("vosk-model-small-de-zamia-0.3", ("de",)),
        ("vosk-model-en-us-0.22-lgraph", ("en-US",)),
        ("vosk-model-fr-0.22", ("fr",)),
        ("vosk-model-spk-0.4", ()),
        ("mine", ()),
    ],
)
def test_the_language_stands_in_the_name(tmp_path: Path, name: str, languages: tuple[str, ...]) -> None:
    assert ModelFolder(tmp_path / name).languages == languages
