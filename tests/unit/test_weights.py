"""Reading a checkpoint: what is in it comes out, and it cannot make the reader do anything else."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.model.weights import MAGIC, PROTOCOL, BadCheckpoint, read


class FloatStorage:
    """Stands for the class of that name in PyTorch while a checkpoint is pickled."""


class Key:
    """A storage as a pickle refers to it."""

    def __init__(self, key: str, count: int) -> None:
        self.pid = ("storage", FloatStorage, key, "cpu", count, None)


def _rebuild_tensor_v2(*arguments: object) -> None:
    """Stands for the function of that name in PyTorch."""


class Tensor:
    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_tensor_v2, self.arguments


class Writer(pickle.Pickler):
    def persistent_id(self, obj: object) -> object:
        return obj.pid if isinstance(obj, Key) else None


def pickled(value: object) -> bytes:
    """As PyTorch would pickle it: the stand-ins of this module under the names of the real ones."""
    file = io.BytesIO()
    Writer(file, 2).dump(value)
    here = __name__.encode()
    data = file.getvalue().replace(b"c" + here + b"\n_rebuild", b"ctorch._utils\n_rebuild")
    return data.replace(b"c" + here + b"\nFloat", b"ctorch\nFloat")


def checkpoint(tensors: dict[str, Tensor], elements: dict[str, np.ndarray[Any, Any]]) -> bytes:
    head = [MAGIC, PROTOCOL, {"little_endian": True}, OrderedDict(tensors), sorted(elements)]
    storages = [len(elements[key]).to_bytes(8, "little") + elements[key].tobytes() for key in sorted(elements)]
    return b"".join([pickled(part) for part in head] + storages)


def read_bytes(directory: Path, data: bytes) -> dict[str, np.ndarray[Any, Any]]:
    path = directory / "weights.pth"
    path.write_bytes(data)
    return read(path)


SIX = np.arange(6, dtype="<f4")


def one(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], count: int = 6) -> bytes:
    tensor = Tensor(Key("a", count), offset, shape, strides, False, OrderedDict())
    return checkpoint({"w": tensor}, {"a": SIX})


def test_tensors_are_views_of_their_storages(tmp_path: Path) -> None:
    """Shape, strides and offset are those of the file, also where a tensor is stored transposed."""
    assert np.array_equal(read_bytes(tmp_path, one(0, (2, 3), (3, 1)))["w"], SIX.reshape(2, 3))
    assert np.array_equal(read_bytes(tmp_path, one(0, (3, 2), (1, 3)))["w"], SIX.reshape(2, 3).T)
    assert np.array_equal(read_bytes(tmp_path, one(4, (2,), (1,)))["w"], SIX[4:])
    assert read_bytes(tmp_path, one(5, (), ()))["w"] == 5


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (0, (2, 3), (4, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (-1,)),
        (0, (0,), (1,)),
        (0, (10**12,), (0,)),
        (0, (2, 3), (1,)),
    ],
)
def test_no_tensor_reaches_outside_its_storage(
    tmp_path: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    """Numbers that would read other memory, or make memory out of nothing, are an error."""
    with pytest.raises(BadCheckpoint):
        read_bytes(tmp_path, one(offset, shape, strides))


class Harm:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("place", range(5))
def test_a_pickle_cannot_call_anything(tmp_path: Path, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that names a function which weights do not need is refused before it is called."""
    monkeypatch.chdir(tmp_path)
    parts = [MAGIC, PROTOCOL, {"little_endian": True}, OrderedDict(), []]
    parts[place] = Harm()
    with pytest.raises(BadCheckpoint, match="mkdir"):
        read_bytes(tmp_path, b"".join(pickled(part) for part in parts))
    assert not Path("harm").exists()


def test_what_is_cut_short_is_refused(tmp_path: Path) -> None:
    """Wherever a checkpoint ends too early, it is an error that says so."""
    whole = one(0, (2, 3), (3, 1))
    for length in range(len(whole)):
        with pytest.raises(BadCheckpoint):
            read_bytes(tmp_path, whole[:length])


def test_a_storage_is_as_long_as_its_tensor_says(tmp_path: Path) -> None:
    """The count in the pickle and the count before the data must be one."""
    with pytest.raises(BadCheckpoint, match="as long"):
        read_bytes(tmp_path, one(0, (2,), (1,), count=5))
