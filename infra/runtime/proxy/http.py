"""HTTP/1.1, as much of it as the contract needs: requests in, responses out, over one connection."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from .replies import RequestRefused, encode_refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_HEAD = 16 << 10
# OpenWhisk allows 48 MB of code as sent; JSON escapes make plain code longer.
LIMIT_INIT = 72 << 20
# OpenWhisk allows 1 MiB of arguments; a sender that escapes everything beyond ASCII makes up to three of it.
LIMIT_RUN = 4 << 20
# Seconds a client may take over one request, and over one read of a response.
TIMEOUT_REQUEST = 30.0

REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
}


class Head:
    """A request's first line and what matters of its headers."""

    __slots__ = ("expects", "keep", "length", "method", "path")

    def __init__(self, method: str, path: str, length: int | None, *, keep: bool, expects: bool) -> None:
        self.method = method
        self.path = path
        self.length = length
        self.keep = keep
        self.expects = expects


def parse_head(block: bytes) -> Head:
    first, *lines = block.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not first.isascii():
        raise RequestRefused(400, "The request line is malformed.")
    headers = parse_headers(lines)
    if b"transfer-encoding" in headers:
        raise RequestRefused(411, "Send Content-Length instead of chunks.")
    connection = headers.get(b"connection", b"").lower()
    keep = connection == b"keep-alive" if parts[2] == b"HTTP/1.0" else connection != b"close"
    return Head(
        parts[0].decode(),
        parts[1].decode(),
        content_length(headers.get(b"content-length")),
        keep=keep,
        expects=headers.get(b"expect", b"").lower() == b"100-continue",
    )


def parse_headers(lines: Sequence[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        key = name.lower()
        if not colon or not name or name.strip() != name or (key == b"content-length" and key in headers):
            raise RequestRefused(400, "A header is malformed.")
        headers[key] = value.strip()
    return headers


def content_length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > 15:
        raise RequestRefused(400, "Content-Length is malformed.")
    return int(value)


def body_length(head: Head) -> int:
    """How many bytes follow the head. Refuses before they are read."""
    if head.length is None:
        if head.method == "POST":
            raise RequestRefused(411, "Content-Length is missing.")
        return 0
    limit = LIMIT_INIT if head.path == "/init" else LIMIT_RUN
    if head.length > limit:
        raise RequestRefused(413, f"The request's body is larger than {limit} bytes.")
    return head.length


def response(status: int, body: bytes, *, keep: bool) -> bytes:
    """Head and body in one piece: sent as two, the second waits for the first's acknowledgement (40 ms)."""
    connection = "keep-alive" if keep else "close"
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {connection}\r\n\r\n"
    )
    return head.encode() + body


class ClientConnection:
    """One client: the bytes it has sent so far, and until when the request they begin must be complete."""

    __slots__ = ("buffer", "deadline", "discarding", "head", "needed", "socket")

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.buffer = bytearray()
        self.head: Head | None = None
        self.needed = 0
        self.deadline: float | None = None
        # A refused request's remaining bytes are read and dropped, so that the refusal is not lost to a reset.
        self.discarding = False

    def receive(self) -> bool:
        """Take in what has come; False once the client is gone."""
        size = min(max(65536, self.needed - len(self.buffer)), 1 << 20)
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.deadline is None:
            self.deadline = time.monotonic() + TIMEOUT_REQUEST
        if not self.discarding:
            self.buffer += data
        return bool(data)

    def next_request(self) -> tuple[Head, bytes] | None:
        """A complete request, if there is one. Raises `Refused` for one that cannot become one."""
        if self.head is None:
            self._read_head()
        if self.head is None or len(self.buffer) < self.needed:
            return None
        head, body = self.head, bytes(memoryview(self.buffer)[: self.needed])
        del self.buffer[: self.needed]
        self.head = None
        self.deadline = time.monotonic() + TIMEOUT_REQUEST if self.buffer else None
        return head, body

    def _read_head(self) -> None:
        end = self.buffer.find(b"\r\n\r\n", 0, LIMIT_HEAD)
        if end < 0:
            if len(self.buffer) >= LIMIT_HEAD:
                raise RequestRefused(431, "The request's head is too long.")
            return
        head = parse_head(bytes(self.buffer[:end]))
        del self.buffer[: end + 4]
        self.needed = body_length(head)
        self.head = head
        if head.expects and not self.buffer:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send(self, data: bytes) -> bool:
        try:
            self.socket.settimeout(TIMEOUT_REQUEST)
            self.socket.sendall(data)
            self.socket.setblocking(False)
        except OSError:
            return False
        return True

    def refuse(self, refused: RequestRefused) -> bool:
        self.discarding = True
        self.buffer.clear()
        if not self.send(response(refused.status, encode_refusal(refused), keep=False)):
            return False
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return True
