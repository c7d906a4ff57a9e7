"""Limits of actions: their defaults, their bounds, and the words for a value out of bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.host.calls import ActionLimits
from infra.host.errors import Refusal, malformed


@dataclass(frozen=True, slots=True)
class LimitBound:
    """Smallest and largest value of one limit, and how refusals name it: `memory size 1024 MB exceeds …`, and `limit`
    where it is no number.
    """

    least: int
    most: int
    limit: str
    subject: str
    unit: str = ""

    def check(self, value: int) -> None:
        if not self.least <= value <= self.most:
            side, threshold = ("below", self.least) if value < self.least else ("exceeds", self.most)
            words = f"{self.subject} {value}{self.unit} {side} allowed threshold of {threshold}{self.unit}"
            raise Refusal(400, f"requirement failed: {words}")


BOUNDS = {
    "timeout": LimitBound(100, 300_000, "time limit", "duration", " milliseconds"),
    "memory": LimitBound(128, 512, "memory limit", "memory size", " MB"),
    "logs": LimitBound(0, 10, "log limit", "log size", " MB"),
    "concurrency": LimitBound(1, 1, "concurrency limit", "concurrency"),
}

SIZES = frozenset({"memory", "logs"})


def parse_limits(raw: object, base: ActionLimits) -> ActionLimits:
    """`base` with the fields that `raw` gives; unknown fields and nulls are ignored."""
    if raw is None:
        return base
    if not isinstance(raw, dict):
        raise malformed("Object expected in field 'timeout'")
    given: Mapping[str, Any] = raw
    return replace(base, **{name: _parse_bounded(name, given[name]) for name in BOUNDS if given.get(name) is not None})


def _parse_bounded(name: str, value: object) -> int:
    bound = BOUNDS[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(f"{bound.limit} malformed")
    if value != int(value):
        raise malformed(f"requirement failed: {bound.limit} must be whole number")
    number = int(value)
    if number < 0 and name in SIZES:
        raise malformed("requirement failed: a negative size of an object is not allowed.")
    # A number beyond 64 bits is no limit anybody means, and would not be printable either.
    if abs(number) >= 2**63:
        raise malformed(f"{bound.limit} malformed")
    bound.check(number)
    return number


def dump_limits(limits: ActionLimits) -> Mapping[str, Any]:
    # Not `asdict`, which copies deeply: this is part of every record.
    return {
        "timeout": limits.timeout,
        "memory": limits.memory,
        "logs": limits.logs,
        "concurrency": limits.concurrency,
    }
