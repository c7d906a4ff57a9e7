"""Quotas as in a stock OpenWhisk, and a pool that is full."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.host.activations.throttle import OPENWHISK_QUOTAS, Quotas
from tests.contract.host.served import Namespace, Served, serving
from tests.doubles import InProcessPool

COUNT = "import time\ndef main(params):\n    time.sleep(0.05)\n    return {'n': params.get('n', 0) + 1}\n"
SLOW = "import time\ndef main(params):\n    time.sleep(1)\n    return {}\n"


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Namespace]:
    """A namespace under OpenWhisk's quotas, at a moment when its minute does not end too soon."""
    with serving(tmp_path, InProcessPool(), quotas=OPENWHISK_QUOTAS, namespaces=1, clock=lambda: 1e9) as served:
        yield from opened(served)


def opened(served: Served) -> Iterator[Namespace]:
    namespace = served.fresh()
    with closing(namespace):
        yield namespace


def at_once(namespace: Namespace, path: str, count: int) -> list[httpx.Response]:
    async def all_of_them() -> list[httpx.Response]:
        user, _, secret = namespace.key.partition(":")
        async with httpx.AsyncClient(base_url=namespace.url, auth=(user, secret), timeout=60) as client:
            url = f"/api/v1/namespaces/_/{path}"
            return list(await asyncio.gather(*(client.post(url, json={}) for _ in range(count))))

    return asyncio.run(all_of_them())


def test_invocations_a_minute(stock: Namespace) -> None:
    """The sixty-first is refused, in the words clients wait on."""
    stock.action("echo")
    for _ in range(60):
        assert stock.ask("POST", "actions/echo?blocking=true", {}).status_code == 200
    assert stock.refused("POST", "actions/echo", {}) == (
        429,
        "Too many requests in the last minute (count: 61, allowed: 60).",
    )


def test_fires_a_minute_and_the_invocations_they_cost(stock: Namespace) -> None:
    """A fire is accepted while invocations are not; its rule's line then holds the refusal, and the event is gone."""
    stock.action("echo")
    stock.ok("PUT", "triggers/t", {})
    stock.ok("PUT", "rules/r", {"trigger": "/_/t", "action": "/_/echo"})
    for _ in range(30):
        stock.ok("POST", "actions/echo?blocking=true", {})
    fires = [stock.ok("POST", "triggers/t", {})["activationId"] for _ in range(60)]
    assert stock.refused("POST", "triggers/t", {})[0] == 429
    lines = [json.loads(stock.record(fire)["logs"][0]) for fire in fires]
    assert [line["success"] for line in lines] == [True] * 30 + [False] * 30
    assert lines[-1] == {
        "rule": f"{stock.name}/r",
        "action": f"{stock.name}/echo",
        "statusCode": 1,
        "success": False,
        "error": "Too many requests in the last minute (count: 90, allowed: 60).",
    }


def test_in_flight(stock: Namespace) -> None:
    """Thirty at once, and no more."""
    stock.action("slow", SLOW)
    answers = at_once(stock, "actions/slow?blocking=true", 32)
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 429]
    assert refused == ["Too many concurrent requests in flight (count: 31, allowed: 30)."] * 2
    assert sum(answer.status_code == 200 for answer in answers) == 30


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Namespace]:
    """A pool that takes two calls."""
    with serving(tmp_path, InProcessPool(capacity=2), namespaces=1) as served:
        yield from opened(served)


@pytest.mark.parametrize("path", ["actions/slow", "actions/slow?blocking=true", "actions/first?blocking=true"])
def test_a_full_pool_is_told_of_at_once(small: Namespace, path: str) -> None:
    """By a 429 and no record, whether or not anyone waits, and for a sequence that has not begun."""
    small.action("slow", SLOW)
    small.sequence("first", "/_/slow")
    answers = at_once(small, path, 3)
    refused = [answer.json() for answer in answers if answer.status_code == 429]
    assert [each["error"] for each in refused] == ["Too many concurrent requests in flight (count: 3, allowed: 2)."]
    time_of = {answer.status_code: answer.elapsed for answer in answers}
    assert min(time_of.values()) == time_of[429] or path == "actions/slow"


def test_a_sequence_that_has_begun_waits_for_room(small: Namespace) -> None:
    """Its work so far is not thrown away because others came in between."""
    small.action("quick", COUNT)
    small.sequence("long", *["/_/quick"] * 6)
    ends: list[Any] = at_once(small, "actions/long?blocking=true&result=true", 2)
    assert [end.json() for end in ends] == [{"n": 6}] * 2


def test_a_new_minute_begins_with_nothing_used(tmp_path: Path) -> None:
    """The count is the clock minute's."""
    moment = [1e9]
    quotas = Quotas(invocations=1, fires=1, concurrent=9)
    with serving(tmp_path, InProcessPool(), quotas=quotas, namespaces=1, clock=lambda: moment[0]) as served:
        namespace = served.fresh()
        namespace.action("echo")
        assert namespace.ask("POST", "actions/echo?blocking=true", {}).status_code == 200
        assert namespace.ask("POST", "actions/echo", {}).status_code == 429
        moment[0] += 60
        assert namespace.ask("POST", "actions/echo?blocking=true", {}).status_code == 200
        namespace.close()
    assert time.time() > moment[0]
