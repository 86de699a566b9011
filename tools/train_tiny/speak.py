"""Has the synthesisers speak the planned utterances."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soxr
from tools.train_tiny.corpus import RATE, Samples, Utterance
from tools.train_tiny.order import Refused
from tools.train_tiny.voices import FESTIVAL_VOICES, FLITE_VOICES, Voice

_QUIET = 200
"""Of 32768: what is below it at either end is cut off."""
_MARGIN = RATE // 50

_PACKAGES = "apt-get install espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts"


class VoicesMissing(Refused):
    """A synthesiser or one of its voices is not installed."""


def require_synthesisers() -> None:
    """Raises VoicesMissing, and says what to install, where something is missing."""
    missing = [name for name in ("espeak-ng", "flite", "festival") if shutil.which(name) is None]
    if not missing:
        missing = [f"flite voice {name}" for name in FLITE_VOICES if name not in _output("flite", "-lv").split()]
        known = _output("festival", "-b", "(print (voice.list))").replace("(", " ").replace(")", " ").split()
        missing += [f"festival voice {name}" for name in FESTIVAL_VOICES if name not in known]
    if missing:
        raise VoicesMissing(f"not installed: {', '.join(missing)}. On Debian: {_PACKAGES}")


def speak(utterances: Sequence[Utterance], *, threads: int = 2) -> list[Samples]:
    """
    The samples of each utterance, without the silence around them.

    Raises VoicesMissing where a synthesiser is not installed or gives no speech.
    """
    require_synthesisers()
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / f"{at}.wav" for at in range(len(utterances))]
        jobs = list(zip(utterances, paths, strict=True))
        # Festival takes seconds to start: one process speaks all that is its.
        batch = _festival_script([job for job in jobs if job[0].voice.synthesiser == "festival"], Path(name))
        with ThreadPoolExecutor(threads) as pool:
            festival = pool.submit(_run, ["festival", "-b", str(batch)])
            singles = [job for job in jobs if job[0].voice.synthesiser != "festival"]
            list(pool.map(lambda job: _run(command(job[0].voice, job[0].text, job[1])), singles))
            festival.result()
        return [_speech(path, utterance) for utterance, path in jobs]


def command(voice: Voice, text: str, wav: Path) -> list[str]:
    """The command by which espeak-ng or flite speaks a text into a file."""
    if voice.synthesiser == "espeak-ng":
        return [
            "espeak-ng",
            "-v",
            voice.name,
            "-s",
            str(int(voice.speed)),
            "-p",
            str(voice.pitch),
            "-w",
            str(wav),
            text,
        ]
    return ["flite", "-voice", voice.name, "--setf", f"duration_stretch={voice.speed}", "-t", text, "-o", str(wav)]


def trimmed(samples: Samples) -> Samples:
    """What lies between the first and the last sample that is not quiet, with 20 ms on either side."""
    loud = np.nonzero(np.abs(samples.astype(np.int32)) > _QUIET)[0]
    if not len(loud):
        return samples[:0]
    return samples[max(0, loud[0] - _MARGIN) : loud[-1] + _MARGIN]


def _festival_script(jobs: Sequence[tuple[Utterance, Path]], folder: Path) -> Path:
    lines = []
    for voice in FESTIVAL_VOICES:
        lines.append(f"(voice_{voice})")
        lines += [
            f'(utt.save.wave (utt.synth (Utterance Text "{utterance.text}")) "{wav}" \'riff)'
            for utterance, wav in jobs
            if utterance.voice.name == voice
        ]
    script = folder / "speak.scm"
    script.write_text("\n".join(lines) + "\n")
    return script


def _speech(path: Path, utterance: Utterance) -> Samples:
    with wave.open(str(path), "rb") as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    if rate != RATE:
        samples = np.clip(soxr.resample(samples.astype(np.float32), rate, RATE), -32768, 32767).astype(np.int16)
    speech = trimmed(samples)
    if not len(speech):
        raise VoicesMissing(
            f"{utterance.voice.synthesiser} gave silence for voice {utterance.voice.name}: reinstall it"
        )
    return speech


def _run(arguments: list[str]) -> None:
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _output(*arguments: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
