"""What figures ought to be, and how two documents of them differ. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

# Below this share a change is what two runs of the same code differ by on a machine with two shared cores.
NOISE = 0.1


class Bound(Protocol):
    """A bound of one figure; `str` shows it with its sign."""

    @property
    def limit(self) -> float: ...

    def is_met(self, value: float) -> bool: ...

    def measure_worsening(self, before: float, after: float) -> float:
        """By what share `after` is worse; negative where it is better."""


@dataclass(frozen=True, slots=True)
class AtMost:
    """Of what should be small."""

    limit: float

    def is_met(self, value: float) -> bool:
        return value <= self.limit

    def measure_worsening(self, before: float, after: float) -> float:
        return after / before - 1

    def __str__(self) -> str:
        return f"≤ {self.limit:g}"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Of what should be large."""

    limit: float

    def is_met(self, value: float) -> bool:
        return value >= self.limit

    def measure_worsening(self, before: float, after: float) -> float:
        return before / after - 1

    def __str__(self) -> str:
        return f"≥ {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of two documents. `worse` is by what share it is worse, negative where it is better."""

    name: str
    before: float
    after: float
    worse: float

    @property
    def verdict(self) -> str:
        if abs(self.worse) <= NOISE:
            return "the same, within noise"
        return f"worse by {self.worse:.0%}" if self.worse > 0 else f"better by {-self.worse:.0%}"


def look_up(found: Mapping[str, Any], name: str) -> float | None:
    """The figure that `name` (`warm.inline.ratio`) leads to; None where an older document has none."""
    value: Any = found
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def read_old_keys(found: Any) -> Any:
    """A document with keys in snake_case: up to 0.2.0 they were written in camelCase."""
    if isinstance(found, list):
        return [read_old_keys(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", key): read_old_keys(found[key]) for key in found}


def compare_documents(
    targets: Mapping[str, Bound], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Comparison]:
    """Every figure that has a target and stands in both documents."""
    for name, target in targets.items():
        old, new = look_up(before, name), look_up(after, name)
        if old and new:
            yield Comparison(name, old, new, target.measure_worsening(old, new))
