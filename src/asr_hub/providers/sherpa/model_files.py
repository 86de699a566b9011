"""The files of a model for sherpa-onnx: found by their names, and looked at before the SDK sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from asr_hub.errors import ConfigError, ProviderUnavailable
from asr_hub.providers.sherpa.kinds import KINDS, Kind, kind_of
from asr_hub.providers.sherpa.onnx_metadata import read_metadata

PARTS = ("encoder", "decoder", "joiner", "model")
_PRECISIONS = {"int8": (".int8.onnx",), "float": (".onnx",), "fp16": (".fp16.onnx",)}
_MOST = 64 << 20
"""Bytes of a list of tokens."""


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in the folder of one model."""

    name: str
    """Of the kind."""
    kind: Kind
    parts: Mapping[str, Path]
    tokens: Path
    vocabulary: Path | None
    """How likely each piece of a word is, for models that spell with pieces: `bpe.vocab`."""
    notes: Mapping[str, str]
    """Of the first part."""

    @property
    def languages(self) -> tuple[str, ...]:
        """BCP 47, where the model says."""
        if self.name == "sense-voice":
            return ("zh", "yue", "en", "ja", "ko")
        if self.name == "whisper":
            codes = self.notes.get("all_language_codes", "")
            return tuple(codes.split(",")) if self.notes.get("is_multilingual") == "1" and codes else ("en",)
        return ()


def look(folder: Path, *, kind: str | None, files: Mapping[str, str], precision: str) -> ModelFiles:
    """
    Find the files of the model in `folder`; `files` names those whose names do not tell, or of which there are several.

    Raises ProviderUnavailable, naming what is missing; ConfigError where the settings and the folder do not agree.
    """
    if unknown := set(files) - {*PARTS, "tokens", "vocabulary"}:
        raise ConfigError(f"files: {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}, tokens and vocabulary")
    here = {part: found for part in PARTS if (found := _part(folder, part, files.get(part), precision)) is not None}
    # Beside an encoder, an ONNX file of another name is something else: a VAD, a language model.
    parts = {part: path for part, path in here.items() if part != "model" or len(here) == 1}
    if kind is not None:
        return _files(folder, kind, here, files)
    if not parts:
        raise ProviderUnavailable(
            f"sherpa-onnx: {folder} has no .onnx file; `model` must name the folder that has them"
        )
    notes = read_metadata(next(iter(parts.values())))
    found_kind = kind_of(frozenset(parts), notes)
    if found_kind is None:
        raise ConfigError(
            f"sherpa-onnx: {folder} does not tell what kind of model it is ({', '.join(parts)}; model_type "
            f"{notes.get('model_type', 'missing')!r}); set `type` to one of {', '.join(KINDS)}"
        )
    return _files(folder, found_kind, parts, files)


def alphabet(tokens: Path) -> frozenset[str]:
    """
    Every character that the model can spell with.

    Raises ProviderUnavailable where the file is no list of tokens and their numbers, at which the SDK would crash.
    """
    if tokens.stat().st_size > _MOST:
        raise ProviderUnavailable(f"sherpa-onnx: {tokens} is no list of tokens: it is larger than {_MOST} bytes")
    letters: set[str] = set()
    for number, line in enumerate(tokens.read_text("utf-8", "replace").splitlines(), 1):
        token, _, place = line.rstrip().rpartition(" ")
        if line.strip() and not place.lstrip("\t").isdigit():
            raise ProviderUnavailable(
                f"sherpa-onnx: {tokens}, line {number}: not a token and its number; fetch it again"
            )
        letters.update(token)
    return frozenset(letters)


def _files(folder: Path, name: str, parts: Mapping[str, Path], files: Mapping[str, str]) -> ModelFiles:
    kind = KINDS[name]
    for part in kind.parts:
        if part not in parts:
            where = "one .onnx file" if part == "model" else f"no *{part}*.onnx"
            raise ProviderUnavailable(
                f"sherpa-onnx: a model of type {name} needs {', '.join(kind.parts)} and tokens.txt, and {folder} has "
                f"{'not ' if part == 'model' else ''}{where}; name it in `files: {{{part}: …}}`"
            )
    tokens = _one(folder, "tokens", files.get("tokens"), ("tokens.txt", "*tokens.txt"))
    if tokens is None:
        raise ProviderUnavailable(f"sherpa-onnx: {folder} has no tokens.txt; name it in `files: {{tokens: …}}`")
    first = parts[next(iter(kind.parts))]
    notes = read_metadata(first)
    if lacking := [key for key in kind.needs if key not in notes]:
        raise ProviderUnavailable(
            f"sherpa-onnx: {first} was not exported for it as {name}: it lacks the metadata {', '.join(lacking)}"
        )
    return ModelFiles(
        name=name,
        kind=kind,
        parts={part: parts[part] for part in kind.parts},
        tokens=tokens,
        vocabulary=_one(folder, "vocabulary", files.get("vocabulary"), ("bpe.vocab", "*.vocab")),
        notes=notes,
    )


def _part(folder: Path, part: str, named: str | None, precision: str) -> Path | None:
    if named is not None:
        return _named(folder, part, named)
    others = [other for other in PARTS if other not in ("model", part)]
    found = [
        path
        for path in sorted(folder.glob("*.onnx"))
        if (part in path.name or part == "model") and not any(other in path.name for other in others)
    ]
    return _preferred(folder, part, found, precision)


def _preferred(folder: Path, part: str, found: Sequence[Path], precision: str) -> Path | None:
    """Of several, those of the wanted precision; of these there must be one."""
    if len(found) < 2:
        return found[0] if found else None
    wanted = [path for path in found if _precision(path) == precision] or list(found)
    if len(wanted) > 1:
        names = ", ".join(path.name for path in wanted)
        raise ConfigError(
            f"sherpa-onnx: {folder} has several files for {part}: {names}; choose in `files: {{{part}: …}}`"
        )
    return wanted[0]


def _precision(path: Path) -> str:
    return next((name for name in ("int8", "fp16") if path.name.endswith(_PRECISIONS[name])), "float")


def _one(folder: Path, part: str, named: str | None, patterns: Sequence[str]) -> Path | None:
    if named is not None:
        return _named(folder, part, named)
    return next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)


def _named(folder: Path, part: str, named: str) -> Path:
    path = folder / named
    if not path.is_file():
        raise ProviderUnavailable(f"sherpa-onnx: files: {part}: there is no file {path}")
    return path
