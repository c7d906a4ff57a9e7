"""JSON in and out: what cannot be read is a 400, and whatever was read can be written again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from infra.host.errors import malformed
from infra.host.json_faults import explain

# A parsed value is written again further down the stack than it was read, so the reader must be the stricter one.
LIMIT_DEPTH = 200
# From this many bytes on, writing an object anew costs more than keeping what it was read from.
KEPT_FROM = 4096


class WrittenObject(dict[str, Any]):
    """An object that has kept its JSON, in ASCII: `members` is what stands between its braces. Never changed."""

    __slots__ = ("members",)

    def __init__(self, value: Mapping[str, Any], members: bytes) -> None:
        super().__init__(value)
        self.members = members

    def merge_over(self, others: Mapping[str, Any]) -> WrittenObject:
        """Both, where of two with one name ours counts: so it does for whoever reads it, coming last."""
        before = dump(others)[1:-1]
        return WrittenObject({**others, **self}, before + b"," + self.members if before else self.members)


def parse(body: bytes) -> Any:
    """The JSON value of a request's body; refuses NaN, infinities and nesting beyond `LIMIT_DEPTH`.

    Bytes that are no UTF-8 become the replacement character, as in OpenWhisk.
    """
    text = body.decode(errors="replace")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise malformed("Nested too deeply") from None
    except ValueError:
        raise malformed(explain(text)) from None
    # Only a body with that many brackets can be that deep; looking for them is far cheaper than walking it.
    if _brackets(body) > LIMIT_DEPTH and depth(value) > LIMIT_DEPTH:
        raise malformed("Nested too deeply")
    return value


def _brackets(body: bytes) -> int:
    """How many there are, or `LIMIT_DEPTH` + 1 if more. Leaps from one to the next: most bodies hold long texts."""
    found = 0
    for bracket in (b"[", b"{"):
        place = body.find(bracket)
        while place >= 0 and found <= LIMIT_DEPTH:
            found += 1
            place = body.find(bracket, place + 1)
    return found


def parse_object(body: bytes) -> dict[str, Any]:
    """Like `parse`, for a body that must be an object; no body at all is an empty one."""
    if not body:
        return {}
    value = expect_object(parse(body))
    # In ASCII there is one way to read it, whoever does.
    if value and len(body) >= KEPT_FROM and body.isascii():
        return WrittenObject(value, body.strip()[1:-1])
    return value


def expect_object(value: object) -> dict[str, Any]:
    """`value` if it is an object, as OpenWhisk asks for one."""
    if not isinstance(value, dict):
        raise malformed("JSON object expected")
    return value


def dump(value: Any) -> bytes:
    """Compact JSON in ASCII, so that lone surrogates pass. Raises `ValueError` where the value cannot be written."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None


def depth(value: Any) -> int:
    """How many containers deep `value` goes; iterative, because it is asked of hostile values."""
    level, layer = 0, [value]
    while layer := [each for each in layer if isinstance(each, dict | list)]:
        level += 1
        if level > LIMIT_DEPTH:
            break
        layer = [child for each in layer for child in _children(each)]
    return level


def _children(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("number out of range")
    return number


def expect(value: object, kind: type, what: str) -> Any:
    """`value` if it is of `kind`; a bool is never taken for a number."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise malformed(f"{what}: {_words(kind)} expected")
    return value


def _words(kind: type) -> str:
    return {str: "text", int: "whole number", bool: "true or false", dict: "object", list: "list"}[kind]
