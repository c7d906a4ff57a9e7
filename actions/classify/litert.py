"""LiteRT by its C interface.

The Python binding of the same library brings numpy, which takes 19 MB and most of a cold start to move one array in
and one out. Only what `ai_edge_litert/libLiteRt.so` exports is used, with the layouts its headers call stable; the
tests hold the results against the binding's.
"""

from __future__ import annotations

import array
import ctypes
import math
from collections.abc import Callable, Sequence
from ctypes import Structure, byref, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_CPU = 1
_ANY_INT = 2
_OPTION_ACCELERATORS = 24
_OPTION_LEAST_SEVERITY = 25
_ERROR = 3
_READ, _WRITE = 0, 1

# Element types as LiteRT numbers them, and as `array` names them.
_TYPES = {1: "f", 3: "B", 9: "b"}


class _Any(Structure):
    _fields_ = (("type", c_int), ("value", c_int64))


class _EnvironmentOption(Structure):
    _fields_ = (("tag", c_int), ("value", _Any))


class _TensorLayout(Structure):
    _fields_ = (("rank", c_uint32), ("dimensions", c_int32 * 8), ("strides", c_uint32 * 8))


class _TensorType(Structure):
    _fields_ = (("element", c_int), ("layout", _TensorLayout))


class _Quantization(Structure):
    _fields_ = (("scale", c_float), ("zero_point", c_int64))


_Deleter = ctypes.CFUNCTYPE(None, c_void_p)
_keep = _Deleter(lambda _address: None)


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model. `typecode` is `array`'s; real value = (stored - zero_point) x scale."""

    shape: tuple[int, ...]
    typecode: str
    scale: float
    zero_point: int

    def real(self, stored: int) -> float:
        return (stored - self.zero_point) * self.scale

    def quantize(self, real: float) -> int:
        least, most = (-128, 127) if self.typecode == "b" else (0, 255)
        return min(most, max(least, round(real / self.scale) + self.zero_point))


class Interpreter:
    """A model of one input and one output or several, loaded and ready. Not safe to call from two threads at once.

    Raises `OSError` where the library or the file cannot be loaded, `ValueError` where the model is of another kind.
    """

    def __init__(self, path: Path, threads: int) -> None:
        # Never destroyed: a container keeps its model for life.
        self._environment = _environment()
        self._model, self._compiled = c_void_p(), c_void_p()
        _call("CreateModelFromFile", self._environment, str(path).encode(), byref(self._model))
        _call("CreateCompiledModel", self._environment, self._model, _options(threads), byref(self._compiled))
        signature = c_void_p()
        _call("GetModelSignature", self._model, c_size_t(0), byref(signature))
        takes, gives = _count(signature, "Input"), _count(signature, "Output")
        if takes != 1 or not gives:
            raise ValueError(f"the model has {takes} inputs and {gives} outputs, expected one input and some output")
        self.input, taking = _tensor(signature, "Input", 0)
        described = [_tensor(signature, "Output", index) for index in range(gives)]
        self.outputs = tuple(tensor for tensor, _ in described)
        self._incoming = self._buffer("Input", 0, taking)
        buffers = [self._buffer("Output", index, kind) for index, (_, kind) in enumerate(described)]
        self._outgoing = (c_void_p * gives)(*buffers)

    def _buffer(self, side: str, index: int, kind: _TensorType) -> c_void_p:
        needed, made = c_void_p(), c_void_p()
        _call(f"GetCompiledModel{side}BufferRequirements", self._compiled, c_size_t(0), c_size_t(index), byref(needed))
        _call("CreateManagedTensorBufferFromRequirements", self._environment, byref(kind), needed, byref(made))
        return made

    def run(self, stored: bytes) -> Sequence[array.array[Any]]:
        """One inference, from stored values to those of each output, without the interpreter lock."""
        _within(self._incoming, _WRITE, lambda address: ctypes.memmove(address, stored, len(stored)))
        one, first, many = c_size_t(1), c_size_t(0), c_size_t(len(self._outgoing))
        _call("RunCompiledModel", self._compiled, first, one, byref(self._incoming), many, self._outgoing)
        return [_read(c_void_p(buffer), tensor) for buffer, tensor in zip(self._outgoing, self.outputs, strict=True)]


@cache
def _library() -> ctypes.CDLL:
    spec = find_spec("ai_edge_litert")
    if spec is None or not spec.submodule_search_locations:
        raise OSError("ai-edge-litert is not installed")
    return ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "libLiteRt.so"))


def _call(name: str, *arguments: Any) -> None:
    status = getattr(_library(), "LiteRt" + name)(*arguments)
    if status:
        raise OSError(f"LiteRT says {status} to {name}")


@cache
def _environment() -> c_void_p:
    """One for the process. Unasked, it would look for graphics cards, and tell at length of not finding any."""
    options = (_EnvironmentOption * 2)(
        _EnvironmentOption(_OPTION_ACCELERATORS, _Any(_ANY_INT, _CPU)),
        _EnvironmentOption(_OPTION_LEAST_SEVERITY, _Any(_ANY_INT, _ERROR)),
    )
    environment = c_void_p()
    _call("CreateEnvironment", c_int(len(options)), options, byref(environment))
    return environment


def _options(threads: int) -> c_void_p:
    options, processor = c_void_p(), c_void_p()
    _call("CreateOptions", byref(options))
    _call("SetOptionsHardwareAccelerators", options, c_int(_CPU))
    if threads > 1:
        settings = _kept(f"num_threads = {threads}\n".encode())
        _call("CreateOpaqueOptions", b"xnnpack", settings, _keep, byref(processor))
        _call("AddOpaqueOptions", options, processor)
    return options


@cache
def _kept(text: bytes) -> ctypes.Array[ctypes.c_char]:
    """Memory that LiteRT goes on pointing to."""
    return ctypes.create_string_buffer(text)


def _count(signature: c_void_p, side: str) -> int:
    count = c_size_t()
    _call(f"GetNumSignature{side}s", signature, byref(count))
    return count.value


def _tensor(signature: c_void_p, side: str, index: int) -> tuple[Tensor, _TensorType]:
    tensor = c_void_p()
    _call(f"GetSignature{side}TensorByIndex", signature, c_size_t(index), byref(tensor))
    kind, quantization = _TensorType(), _Quantization(1.0, 0)
    _call("GetRankedTensorType", tensor, byref(kind))
    if kind.element not in _TYPES:
        raise ValueError(f"the model's {side.lower()} is of type {kind.element}, expected uint8, int8 or float32")
    if _TYPES[kind.element] != "f":
        _call("GetPerTensorQuantization", tensor, byref(quantization))
    shape = tuple(kind.layout.dimensions[: kind.layout.rank & 0x7F])
    return Tensor(shape, _TYPES[kind.element], quantization.scale, quantization.zero_point), kind


def _read(buffer: c_void_p, tensor: Tensor) -> array.array[Any]:
    result = array.array(tensor.typecode)
    size = math.prod(tensor.shape) * result.itemsize
    _within(buffer, _READ, lambda address: result.frombytes(ctypes.string_at(address, size)))
    return result


def _within(buffer: c_void_p, mode: int, use: Callable[[int], object]) -> None:
    address = c_void_p()
    _call("LockTensorBuffer", buffer, byref(address), c_int(mode))
    try:
        use(address.value or 0)
    finally:
        _call("UnlockTensorBuffer", buffer)
