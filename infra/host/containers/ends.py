"""What connects a container with this host: a socket for requests, a pipe for each of its streams, and its lifeline.

The lifeline is a pipe that nothing is written to. The container holds its read end; when its last writer is gone, which
is this host, the kernel kills the container's whole process group.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
from collections.abc import Sequence

# fcntl has no name for it before Python 3.13.
F_SETSIG = 10


class Ends:
    """Both ends of all four, until `close_given`; ours are closed by whoever takes them, or all by `close`."""

    def __init__(self) -> None:
        self.connection, self._given_connection = socket.socketpair()
        self._reading, self.lifeline = os.pipe()
        self.stdout, self._given_stdout = os.pipe()
        self.stderr, self._given_stderr = os.pipe()

    @property
    def given(self) -> Sequence[int]:
        """The container's: connection, stdout, stderr, and the read end of the lifeline."""
        return self._given_connection.fileno(), self._given_stdout, self._given_stderr, self._reading

    def close_given(self) -> None:
        """Once the container has its own copies."""
        self._given_connection.close()
        for each in (self._given_stdout, self._given_stderr, self._reading):
            os.close(each)

    def close(self) -> None:
        """Ours, where no container came of it."""
        self.connection.close()
        for each in (self.lifeline, self.stdout, self.stderr):
            os.close(each)

    def kill_with_us(self, group: int) -> None:
        """Have the kernel kill `group` when this host is gone.

        Unlike PR_SET_PDEATHSIG this needs no code in the child, reaches its children, and does not depend on the thread
        that started it. It is a property of the open pipe, so it stays with the container's copy.
        """
        fcntl.fcntl(self._reading, fcntl.F_SETOWN, -group)
        fcntl.fcntl(self._reading, F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(self._reading, fcntl.F_SETFL, fcntl.fcntl(self._reading, fcntl.F_GETFL) | os.O_ASYNC)
