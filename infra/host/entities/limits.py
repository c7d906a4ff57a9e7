"""Limits of actions: their defaults, their bounds, and the words for a value out of bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.host.calls import ActionLimits
from infra.host.errors import Refusal
from infra.host.json_bodies import expect


@dataclass(frozen=True, slots=True)
class LimitBound:
    """Smallest and largest value of one limit, and how a refusal names it: `memory size 1024 MB exceeds …`."""

    least: int
    most: int
    subject: str
    unit: str = ""

    def check(self, value: int) -> None:
        if not self.least <= value <= self.most:
            side, threshold = ("below", self.least) if value < self.least else ("exceeds", self.most)
            raise Refusal(400, f"{self.subject} {value}{self.unit} {side} allowed threshold of {threshold}{self.unit}")


BOUNDS = {
    "timeout": LimitBound(100, 300_000, "timeout", " milliseconds"),
    "memory": LimitBound(128, 512, "memory size", " MB"),
    "logs": LimitBound(0, 10, "logs size", " MB"),
    "concurrency": LimitBound(1, 1, "concurrency"),
}


def parse_limits(raw: object, base: ActionLimits) -> ActionLimits:
    """`base` with the fields that `raw` gives; unknown fields and nulls are ignored."""
    given = expect(raw, dict, "limits") if raw is not None else {}
    return replace(base, **{name: _parse_bounded(name, given[name]) for name in BOUNDS if given.get(name) is not None})


def _parse_bounded(name: str, value: object) -> int:
    number: int = expect(value, int, name)
    # A number beyond 64 bits is no limit anybody means, and would not be printable either.
    if abs(number) >= 2**63:
        raise Refusal(400, f"{BOUNDS[name].subject} out of range")
    BOUNDS[name].check(number)
    return number


def dump_limits(limits: ActionLimits) -> Mapping[str, Any]:
    # Not `asdict`, which copies deeply: this is part of every record.
    return {
        "timeout": limits.timeout,
        "memory": limits.memory,
        "logs": limits.logs,
        "concurrency": limits.concurrency,
    }
