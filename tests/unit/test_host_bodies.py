"""Bodies of requests: bounded in size and time while they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.requests import Request

from infra.host.api import request
from infra.host.api.request import read_body
from infra.host.errors import Refusal


def sent(parts: Sequence[bytes], *, ends: bool = True, **headers: str) -> Request:
    """A request whose body arrives in `parts`, and then ends, or never does."""
    left = list(parts)

    async def receive() -> dict[str, Any]:
        if not left and not ends:
            await asyncio.Event().wait()
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left) or not ends}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


def refused(request: Request, limit: int = 10) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        asyncio.run(read_body(request, limit))
    return refusal.value


def test_a_body_in_time_and_size_is_read() -> None:
    """In however many parts, up to the limit."""
    assert asyncio.run(read_body(sent([b"01234", b"", b"56789"]), 10)) == b"0123456789"


def test_a_body_that_dawdles_is_a_408(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for the whole of it: a byte now and then does not help."""
    monkeypatch.setattr(request, "TIMEOUT_BODY_SECONDS", 0.05)
    refusal = refused(sent([b"0"], ends=False))
    assert refusal.status == 408
    assert refusal.headers["Connection"] == "close"


def test_a_body_too_large_is_a_413_before_it_has_come() -> None:
    """By what it says of itself, or as soon as what has come is too much; the rest is not waited for."""
    assert refused(sent([], ends=False, content_length="11")).status == 413
    assert refused(sent([b"x" * 11], ends=False)).status == 413
    assert refused(sent([b"x" * 6, b"x" * 6], ends=False, content_length="3")).status == 413
    assert refused(sent([], ends=False, content_length="9" * 400)).status == 413
