"""HTTP as hostile or clumsy clients speak it: answered in words, and the container lives."""

from __future__ import annotations

import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.proxy.conftest import Start
from tests.contract.proxy.containers import Client

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def exchange(client: Client, sent: bytes, *, end: bool = True) -> bytes:
    """All that comes back for `sent` on a connection of its own, until the proxy closes it."""
    with socket.create_connection((client.container.host, client.container.port), timeout=20) as connection:
        connection.sendall(sent)
        if end:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while data := connection.recv(65536):
            received += data
        return received


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n: empty\r\n\r\n", 400),
        (b"POST /run HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /run HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"POST /run HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (b"POST /run HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /run HTTP/1.1\r\n\r\n", 411),
        (b"POST /run HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST /init HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 20000 + b"\r\n\r\n", 431),
    ],
)
def test_malformed(runtime: Client, sent: bytes, expected: int) -> None:
    """What cannot be a request is refused with the status that says why, and the connection ends."""
    assert status(exchange(runtime, sent, end=False)) == expected
    assert runtime.send("GET", "/") == (200, {"ok": True})


def test_routes(any_runtime: Client) -> None:
    """There is /init and /run, by POST, and / for readiness."""
    assert any_runtime.send("GET", "/") == (200, {"ok": True})
    assert any_runtime.send("POST", "/other", b"{}")[0] == 404
    assert any_runtime.send("GET", "/run")[0] == 405


def test_pipelined_and_split_requests(runtime: Client) -> None:
    """Requests may come together or byte by byte."""
    assert exchange(runtime, GET * 3).count(b"200 OK") == 3
    with socket.create_connection((runtime.container.host, runtime.container.port), timeout=20) as connection:
        for letter in GET:
            connection.sendall(bytes([letter]))
        assert status(connection.recv(65536)) == 200


def test_connection_close_and_old_http(runtime: Client) -> None:
    """A connection ends when the client says so, or speaks HTTP/1.0 without keep-alive."""
    assert exchange(runtime, GET.replace(b"Host: x", b"Connection: close"), end=False).endswith(b'{"ok":true}')
    assert exchange(runtime, GET.replace(b"1.1", b"1.0"), end=False).endswith(b'{"ok":true}')


def test_expect_continue(runtime: Client) -> None:
    """A client that asks before it sends is told to go on."""
    with socket.create_connection((runtime.container.host, runtime.container.port), timeout=20) as connection:
        connection.sendall(b"POST /run HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert status(connection.recv(65536)) == 500


def test_idle_connections_hold_nobody_up(any_runtime: Client) -> None:
    """Open connections, silent or in the middle of a request, do not keep others from being served."""
    address = (any_runtime.container.host, any_runtime.container.port)
    idle = [socket.create_connection(address, timeout=20) for _ in range(50)]
    for connection in idle[::2]:
        connection.sendall(b"POST /run HTTP/1.1\r\nContent-Le")
    for _ in range(3):
        assert any_runtime.send("GET", "/") == (200, {"ok": True})
    for connection in idle:
        connection.close()


def test_vanishing_client(runtime: Client) -> None:
    """A client that goes before its response does no harm."""
    runtime.init("def main(args): return {'x': 'x' * 5_000_000}")
    for _ in range(3):
        with socket.create_connection((runtime.container.host, runtime.container.port), timeout=20) as connection:
            connection.sendall(b"POST /run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    assert runtime.run()[0] == 200


def test_large_code(start: Start) -> None:
    """Code of 40 MB is taken, given the memory; arguments of more than 4 MB are not."""
    runtime = start(memory=512)
    assert runtime.init("def main(args): return {'n': len(args)}\n#" + "x" * (40 << 20))[0] == 200
    assert runtime.run({"x": "x" * (1 << 20)}) == (200, {"n": 1})
    refused = exchange(runtime, b"POST /run HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5000000)
    assert status(refused) == 413


HEAD_PIECES = st.sampled_from(
    [b"POST", b"GET", b" ", b"/run", b"/init", b"HTTP/1.1", b"\r\n", b"\n", b":", b"Content-Length: ", b"5", b"\0",
     b"\xff", b"Transfer-Encoding: chunked\r\n", b"{}", b'{"value":', b"Connection: close\r\n", b"Expect: 100-continue"]
)  # fmt: skip


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(sent=st.one_of(st.binary(max_size=200), st.lists(HEAD_PIECES, max_size=25).map(b"".join)))
def test_any_bytes(runtime: Client, sent: bytes) -> None:
    """Whatever is sent is answered or closed, without an internal error, and the next client is served."""
    answer = exchange(runtime, sent)
    assert b"The proxy failed" not in answer
    assert exchange(runtime, GET).startswith(b"HTTP/1.1 200 OK")
    assert runtime.container.alive()


PATHS = st.sampled_from(["/init", "/init", "/init", "/run"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CODES = st.sampled_from(["", " ", "x = 1", "%%", "UEsDBA==", "H4sI", "UEsFBgAA", "\ud800", "\0"])
INITS = st.dictionaries(st.sampled_from(["main", "binary", "env", "name"]), JSON, max_size=4)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON | st.builds(lambda given, code: {**given, "code": code}, INITS, CODES | JSON), path=PATHS)
def test_any_json(any_runtime: Client, value: object, path: str) -> None:
    """Whatever JSON arrives before there is an action, it is refused as the sender's or the action's mistake."""
    status, body = any_runtime.post(path, {"value": value})
    assert status in ((500,) if path == "/run" else (400, 403, 502)), body
    assert "error" in body
    assert "The proxy failed" not in str(body)
