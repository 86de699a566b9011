"""
Speak the clips in src/asr_hub/providers/clips with a free voice.

Run by hand when a text changes: `python tools/make_clips.py`. Needs festival and its voice cmu_us_slt_arctic_hts
(Debian: `apt-get install festival festvox-us-slt-hts`), which nothing else here needs. The voice's licence allows any
use of what it speaks.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.int16]

RATE = 16_000
VOICE = "voice_cmu_us_slt_arctic_hts"
CLIPS = Path(__file__).resolve().parents[1] / "src/asr_hub/providers/clips"
TEXTS = {
    "self_test": ("go forward ten meters",),
    "demo": (
        "good morning and welcome",
        "the weather is nice today",
        "please open the window",
        "play some music in the living room",
        "we will meet again next week",
    ),
}
PAUSE_S = 1.1
NOISE = 4.0
"""Standard deviation, of 32768: digital silence is nothing a microphone gives."""


def speak(text: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        script = Path(folder) / "speak.scm"
        script.write_text(f'({VOICE})\n(utt.save.wave (utt.synth (Utterance Text "{text}")) "{wav}" \'riff)\n')
        subprocess.run(["festival", "-b", str(script)], check=True)
        with wave.open(str(wav), "rb") as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return np.asarray(soxr.resample(samples, rate, RATE), np.int16)


def clip(sentences: tuple[str, ...], pause_s: float) -> Samples:
    pause = np.zeros(int(pause_s * RATE), np.int16)
    parts = [pause]
    for sentence in sentences:
        parts += [speak(sentence), pause]
    whole = np.concatenate(parts)
    noise = np.random.default_rng(1).normal(0, NOISE, len(whole))
    return np.clip(whole + noise, -32768, 32767).astype(np.int16)


def main() -> None:
    CLIPS.mkdir(exist_ok=True)
    for name, sentences in TEXTS.items():
        with wave.open(str(CLIPS / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(clip(sentences, 0.3 if name == "self_test" else PAUSE_S).tobytes())
    (CLIPS / "clips.json").write_text(json.dumps(TEXTS, indent=2) + "\n")


if __name__ == "__main__":
    main()
