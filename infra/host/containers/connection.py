"""The host's end of the one connection to a container: HTTP/1.1, one request at a time, nothing more."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import cast

# How much of a response beyond its limit is read and dropped before the container is given up.
LIMIT_DISCARDED = 64 << 20
# A proxy's takes about a hundred bytes.
LIMIT_HEAD = 64 << 10


class Lost(Exception):
    """The connection ended, or what came over it is no HTTP, before the response was complete."""


class TooSlow(Exception):
    """The time for the response is over."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a container answered. `body` holds the first bytes only where the announced `length` is over the limit."""

    status: int
    length: int
    body: bytes


class Wire(asyncio.Protocol):
    """One connection. Not shared: the second request waits for the first's response by whoever makes them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._head: tuple[int, int] | None = None
        self._discard = 0
        self._response: asyncio.Future[Response] | None = None

    async def request(self, method: str, path: str, body: bytes, timeout_seconds: float) -> Response:
        """Send and await the response. Raises `Lost` or `TooSlow`; after either the connection is of no more use."""
        if self._transport is None or self._transport.is_closing():
            raise Lost
        loop = asyncio.get_running_loop()
        self._response = loop.create_future()
        timer = loop.call_later(timeout_seconds, self._fail, TooSlow())
        head = f"{method} {path} HTTP/1.1\r\nHost: action\r\nContent-Type: application/json\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            return await self._response
        finally:
            timer.cancel()
            self._response = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports are asyncio's by shape, not by inheritance.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _failure: Exception | None) -> None:
        self._fail(Lost())

    def data_received(self, data: bytes) -> None:
        if self._discard:
            dropped = min(self._discard, len(data))
            self._discard -= dropped
            data = data[dropped:]
        self._buffer += data
        try:
            self._advance()
        except ValueError:
            self._fail(Lost())
            self.close()

    def _advance(self) -> None:
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n", 0, LIMIT_HEAD)
            if end < 0:
                if len(self._buffer) >= LIMIT_HEAD:
                    raise ValueError("a head without an end")
                return
            self._head = parse_head(bytes(self._buffer[:end]))
            del self._buffer[: end + 4]
        status, length = self._head
        kept = min(length, self._limit)
        if len(self._buffer) >= kept:
            self._complete(Response(status, length, bytes(self._buffer[:kept])))

    def _complete(self, response: Response) -> None:
        # What is over the limit still comes. Unread it would block the container in the middle of its answer, and a
        # warm container would be lost to one long result.
        self._discard = max(0, response.length - len(self._buffer))
        self._buffer.clear()
        self._head = None
        if self._discard > LIMIT_DISCARDED:
            self.close()
        if self._response is not None and not self._response.done():
            self._response.set_result(response)

    def _fail(self, failure: Exception) -> None:
        if self._response is not None and not self._response.done():
            self._response.set_exception(failure)


def parse_head(block: bytes) -> tuple[int, int]:
    """Status and body length. Raises `ValueError` for anything a proxy of ours would not send."""
    first, *lines = block.split(b"\r\n")
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(first.split(b" ")[1]), int(value)
    raise ValueError(first)


async def connect(connected: socket.socket, limit: int) -> Wire:
    """Take over a connected Unix socket; responses are kept up to `limit` bytes."""
    _, wire = await asyncio.get_running_loop().create_unix_connection(lambda: Wire(limit), sock=connected)
    return wire
