"""
The tensors of a torch checkpoint, read without torch and without unpickling.

The format is the zip file that `torch.save` writes since torch 1.6 (torch/serialization.py of
https://github.com/pytorch/pytorch): `<name>/data.pkl` describes the tensors, `<name>/data/<n>` holds their numbers.
The description is a pickle, that is a program. Only the instructions that describe tensors are followed here: nothing
in the file can name a function that is then called.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from asr_hub.errors import ConfigError

MAX_FILE = 64 * 1024 * 1024
"""Bytes. The published network has 1.7 MB."""

MAX_DESCRIPTION = 256 * 1024
"""Bytes of `data.pkl`."""

MAX_NODES = 50_000
"""Instructions in `data.pkl`; the published one has 400."""

MAX_RANK = 8

Floats = npt.NDArray[np.float32]


def read_checkpoint(path: Path) -> dict[str, Floats]:
    """
    The tensors of the file by their names, as float32.

    A checkpoint that keeps them under `state_dict`, `model_state_dict` or `model` is taken apart as FunASR does it.
    Raises ConfigError for a file that is missing, broken, too large, or holds anything but tensors of floats.
    """
    try:
        return _read(path)
    except _Unreadable as exc:
        raise ConfigError(f"{path}: is no checkpoint that can be read: {exc}; {_REMEDY}") from exc
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror or exc}; {_REMEDY}") from exc


_REMEDY = "fetch the model again, or write it with torch.save(model.state_dict(), PATH)"

_STATES = ("state_dict", "model_state_dict", "model")


class _Unreadable(Exception):
    """What is wrong with the file."""


class _Global(msgspec.Struct, frozen=True):
    """A name that the pickle would import. It stays a name."""

    name: str


class _Storage(msgspec.Struct, frozen=True):
    """A row of numbers in the file."""

    dtype: np.dtype[np.generic]
    key: str
    count: int


class _Tensor(msgspec.Struct, frozen=True):
    """Numbers of a storage. `offset` and `strides` count numbers; all that they lead to lies in the storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _read(path: Path) -> dict[str, Floats]:
    if path.stat().st_size > MAX_FILE:
        raise _Unreadable(f"it is longer than {MAX_FILE >> 20} MiB")
    # Read at once: what is checked is what is used, whatever happens to the file meanwhile.
    archive = _Archive(path.read_bytes())
    found: object = _Description(archive.take("data.pkl", MAX_DESCRIPTION)).result()
    for key in _STATES:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found:
        raise _Unreadable("it holds no tensors by name")
    tensors: dict[str, Floats] = {}
    for name, tensor in found.items():
        if not isinstance(tensor, _Tensor):
            raise _Unreadable(f"{name[:80]!r} is no tensor of floats")
        tensors[name] = archive.floats(name, tensor)
    return tensors


class _Archive:
    """The zip file. Its entries are stored, not compressed, so that none is longer than the file."""

    def __init__(self, content: bytes) -> None:
        self._left = len(content)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except _ZIP_ERRORS as exc:
            raise _Unreadable("it is no zip file, as torch writes it since version 1.6") from exc
        roots = [name[: -len("data.pkl")] for name in self._zip.namelist() if name.endswith("data.pkl")]
        if len(roots) != 1:
            raise _Unreadable("it has no data.pkl, or more than one")
        self._root = roots[0]
        if self._has("byteorder") and self.take("byteorder", 16) != b"little":
            raise _Unreadable("its numbers are not little-endian")

    def take(self, name: str, limit: int) -> bytes:
        """The bytes of an entry."""
        try:
            entry = self._zip.getinfo(self._root + name)
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise _Unreadable(f"{name} is compressed")
            # Entries may overlap: without this a small file could stand for many large ones.
            self._left -= entry.file_size
            if entry.file_size > limit or self._left < 0:
                raise _Unreadable(f"{name} is too long")
            return self._zip.read(entry)
        except KeyError:
            raise _Unreadable(f"{name} is missing") from None
        except _ZIP_ERRORS as exc:
            raise _Unreadable(f"{name} is broken ({exc})") from exc

    def floats(self, name: str, tensor: _Tensor) -> Floats:
        """A tensor's numbers, as an array of their own."""
        storage = tensor.storage
        raw = self.take(f"data/{storage.key}", MAX_FILE)
        if len(raw) != storage.count * storage.dtype.itemsize:
            raise _Unreadable(f"the storage of {name!r} has {len(raw)} bytes, not what its description says")
        strides = [stride * storage.dtype.itemsize for stride in tensor.strides]
        start = np.frombuffer(raw, storage.dtype)[tensor.offset :]
        numbers = np.lib.stride_tricks.as_strided(start, tensor.shape, strides, writeable=False)
        with np.errstate(over="ignore"):
            values = numbers.astype(np.float32, order="C")
        if not np.isfinite(values).all():
            raise _Unreadable(f"{name!r} holds numbers that are not finite")
        return values

    def _has(self, name: str) -> bool:
        return self._root + name in self._zip.NameToInfo


_ZIP_ERRORS = (
    zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, OverflowError, struct.error,
)  # fmt: skip
"""What `zipfile` raises for a hostile file."""


