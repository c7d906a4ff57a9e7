"""Quotas of a namespace: how many a minute, how many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from infra.host.errors import too_many_concurrent, too_many_requests


@dataclass(frozen=True, slots=True)
class Quotas:
    """Per namespace: invocations and fires in a clock minute, activations in flight."""

    invocations: int = 60_000
    fires: int = 60_000
    concurrent: int = 200


# What a stock OpenWhisk grants.
OPENWHISK_QUOTAS = Quotas(60, 60, 30)


class MinuteCounter:
    """Counts per namespace; starts anew with each minute of the clock, as OpenWhisk's does."""

    def __init__(self, allowed: int, clock: Callable[[], float]) -> None:
        self._allowed = allowed
        self._clock = clock
        self._minute = -1
        self._counts: Counter[str] = Counter()

    def count(self, namespace: str) -> None:
        """Note one more, or raise the 429."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute = minute
            self._counts.clear()
        # Refused ones count as well, as OpenWhisk's do: who hammers away stays refused until the minute is over.
        self._counts[namespace] += 1
        if self._counts[namespace] > self._allowed:
            raise too_many_requests(self._counts[namespace], self._allowed)


# Requests without a key at once. A page takes milliseconds; what more there is would only wait.
LIMIT_KEYLESS = 32


class Throttle:
    """The quotas of all namespaces and what they have used of them."""

    def __init__(self, quotas: Quotas, clock: Callable[[], float]) -> None:
        self.quotas = quotas
        self._invocations = MinuteCounter(quotas.invocations, clock)
        self._fires = MinuteCounter(quotas.fires, clock)
        self._in_flight: Counter[str] = Counter()
        self._keyless = 0

    def fire(self, namespace: str) -> None:
        self._fires.count(namespace)

    def enter(self, namespace: str) -> None:
        """Admit one invocation, by rate and by what is in flight, or raise the 429; `leave` when it has ended.

        Counted here, not where it begins to run: of many that arrive together none has begun yet.
        """
        self._invocations.count(namespace)
        count = self._in_flight[namespace] + 1
        if count > self.quotas.concurrent:
            raise too_many_concurrent(count, self.quotas.concurrent)
        self._in_flight[namespace] = count

    @contextmanager
    def keyless(self) -> Iterator[None]:
        """Admit one request of anybody at all, or raise the 429 before anything of it is read or run."""
        if self._keyless >= LIMIT_KEYLESS:
            raise too_many_concurrent(self._keyless + 1, LIMIT_KEYLESS)
        self._keyless += 1
        try:
            yield
        finally:
            self._keyless -= 1

    def busy(self, namespace: str) -> Exception:
        """The 429 for a pool whose queue is full, whatever the quota says."""
        in_flight = self._in_flight[namespace]
        return too_many_concurrent(in_flight + 1, in_flight)

    def leave(self, namespace: str) -> None:
        self._in_flight[namespace] -= 1

    @property
    def in_flight(self) -> int:
        return self._in_flight.total()
