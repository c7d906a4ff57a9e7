"""Who is served when: one request at a time, from any number of open connections."""

from __future__ import annotations

import selectors
import socket
import time

from .http import ClientConnection, response
from .logs import end_logs, show
from .replies import RequestRefused, encode_refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .action import LoadedAction
    from .http import Head
    from .replies import Reply

LIMIT_CONNECTIONS = 32


class Server:
    """Serves one request at a time, in the calling thread, from any number of open connections."""

    def __init__(self, served: socket.socket, action: LoadedAction, *, alone: bool) -> None:
        self.listener = served
        self.action = action
        self.connections: dict[int, ClientConnection] = {}
        self.selector = selectors.DefaultSelector()
        self.alone = alone
        if alone:
            self._admit(served)
        else:
            served.setblocking(False)
            self.selector.register(served, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve until the only connection is over, or for ever where there is a listener."""
        while self.connections or not self.alone:
            for key, _ in self.selector.select(self._patience()):
                connection = self.connections.get(key.fd)
                if connection is None:
                    self._accept()
                elif not self._serve_connection(connection):
                    self._close(connection)
            self._expire()

    def _patience(self) -> float | None:
        deadlines = [each.deadline for each in self.connections.values() if each.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections.values()):
            if connection.deadline is not None and connection.deadline <= now:
                if not connection.discarding:
                    connection.refuse(RequestRefused(408, "The request took too long."))
                self._close(connection)

    def _accept(self) -> None:
        try:
            accepted, _ = self.listener.accept()
        except OSError:
            return
        if len(self.connections) >= LIMIT_CONNECTIONS:
            # The first is the one that has been silent longest.
            self._close(next(iter(self.connections.values())))
        self._admit(accepted)

    def _admit(self, accepted: socket.socket) -> None:
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setblocking(False)
        self.connections[accepted.fileno()] = ClientConnection(accepted)
        self.selector.register(accepted, selectors.EVENT_READ)

    def _close(self, connection: ClientConnection) -> None:
        del self.connections[connection.socket.fileno()]
        self.selector.unregister(connection.socket)
        connection.socket.close()

    def _serve_connection(self, connection: ClientConnection) -> bool:
        """Answer every complete request that has come; False where the connection is over."""
        if not connection.receive():
            return False
        self.connections[connection.socket.fileno()] = self.connections.pop(connection.socket.fileno())
        if connection.discarding:
            return True
        try:
            while request := connection.next_request():
                head, body = request
                status, answer = self._answer(head, body)
                if not connection.send(response(status, answer, keep=head.keep)) or not head.keep:
                    return False
        except RequestRefused as refused:
            return connection.refuse(refused)
        return True

    def _answer(self, head: Head, body: bytes) -> Reply:
        try:
            return self._route(head, body)
        except RequestRefused as refused:
            return refused.status, encode_refusal(refused)
        except Exception as failure:  # noqa: BLE001 - process boundary: a mistake of ours must not end the container
            show(failure)
            return 500, b'{"error":"The proxy failed. See logs for details."}'

    def _route(self, head: Head, body: bytes) -> Reply:
        if head.path == "/" and head.method == "GET":
            return 200, b'{"ok":true}'
        if head.path not in ("/init", "/run"):
            raise RequestRefused(404, "Only /init and /run are here.")
        if head.method != "POST":
            raise RequestRefused(405, "Only POST is allowed.")
        if head.path == "/run":
            try:
                return self.action.run(body)
            finally:
                end_logs()
        try:
            return self.action.init(body)
        except RequestRefused:
            end_logs()
            raise
