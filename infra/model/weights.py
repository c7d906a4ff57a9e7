"""Reads a PyTorch checkpoint of the old (pre-zip) format into numpy arrays, without PyTorch.

A checkpoint is a pickle, and a pickle is a program: this reader lets it name four things and nothing else, so that a
tampered file is an error and not code that runs.

Layout: three small pickles (magic number, protocol, system information), the state dictionary as a pickle whose
tensors point at numbered storages, a pickled list of storage keys, then for each key its element count (int64) and its
elements, little-endian.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

KINDS = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class BadCheckpoint(Exception):
    """The file is not the checkpoint it should be; fetch the package again."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of elements that tensors are views of, known by its key until the data is read."""

    key: str
    kind: np.dtype[Any]
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A tensor as the pickle describes it: `offset` and `strides` count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def reach(self) -> int:
        """How many elements the storage must have. Raises `BadCheckpoint` for numbers that make no sense."""
        if min(self.offset, 0, *self.strides) < 0 or min((1, *self.shape)) < 1:
            raise BadCheckpoint(f"a tensor has shape {self.shape}, strides {self.strides}, offset {self.offset}")
        return self.offset + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True)) + 1

    def fill(self, elements: NDArray[Any]) -> NDArray[Any]:
        """A contiguous array of its own; the strides are checked against the storage first."""
        if self.reach() > len(elements) or math.prod(self.shape) > len(elements):
            raise BadCheckpoint(f"a tensor of shape {self.shape} reaches outside its storage")
        steps = tuple(step * elements.itemsize for step in self.strides)
        return np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, steps).copy()


def _view(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> View:
    return View(storage, offset, shape, strides)


class _Reader(pickle.Unpickler):
    """Knows the globals a plain state dictionary needs; anything else ends the reading."""

    allowed: Mapping[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): _view,
        **{("torch", name): kind for name, kind in KINDS.items()},
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise BadCheckpoint(f"the checkpoint asks for {module}.{name}, which weights do not need") from None

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ("storage", np.dtype() as kind, str(key), str(), int(count), None):
                return Storage(key, kind, count)
        raise BadCheckpoint("the checkpoint has a storage of an unknown form")


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Every tensor by name. Raises `BadCheckpoint` on anything but such a file."""
    with path.open("rb") as file:
        try:
            return _read(file)
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise BadCheckpoint(f"{path.name} cannot be read as a checkpoint: {problem}") from problem


def _read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    if (_Reader(file).load(), _Reader(file).load()) != (MAGIC, PROTOCOL):
        raise BadCheckpoint("this is not a checkpoint of the old format")
    if _Reader(file).load().get("little_endian") is not True:
        raise BadCheckpoint("the checkpoint is big-endian")
    views: dict[str, View] = dict(_Reader(file).load())
    storages = {view.storage.key: view.storage for view in views.values()}
    elements = {key: _elements(file, storages[key]) for key in _Reader(file).load()}
    return {name: view.fill(elements[view.storage.key]) for name, view in views.items()}


def _elements(file: BinaryIO, storage: Storage) -> NDArray[Any]:
    if int.from_bytes(file.read(8), "little") != storage.count:
        raise BadCheckpoint(f"storage {storage.key} is not as long as it was said to be")
    data = file.read(storage.count * storage.kind.itemsize)
    return np.frombuffer(data, storage.kind, storage.count)
