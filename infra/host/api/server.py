"""uvicorn, made to stand hostile clients and to stop in time."""

from __future__ import annotations

import asyncio
import json
import socket
from asyncio import TimerHandle
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infra.host.assembly import Host
from infra.host.settings import HostSettings

BACKLOG = 2048
LIMIT_CONNECTIONS = 1000
LIMIT_HEADER_BYTES = 64 * 1024
LIMIT_HEADERS = 200
TIMEOUT_HEADERS_SECONDS = 10.0
# Longer than clients keep idle connections, so that it is they who close: a POST on a closing connection is lost.
TIMEOUT_IDLE_SECONDS = 120
# What is still waited for then is answered 202; with draining and the pool's stop, all ends within five seconds.
TIMEOUT_WAITS_SECONDS = 1.5
TIMEOUT_STOP_SECONDS = 2


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections that send headers too slowly or too many of them; bodies are bounded where they are read."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: TimerHandle | None = None
        self._in_headers = True
        self._pending_bytes = 0
        self._header_bytes = 0
        self._served = False
        # Since when it asks for nothing, or has not said what for; None while it waits for an answer.
        self._idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > LIMIT_CONNECTIONS and not self._replace_idle():
            transport.abort()
            return
        self._idle_since = self.loop.time()
        self._set_deadline()

    def _replace_idle(self) -> bool:
        """Close the connection that has been idle for longest, one that never asked for anything before others."""
        idle = [each for each in self.connections if isinstance(each, BoundedProtocol) and each.idleness is not None]
        oldest = min(idle, key=lambda each: each.idleness or (False, 0.0), default=None)
        if oldest is not None:
            oldest.transport.abort()
        return oldest is not None

    @property
    def idleness(self) -> tuple[bool, float] | None:
        """Whether it has ever been answered, and since when it is idle; None where it is not."""
        return None if self._idle_since is None or self.transport.is_closing() else (self._served, self._idle_since)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._in_headers and self._pending_bytes > LIMIT_HEADER_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0
        self._set_deadline()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._pending_bytes = 0
        self._idle_since = None
        self._clear_deadline()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        self._served, self._idle_since = True, self.loop.time()
        super().on_response_complete()

    def on_message_complete(self) -> None:
        self._pending_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, but in OpenWhisk's shape."""
        body = json.dumps({"error": msg, "code": "malformed"}).encode()
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > LIMIT_HEADER_BYTES or len(self.headers) >= LIMIT_HEADERS:
            # The parser turns this into its own error, and uvicorn that into a 400.
            raise ValueError("headers too large")

    def _set_deadline(self) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(TIMEOUT_HEADERS_SECONDS, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class HostServer(uvicorn.Server):
    """Gives waiting callers a moment at the stop, then their activation's id."""

    def __init__(self, config: uvicorn.Config, host: Host) -> None:
        super().__init__(config)
        self._host = host

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(TIMEOUT_WAITS_SECONDS, self._host.dispatch.close)
        await super().shutdown(sockets)


def server(host: Host, app: ASGIApp) -> HostServer:
    settings = host.settings
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=TIMEOUT_IDLE_SECONDS,
        timeout_graceful_shutdown=TIMEOUT_STOP_SECONDS,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    return HostServer(config, host)


def listen(settings: HostSettings) -> socket.socket:
    """The listening socket. Raises `OSError` where the port is taken or the address is not this machine's."""
    if settings.listening is not None:
        listening = socket.socket(fileno=settings.listening)
        # Nothing that is started here has a use for it.
        listening.set_inheritable(False)
        return listening
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((settings.host, settings.port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
