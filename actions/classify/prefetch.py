"""Fetching ahead: while one image is classified the next ones arrive, a bounded number of them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from actions.classify.fetched import Fetched, Removed, Unfetched
from actions.events import ObjectEvent

# Three connections keep two cores fed; together with the image in work, at most five are held at once.
_CONNECTIONS = 3
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object as it came, or why it did not, and how long that took."""

    result: Fetched | Removed | Unfetched
    milliseconds: float

    def close(self) -> None:
        """Let go of the object's bytes."""
        if isinstance(self.result, Fetched):
            self.result.file.close()


Fetch = Callable[[ObjectEvent], Fetched | Removed | Unfetched]


def arrive(fetch: Fetch, event: ObjectEvent) -> Arrival:
    """Fetch one object now. What trying again may cure is raised, not returned."""
    begun = time.perf_counter()
    result = fetch(event)
    return Arrival(result, (time.perf_counter() - begun) * 1000)


def arrivals(fetch: Fetch, events: Sequence[ObjectEvent]) -> Iterator[Arrival]:
    """Fetch all, in order, a few ahead of what is asked for. Leaving early cancels and closes the rest.

    A single event is fetched by the caller's own thread.
    """
    if len(events) == 1:
        yield arrive(fetch, events[0])
        return
    waiting: deque[Future[Arrival]] = deque()
    remaining = iter(events)
    try:
        for event in remaining:
            waiting.append(_connections().submit(arrive, fetch, event))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            if not future.cancel():
                future.add_done_callback(_discard)


def _discard(future: Future[Arrival]) -> None:
    if future.exception() is None:
        future.result().close()


@cache
def _connections() -> ThreadPoolExecutor:
    """Kept for the container's life, like the connections its threads use."""
    return ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="fetch")
