"""The client of OpenWhisk that `deploy` and `undeploy` use, where a quota is used up in their midst."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from infra.host.activations.throttle import Quotas
from infra.openwhisk.client import Patience, Throttled, Whisk
from tests.contract.host.served import Namespace, serving
from tests.doubles import InProcessPool


class Clock:
    """Stands still until somebody is made to wait; then the next minute begins."""

    def __init__(self) -> None:
        self.now = 1e9
        self.heard: list[str] = []

    def wait(self, message: str) -> None:
        self.heard.append(message)
        self.now += 60


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def narrow(tmp_path: Path, clock: Clock) -> Iterator[Namespace]:
    """A namespace that may invoke once a minute."""
    quotas = Quotas(invocations=1)
    with serving(tmp_path, InProcessPool(), quotas=quotas, namespaces=1, clock=lambda: clock.now) as served:
        namespace = served.fresh()
        with closing(namespace):
            namespace.action("echo")
            yield namespace


def test_what_is_over_the_quota_is_tried_again(narrow: Namespace, clock: Clock) -> None:
    """The caller gets its answers as if there were no quota, and it is said once that it had to wait."""
    with Whisk(narrow.url, narrow.key, patience=Patience(30, clock.wait)) as whisk:
        assert [whisk.invoke("echo", {"n": number}).result for number in range(2)] == [{"n": 0}, {"n": 1}]
    assert len(clock.heard) == 1
    assert "Too many requests in the last minute (count: 2, allowed: 1)." in clock.heard[0]


def test_patience_ends(narrow: Namespace) -> None:
    """A quota that stays used up is an error in OpenWhisk's words after all."""
    heard: list[str] = []
    with Whisk(narrow.url, narrow.key, patience=Patience(0.5, heard.append)) as whisk:
        whisk.invoke("echo", {})
        with pytest.raises(Throttled, match="Too many requests"):
            whisk.invoke("echo", {})
    assert len(heard) == 1


def test_without_patience_a_refusal_is_seen_at_once(narrow: Namespace, clock: Clock) -> None:
    """Nothing is tried twice for a caller that measures."""
    with Whisk(narrow.url, narrow.key) as whisk:
        whisk.invoke("echo", {})
        with pytest.raises(Throttled):
            whisk.invoke("echo", {})
    assert not clock.heard
