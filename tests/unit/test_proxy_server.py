"""The Python proxy's server, in a thread: deadlines that a container could only show slowly."""

from __future__ import annotations

import socket
import threading

import pytest

from infra.runtime.proxy import http
from infra.runtime.proxy.action import LoadedAction
from infra.runtime.proxy.preload import Preloaded
from infra.runtime.proxy.server import Server


@pytest.mark.parametrize("sent", [b"P", b"POST /run HTTP/1.1\r\n", b"POST /run HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"])
def test_slow_request_is_ended(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that does not become complete in time is refused and its connection closed."""
    monkeypatch.setattr(http, "TIMEOUT_REQUEST", 0.1)
    ours, theirs = socket.socketpair()
    server = Server(theirs, LoadedAction(Preloaded((), ())), alone=True)
    thread = threading.Thread(target=server.serve)
    thread.start()
    with ours:
        ours.settimeout(20)
        ours.sendall(sent)
        answer = b""
        while data := ours.recv(1000):
            answer += data
        assert answer.startswith(b"HTTP/1.1 408 ")
    thread.join(20)
    assert not thread.is_alive()
    server.selector.close()
