"""What OpenWhisk makes of a container's answers that our own proxies never give."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.host.activations.dispatch import arguments
from infra.host.calls import Call, Executable
from infra.host.containers.connection import Lost, Response, TooSlow, connect
from infra.host.containers.container import LIMIT_RESULT, error_of, outcome, run_body
from infra.host.json_bodies import KEPT_FROM, WrittenObject, parse_object


def answer(status: int, body: bytes) -> Response:
    return Response(status, len(body), body)


@pytest.mark.parametrize(
    ("response", "status", "result"),
    [
        (answer(200, b"3"), 2, {"error": "The action did not produce a valid JSON or JSON Array response: 3"}),
        (answer(200, b""), 2, {"error": "The action did not produce a valid JSON or JSON Array response."}),
        (answer(200, b"{"), 2, {"error": "The action did not produce a valid JSON or JSON Array response: {"}),
        (answer(404, b'{"error": {"a": 1}}'), 2, {"error": {"a": 1}}),
        (
            answer(500, b'{"a": 1}'),
            2,
            {"error": 'The action did not produce a valid JSON or JSON Array response: {"a": 1}'},
        ),
        (answer(200, b'{"error": null, "b": 1}'), 1, {"error": None}),
    ],
)
def test_outcome(response: Response, status: int, result: object) -> None:
    """Anything but a result is a developer error that shows what was said."""
    ended = outcome(response)
    assert (ended.status, ended.result) == (status, result)


def test_exactly_the_limit_is_allowed() -> None:
    """A response of a megabyte passes; one byte more does not."""
    body = b'["' + b"x" * (LIMIT_RESULT - 4) + b'"]'
    assert outcome(answer(200, body)).status == 0
    assert outcome(Response(200, LIMIT_RESULT + 1, body)).status == 1


def test_initialisation_errors() -> None:
    """An initialisation that fails without a word says so."""
    words = "The action failed during initialization"
    assert error_of(answer(502, b""), words) == {"error": f"{words}."}
    assert error_of(answer(502, b"oops"), words) == {"error": f"{words}: oops"}


def test_half_a_surrogate_pair_is_sent() -> None:
    """Arguments that have no UTF-8 are escaped instead."""
    call = Call(Executable("a", "1", "python:3", "main", "", False), {"x": "\ud800"}, {})
    assert json.loads(run_body(call, 1)) == {"value": {"x": "\ud800"}, "deadline": "1"}


@given(
    st.dictionaries(st.sampled_from(["x", "image", "é", "a b"]), st.integers() | st.text(), max_size=3),
    st.dictionaries(st.sampled_from(["x", "image", "é", "a b"]), st.integers() | st.text(max_size=20)),
    st.sampled_from(["", " ", "\n\t"]),
)
def test_long_arguments_arrive_as_short_ones_do(bound: dict[str, object], sent: dict[str, object], space: str) -> None:
    """What is passed on as it was written is, merged over bound parameters, what would have been written anew."""
    sent["long"] = "x" * KEPT_FROM
    payload = parse_object((space + json.dumps(sent) + space).encode())
    assert isinstance(payload, WrittenObject)
    call = Call(Executable("a", "1", "python:3", "main", "", False), arguments(bound, payload), {"activation_id": "1"})
    received = json.loads(run_body(call, 1))
    assert received == {"value": {**bound, **sent}, "activation_id": "1", "deadline": "1"}


def test_long_arguments_beyond_ascii_arrive() -> None:
    """Written anew then, because what is no UTF-8 has been replaced."""
    body = b'{"long": "%s\xc3\xa9\xff"}' % (b"x" * KEPT_FROM)
    call = Call(Executable("a", "1", "python:3", "main", "", False), arguments({}, parse_object(body)), {})
    assert json.loads(run_body(call, 1))["value"] == {"long": "x" * KEPT_FROM + "é\ufffd"}


@pytest.mark.parametrize("twice", ['{"long": "%s", "x": 1, "x": 2}', '{"x": 1, "x": 2, "long": "%s"}'])
def test_of_a_name_that_comes_twice_the_last_counts(twice: str) -> None:
    """For whoever checks arguments and for whoever is called with them alike."""
    payload = parse_object((twice % ("x" * KEPT_FROM)).encode())
    call = Call(Executable("a", "1", "python:3", "main", "", False), arguments({"x": 0}, payload), {})
    assert json.loads(run_body(call, 1))["value"]["x"] == payload["x"] == 2


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (b"nonsense\r\n\r\n", Lost),
        (b"HTTP/1.1 200 OK\r\n\r\n", Lost),
        (b"HTTP/1.1 two OK\r\nContent-Length: 1\r\n\r\n", Lost),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", TooSlow),
        (b"", TooSlow),
        (None, Lost),
    ],
)
def test_bad_responses(said: bytes | None, raised: type[Exception]) -> None:
    """A container that does not speak, speaks no HTTP, or goes away, is told apart."""

    async def talking() -> None:
        ours, theirs = socket.socketpair()
        wire = await connect(ours, 100)
        with theirs:
            if said is None:
                theirs.close()
            else:
                theirs.sendall(said)
            with pytest.raises(raised):
                await wire.request("POST", "/run", b"{}", 0.1)
            wire.close()

    asyncio.run(talking())
