"""A port of loopback that is ours for as long as a deployment runs, whether or not its service does at the moment.

Otherwise whoever else is on this machine could take the port while the service is being restarted, and would be sent
the key by everything that knows the address.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from infra.services.minio import LOOPBACK
from infra.services.ports import PortTaken

BACKLOG = 2048
# Closing with this resets the connection, as a port does that nobody listens on.
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class HeldPort:
    """`descriptor` is for the service to inherit: it takes the connections."""

    listening: socket.socket

    @property
    def descriptor(self) -> int:
        return self.listening.fileno()

    def refuse(self) -> None:
        """Turn away all who are waiting: the service is not there, and a caller had better know than wait."""
        with contextlib.suppress(BlockingIOError):
            while True:
                caller, _ = self.listening.accept()
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                caller.close()


@contextlib.contextmanager
def hold_port(port: int) -> Iterator[HeldPort]:
    """Listen there. Raises `PortTaken`."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
        except OSError:
            raise PortTaken(f"port {port} has just been taken: choose another") from None
        listening.listen(BACKLOG)
        # Shared with the service: whoever of us is first takes a connection, and the other must not wait for it.
        listening.setblocking(False)
        yield HeldPort(listening)
