"""What goes to the synthesisers, and what is made of what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.train_tiny.speak import VoicesMissing, command, require_synthesisers, trimmed
from tools.train_tiny.voices import Voice

pytestmark = pytest.mark.unit


def test_missing_synthesisers_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "flite").write_text("#!/bin/sh\n")
    (tmp_path / "flite").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        VoicesMissing, match=r"not installed: espeak-ng, festival\. On Debian: apt-get install espeak-ng"
    ):
        require_synthesisers()


def test_a_missing_voice_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, says in (("espeak-ng", ""), ("flite", "Voices available: awb rms slt"), ("festival", "(ked_diphone)")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{says}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VoicesMissing) as refused:
        require_synthesisers()
    assert "flite voice kal16, festival voice kal_diphone, festival voice cmu_us_slt_arctic_hts." in str(refused.value)


def test_each_synthesiser_is_asked_in_its_own_words() -> None:
    wav = Path("x.wav")
    assert command(Voice("espeak-ng", "en-us+m3", 150.0, 40), "go home", wav) == [
        *("espeak-ng", "-v", "en-us+m3", "-s", "150", "-p", "40", "-w", "x.wav", "go home")
    ]
    assert command(Voice("flite", "slt", 1.1), "go home", wav) == [
        *("flite", "-voice", "slt", "--setf", "duration_stretch=1.1", "-t", "go home", "-o", "x.wav")
    ]


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 500))
def test_silence_is_cut_off_but_for_a_margin(before, after, length) -> None:
    samples = np.concatenate([np.zeros(before), np.full(length, -32768), np.zeros(after)]).astype(np.int16)
    kept = trimmed(samples)
    assert len(kept) == min(before, 320) + length + min(after, 319)
    assert np.count_nonzero(kept) == length


def test_nothing_but_silence_is_nothing() -> None:
    assert len(trimmed(np.full(100, 50, np.int16))) == 0
