"""The environment of an action, which changes at every call."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    Text = str | bytes | os.PathLike[str] | os.PathLike[bytes]


class Environment:
    """Puts variables into C's environment, for `os.environ` to use instead of glibc's `setenv`.

    That keeps every value it was ever given: 240 bytes an activation, for ever. Here a name's buffer is used again.
    """

    def __init__(self) -> None:
        self._putenv = ctypes.CDLL(None).putenv
        self._putenv.argtypes = [ctypes.c_char_p]
        self._buffers: dict[bytes, ctypes.Array[ctypes.c_char]] = {}

    def put(self, name: Text, value: Text) -> None:
        """As `os.putenv`."""
        name = os.fsencode(name)
        variable = name + b"=" + os.fsencode(value)
        if not name or b"=" in name:
            raise ValueError("illegal environment variable name")
        if b"\0" in variable:
            raise ValueError("embedded null byte")
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) <= len(variable):
            buffer = ctypes.create_string_buffer(2 * len(variable))
        buffer.value = variable
        if self._putenv(buffer):
            raise MemoryError
        # Only now may the one before go: C has had it until here.
        self._buffers[name] = buffer
