"""How long from the beginning of a PUT until its row can be read, one upload at a time, in turns with the baseline."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from infra.bench.clients import RowReader, Uploader


@dataclass(frozen=True, slots=True)
class Trickle:
    """`turns` of `uploads` each, so many `a_second`; what came before `settling` uploads of a route is not counted."""

    turns: int = 10
    uploads: int = 20
    a_second: float = 10.0
    settling: int = 5


@dataclass(slots=True)
class Route:
    """One way from an upload to a row, and the milliseconds it took each time."""

    uploader: Uploader
    times: list[float] = field(default_factory=list)


def measure(
    trickle: Trickle,
    routes: Sequence[Route],
    rows: RowReader,
    pictures: Iterator[bytes],
    *,
    prefix: str,
    report: Callable[[int], None],
) -> None:
    """Fill `times` of each route. In turns, so that what else the machine does falls on all alike."""
    numbers = itertools.count()
    for route in routes:
        for _ in range(trickle.settling):
            _upload(route.uploader, rows, next(pictures), f"{prefix}settling-{next(numbers)}")
    for turn in range(trickle.turns):
        for route in routes:
            _turn(trickle, route, rows, pictures, (f"{prefix}{next(numbers)}" for _ in range(trickle.uploads)))
        report((turn + 1) * trickle.uploads * len(routes))


def _turn(trickle: Trickle, route: Route, rows: RowReader, pictures: Iterator[bytes], keys: Iterator[str]) -> None:
    due = time.monotonic()
    for key in keys:
        time.sleep(max(0.0, due - time.monotonic()))
        due += 1 / trickle.a_second
        route.times.append(_upload(route.uploader, rows, next(pictures), key))


def _upload(uploader: Uploader, rows: RowReader, picture: bytes, key: str) -> float:
    signed = uploader.sign(key)
    began = time.perf_counter()
    uploader.put(signed, picture)
    rows.wait(uploader.bucket, key)
    return (time.perf_counter() - began) * 1000
