"""A zygote: it has preloaded, knows no action, and each container is a copy of it.

Orders come over its one connection: a line of JSON with descriptors. The copy is made twice over, and the first ends at
once, so that the container is an orphan: whoever adopts the zygote's orphans can wait for it, zygote or no zygote. The
container tells its process number by who sends a `+`, and the zygote the end of the order by a `.`, or by a `-` where
there is no copy.

A copy has what the zygote made of chance at its start: where things lie in memory, and how strings are hashed. Whatever
draws random numbers draws its own (`random` and OpenSSL see that they were copied, `os.urandom` asks the kernel).
"""

# pathlib delays a cold start.
# ruff: noqa: PTH102, PTH103, PTH104, PTH109, PTH118, PTH119, PTH120, PTH208

from __future__ import annotations

import array
import binascii
import ctypes
import json
import os
import select
import socket

from .archive import write_file
from .logs import Logs, show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .action import LoadedAction

LIMIT_ORDER = 64 << 10
# Without an order for so many seconds there is time to prepare for the next.
PAUSE = 0.1
# The container's connection, stdout, stderr, the read end of the pipe that it lives as long as, and its Landlock rules.
LIMIT_DESCRIPTORS = 5

_RESTRICT_SELF = 446
_SET_MODE_FILTER = 1


class Filter(ctypes.Structure):
    """A seccomp filter as the kernel takes it."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class OrderServer:
    """Carries out orders. `lifeline` is its own, `action` what its containers will run."""

    def __init__(self, control: socket.socket, lifeline: int, action: LoadedAction) -> None:
        self.control = control
        self.lifeline = lifeline
        self.action = action
        self.count = 0

    def serve_orders(self) -> socket.socket:
        """Until the connection ends, and the process with it. Returns in each container alone, confined, with the
        connection that it is to serve.
        """
        self.control.setblocking(True)
        while True:
            # Of an action with dozens of files, writing them is half of its start.
            if self.action.prepared is None and not select.select([self.control], [], [], PAUSE)[0]:
                self._prepare()
            if (received := receive(self.control)) is None:
                os._exit(0)
            order, descriptors = received
            if (connection := self._carry_out(order, descriptors)) is not None:
                return connection
            self.action.prepared = None

    def _prepare(self) -> None:
        """Write what has been preloaded into a directory that the next container will have for its own."""
        self.count += 1
        directory = os.path.join(os.getcwd(), f"action-{self.count}-{os.urandom(6).hex()}")
        os.mkdir(directory, 0o700)
        for name, content in self.action.preloaded.contents().items():
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            write_file(path, content)
        self.action.prepared = directory

    def _carry_out(self, order: Mapping[str, Any], descriptors: Sequence[int]) -> socket.socket | None:
        """None in the zygote."""
        made = False
        try:
            first = fork()
            if not first:
                return self._serve_as_copy(order, descriptors)
            made = os.waitpid(first, 0)[1] == 0
        except OSError as failure:
            show(failure)
        for each in descriptors:
            os.close(each)
        self.control.sendall(b"." if made else b"-")
        return None

    def _serve_as_copy(self, order: Mapping[str, Any], descriptors: Sequence[int]) -> socket.socket:
        """In the first copy: make the second and end. In the second: become the container."""
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            os._exit(1)
        try:
            return self._become_container(order, descriptors)
        except BaseException as failure:  # noqa: BLE001 - process boundary: whatever it is, it must not go on unconfined
            show(failure)
            os._exit(1)

    def _become_container(self, order: Mapping[str, Any], descriptors: Sequence[int]) -> socket.socket:
        connection, out, err, _, *rules = descriptors
        # While that is still allowed.
        os.setpgid(0, 0)
        self.control.sendall(b"+")
        self.control.close()
        os.close(self.lifeline)
        for descriptor, kept, number in zip((out, err), Logs.streams, (1, 2), strict=True):
            os.dup2(descriptor, kept, inheritable=False)
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.update(order["environment"])
        os.chdir(order["directory"])
        if self.action.prepared is not None:
            self.action.prepared = take(self.action.prepared, order["directory"])
        confine(rules, order["filter"])
        return socket.socket(fileno=connection)


def take(prepared: str, work: str) -> str:
    """Where it is from now on: a container sees nothing of its zygote's."""
    path = os.path.join(work, os.path.basename(prepared))
    os.rename(prepared, path)
    return path


def fork() -> int:
    """As `os.fork`; a process with several threads is not copied, for the copy would have one of them."""
    if len(os.listdir("/proc/self/task")) > 1:
        raise OSError("a preloaded module runs threads")
    return os.fork()


def receive(control: socket.socket) -> tuple[Mapping[str, Any], Sequence[int]] | None:
    """The next order; None once there will be none."""
    line, descriptors = b"", array.array("i")
    while not line.endswith(b"\n"):
        room = socket.CMSG_SPACE(LIMIT_DESCRIPTORS * descriptors.itemsize)
        data, attached, _, _ = control.recvmsg(LIMIT_ORDER, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return None
        line += data
        for _, _, numbers in attached:
            descriptors.frombytes(numbers)
    return json.loads(line), list(descriptors)


def confine(rules: Sequence[int], wanted: Mapping[str, Any] | None) -> None:
    """Take on rules for files and a filter of system calls, in addition to the zygote's, where there are such."""
    libc = ctypes.CDLL(None, use_errno=True)
    for each in rules:
        check(libc.syscall(_RESTRICT_SELF, ctypes.c_int(each), ctypes.c_uint(0)))
        os.close(each)
    if wanted is not None:
        text = binascii.a2b_base64(wanted["program"])
        program = Filter(len(text) // 8, text)
        flags = ctypes.c_uint(wanted["flags"])
        check(
            libc.syscall(ctypes.c_long(wanted["number"]), ctypes.c_uint(_SET_MODE_FILTER), flags, ctypes.byref(program))
        )


def check(returned: int) -> None:
    if returned < 0:
        raise OSError(ctypes.get_errno(), "the container cannot be confined")