class _Description:
    """
    A stack machine for the instructions that `torch.save` uses to describe tensors. All others are refused.

    The instructions are those of the standard library's `pickletools`. What would be called is recognised by name
    (`_rebuild_tensor_v2`, `OrderedDict`) and made here, from plain values.
    """

    def __init__(self, pickle: bytes) -> None:
        self._pickle = pickle
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def result(self) -> object:
        """What the pickle describes: mappings, tuples, texts, numbers and tensors."""
        try:
            for nodes, (opcode, argument, _) in enumerate(pickletools.genops(self._pickle)):
                if nodes > MAX_NODES:
                    raise _Unreadable("its description is too long")
                if opcode.name == "STOP":
                    return self._stack.pop()
                self._follow(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError) as exc:
            raise _Unreadable(f"its description is broken ({str(exc)[:80]})") from exc
        raise _Unreadable("its description has no end")

    def _follow(self, name: str, argument: object) -> None:
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _SHORT_TUPLES:
            self._stack.append(tuple(self._take(_SHORT_TUPLES[name])))
        elif (step := _STEPS.get(name)) is not None:
            step(self, argument)
        elif name != "PROTO":
            raise _Unreadable(f"its description holds more than tensors ({name})")

    def _take(self, count: int) -> list[object]:
        """The newest values, oldest first."""
        if len(self._stack) < count:
            raise IndexError("the stack is too short")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _take_marked(self) -> list[object]:
        start = self._marks.pop()
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _tuple(self, _: object) -> None:
        self._stack.append(tuple(self._take_marked()))

    def _dict(self, _: object) -> None:
        self._stack.append({})

    def _name(self, argument: object) -> None:
        self._stack.append(_Global(str(argument)))

    def _put(self, argument: object) -> None:
        self._memo[int(str(argument))] = self._stack[-1]

    def _get(self, argument: object) -> None:
        self._stack.append(self._memo[int(str(argument))])

    def _set_item(self, _: object) -> None:
        self._set(self._take(2))

    def _set_items(self, _: object) -> None:
        self._set(self._take_marked())

    def _set(self, items: Sequence[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(items) % 2 or not all(isinstance(key, str) for key in items[::2]):
            raise TypeError("items are set on what is no mapping of names")
        target.update(zip(items[::2], items[1::2], strict=True))

    def _build(self, _: object) -> None:
        # The versions of a module's parts, which torch hangs on a state dict. Nothing here needs them.
        _, target = self._take(1), self._stack[-1]
        if not isinstance(target, dict):
            raise TypeError("a state is set on what is no mapping")

    def _persistent(self, _: object) -> None:
        (value,) = self._take(1)
        match value:
            case ("storage", _Global(name), str(key), str(), int(count)) if name in _DTYPES and count >= 0:
                self._stack.append(_Storage(_DTYPES[name], key, count))
            case _:
                raise _Unreadable("one of its storages is not of floats")

    def _reduce(self, _: object) -> None:
        function, arguments = self._take(2)
        match function, arguments:
            case _Global("collections OrderedDict"), ():
                self._stack.append({})
            case _Global("torch._utils _rebuild_tensor_v2"), (
                _Storage() as storage, int(offset), tuple(shape), tuple(strides), bool(), dict(), *_,
            ):  # fmt: skip
                self._stack.append(_tensor(storage, offset, shape, strides))
            case _:
                name = function.name if isinstance(function, _Global) else "a value"
                raise _Unreadable(f"its description calls {name[:80]!r}")


def _tensor(storage: _Storage, offset: int, shape: tuple[object, ...], strides: tuple[object, ...]) -> _Tensor:
    sizes, steps = _counts(shape), _counts(strides)
    if len(sizes) != len(steps) or len(sizes) > MAX_RANK:
        raise _Unreadable("one of its tensors has an impossible shape")
    # Strides may make much of few numbers: no tensor is larger than its storage.
    last = offset + sum((size - 1) * step for size, step in zip(sizes, steps, strict=True))
    if offset < 0 or 0 in sizes or math.prod(sizes) > storage.count or last >= storage.count:
        raise _Unreadable("one of its tensors reaches beyond its storage")
    return _Tensor(storage, offset, sizes, steps)


def _counts(values: tuple[object, ...]) -> tuple[int, ...]:
    counts = tuple(value for value in values if isinstance(value, int) and 0 <= value <= MAX_FILE)
    if len(counts) != len(values):
        raise _Unreadable("one of its tensors has an impossible shape")
    return counts


_LITERALS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})

_CONSTANTS: Mapping[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

_STEPS: Mapping[str, Callable[[_Description, object], None]] = {
    "MARK": _Description._mark,
    "TUPLE": _Description._tuple,
    "EMPTY_DICT": _Description._dict,
    "GLOBAL": _Description._name,
    "BINPUT": _Description._put,
    "LONG_BINPUT": _Description._put,
    "BINGET": _Description._get,
    "LONG_BINGET": _Description._get,
    "SETITEM": _Description._set_item,
    "SETITEMS": _Description._set_items,
    "BUILD": _Description._build,
    "BINPERSID": _Description._persistent,
    "REDUCE": _Description._reduce,
}

_DTYPES: Mapping[str, np.dtype[np.generic]] = {
    "torch HalfStorage": np.dtype("<f2"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
}
