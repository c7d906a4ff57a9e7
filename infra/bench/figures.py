"""The arithmetic of measurements: how values spread, what a call costs, how two rates compare. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# As functions were billed when the system of 2018 was measured: dollars a gigabyte-second, in steps of so many ms.
DOLLARS = 0.000017
STEP = 100.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Some measurements of one thing, in the unit they were taken in."""

    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    best: float
    worst: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """At least one value."""
        return cls(
            len(values),
            math.fsum(values) / len(values),
            percentile(values, 0.5),
            percentile(values, 0.95),
            percentile(values, 0.99),
            min(values),
            max(values),
        )

    def dump(self) -> dict[str, Any]:
        return {
            "count": self.count,
            **{name: round_figures(getattr(self, name)) for name in ("mean", "p50", "p95", "p99", "best", "worst")},
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed, between two of them where it falls between."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def ratio(ours: float, theirs: float) -> float | None:
    """None where there is nothing to compare with."""
    return round(ours / theirs, 3) if theirs else None


def gigabyte_seconds(milliseconds: float, megabytes: float) -> float:
    """What a call of so long is billed as: its time rounded up to the next step."""
    return math.ceil(max(milliseconds, 1) / STEP) * STEP / 1000 * megabytes / 1024


def calls_a_dollar(billed: float) -> int:
    """How many calls of so many gigabyte-seconds a dollar buys, to the nearest thousand."""
    return round(1 / (billed * DOLLARS) / 1000) * 1000


def round_figures(value: float) -> float:
    """Three significant digits below a hundred, one decimal above: more would be noise."""
    return round(value, 1) if abs(value) >= 100 else float(f"{value:.3g}")
