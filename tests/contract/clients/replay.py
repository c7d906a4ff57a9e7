"""Requests as `wsk` and wskdeploy send them, from `tests/contract/recorded`, and what must come back.

A recording is one session with a client: steps in order, each a request and the reply it must get. Texts may hold
`${name}`: `${own}` begins the names of entities and differs in each run, `${namespace}` and `${key}` are the caller's,
and `{"$capture": "name"}` in an expected body adds another. An expected body is a part of the actual one; beside plain
values it may hold

    {"$capture": NAME}                 anything, remembered as ${NAME}
    {"$matches": PATTERN}              text in which the regular expression is found
    {"$has": [EXPECTED, …]}            a list with at least these, in any order
    {"$absent": true}                  (as a field's value) no such field
    {"$json": EXPECTED}                text that is JSON
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

RECORDED = Path(__file__).parents[1] / "recorded"

USER_AGENTS = {
    "wsk": "OpenWhisk-CLI/1.0 (2023-03-16T05:36:40.500+0000) linux amd64",
    "wskdeploy": "OpenWhisk-Go-Client linux amd64",
}


@dataclass(frozen=True)
class Step:
    """One request. `settles` marks a reply that may take a moment: a record that is stored after it is announced."""

    command: str
    method: str
    path: str
    status: int
    body: Any = None
    expected: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reply_headers: Mapping[str, str] = field(default_factory=dict)
    settles: bool = False
    authorized: bool = True


@dataclass(frozen=True)
class Recording:
    name: str
    client: Literal["wsk", "wskdeploy"]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return self.name


def recordings() -> list[Recording]:
    """All there are, by name."""
    return [_recording(path) for path in sorted(RECORDED.glob("*.json"))]


def _recording(path: Path) -> Recording:
    raw = json.loads(path.read_text())
    return Recording(path.stem, raw["client"], tuple(Step(**step) for step in raw["steps"]))


def headers(client: str, body: bool) -> dict[str, str]:
    """What Go's HTTP client sends for these programs, apart from the credentials."""
    sent = {"User-Agent": USER_AGENTS[client], "Accept-Encoding": "gzip"}
    return {**sent, "Content-Type": "application/json"} if body else sent


def encode(body: Any) -> bytes:
    """JSON as Go's encoder writes it: compact, and ended by a newline."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def filled(value: Any, known: Mapping[str, str]) -> Any:
    """`value` with every `${name}` in its texts and keys replaced; an unknown name is an error in the recording."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], value)
    if isinstance(value, dict):
        return {filled(key, known): filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, known) for inner in value]
    return value


def path_of(step: Step) -> str:
    """The path on the host; one that does not begin with a slash is in the caller's namespace."""
    return step.path if step.path.startswith("/") else f"/api/v1/namespaces/_/{step.path}"


def undone(steps: tuple[Step, ...]) -> Iterator[str]:
    """Paths of what the steps put there, the last first: deleted in this order nothing is in the way."""
    for step in reversed(steps):
        if step.method == "PUT":
            yield path_of(step).partition("?")[0]


@dataclass
class Comparison:
    """Compares a body with what is expected of it, and gathers what the expectation captures."""

    differences: list[str] = field(default_factory=list)
    captured: dict[str, str] = field(default_factory=dict)

    def compare(self, expected: Any, actual: Any, where: str = "body") -> Comparison:
        if isinstance(expected, dict) and (special := next((key for key in expected if key.startswith("$")), None)):
            self._special(special, expected[special], actual, where)
        elif isinstance(expected, dict):
            self._fields(expected, actual, where)
        elif isinstance(expected, list):
            self._items(expected, actual, where)
        elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
            self.differences.append(f"{where}: expected {expected!r}, got {actual!r}")
        return self

    def _special(self, special: str, argument: Any, actual: Any, where: str) -> None:
        match special:
            case "$capture":
                self.captured[argument] = str(actual)
            case "$matches":
                if not isinstance(actual, str) or not re.search(argument, actual):
                    self.differences.append(f"{where}: expected text matching {argument!r}, got {actual!r}")
            case "$has":
                self._has(argument, actual, where)
            case "$absent":
                self.differences.append(f"{where}: expected none, got {actual!r}")
            case "$json":
                self.compare(argument, json.loads(actual), f"{where}, read as JSON")
            case _:
                raise ValueError(special)

    def _fields(self, expected: Mapping[str, Any], actual: Any, where: str) -> None:
        if not isinstance(actual, dict):
            self.differences.append(f"{where}: expected an object, got {actual!r}")
            return
        for name, inner in expected.items():
            if name in actual:
                self.compare(inner, actual[name], f"{where}.{name}")
            elif inner != {"$absent": True}:
                self.differences.append(f"{where}.{name}: missing from {actual!r}")

    def _items(self, expected: list[Any], actual: Any, where: str) -> None:
        if not isinstance(actual, list) or len(actual) != len(expected):
            self.differences.append(f"{where}: expected {expected!r}, got {actual!r}")
            return
        for index, (inner, item) in enumerate(zip(expected, actual, strict=True)):
            self.compare(inner, item, f"{where}[{index}]")

    def _has(self, wanted: list[Any], actual: Any, where: str) -> None:
        items = actual if isinstance(actual, list) else []
        for each in wanted:
            tries = [Comparison().compare(each, item) for item in items]
            found = next((tried for tried in tries if not tried.differences), None)
            if found is None:
                self.differences.append(f"{where}: nothing like {each!r} in {actual!r}")
            else:
                self.captured.update(found.captured)
