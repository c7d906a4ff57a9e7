"""Something a thread can wait for beside sockets, and others set."""

from __future__ import annotations

import contextlib
import socket
from select import select


class Wake:
    """Set by any thread, waited for by one. A socket, so that a database's connection can be waited for with it."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)

    def set(self) -> None:
        """Let whoever waits go on, now or as soon as it waits; any number of times is once."""
        # Full: it is set, many times over. Closed: nobody waits any more.
        with contextlib.suppress(OSError):
            self._writing.send(b"\0")

    def wait(self, timeout: float, beside: int | None = None) -> bool:
        """Until it is set, the file descriptor `beside` has something to read, or `timeout` (s) is over; then it is no
        longer set. Whether there is something to read `beside` it.
        """
        watched = [self._reading.fileno()] if beside is None else [self._reading.fileno(), beside]
        readable, _, _ = select(watched, [], [], max(timeout, 0))
        if self._reading.fileno() in readable:
            self._reading.recv(65536)
        return beside in readable

    def close(self) -> None:
        self._reading.close()
        self._writing.close()
