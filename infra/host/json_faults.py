"""What is wrong with a text that is no JSON, in the words of the reader OpenWhisk has: clients show them to people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

SPACE = re.compile(r"[ \t\r\n]*")
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
DIGITS = re.compile(r"[0-9]*")
HEX = re.compile(r"[0-9a-fA-F]{0,4}")
WORDS = {"t": "true", "f": "false", "n": "null"}
LIMIT_CHARACTERS = 65_536
LIMIT_DEPTH = 200
END = ""


class Fault(Exception):
    """At `index` stands `found`, where something else is expected."""

    def __init__(self, index: int, found: str, expected: str) -> None:
        super().__init__(index, found, expected)
        self.index = index
        self.found = found
        self.expected = expected


def explain(text: str) -> str:
    """Where reading `text` ends, in three lines: what is there and what is expected, the line, and a mark below it.

    Only what people write is looked through: of longer texts, and where there is nothing to find, it says no more than
    that this is no JSON.
    """
    if len(text) > LIMIT_CHARACTERS:
        return "Invalid JSON"
    try:
        Reader(text).read_whole()
    except Fault as fault:
        return _describe(text, fault)
    except RecursionError:
        return "Nested too deeply"
    return "Invalid JSON"


def _describe(text: str, fault: Fault) -> str:
    before = text[: fault.index]
    number = before.count("\n") + 1
    began = before.rfind("\n") + 1
    line = text[began:].partition("\n")[0]
    shown = "".join("?" if unicodedata.category(each) == "Cc" else each for each in line)
    column = fault.index - began + 1
    place = f"at input index {fault.index} (line {number}, position {column})"
    return f"{_name(fault.found)} {place}, expected {fault.expected}:\n{shown}\n{' ' * (column - 1)}^\n"


def _name(found: str) -> str:
    if found == END:
        return "Unexpected end-of-input"
    shown = f"\\u{ord(found):04x}" if unicodedata.category(found) == "Cc" else found
    return f"Unexpected character '{shown}'"


@dataclass
class Reader:
    """Walks over a text, keeping nothing of it, up to the first `Fault`."""

    text: str
    at: int = 0
    depth: int = 0

    def read_whole(self) -> None:
        self._skip(SPACE)
        self._value()
        if self.at < len(self.text):
            raise self._fault("end-of-input")

    @property
    def _here(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        length = found.end() - self.at if found else 0
        self.at += length
        return length

    def _fault(self, expected: str, index: int | None = None) -> Fault:
        return Fault(self.at if index is None else index, self._here, expected)

    def _takes(self, character: str) -> bool:
        if self._here != character:
            return False
        self.at += 1
        return True

    def _require(self, character: str) -> None:
        if not self._takes(character):
            raise self._fault(f"'{character}'")

    def _value(self) -> None:
        began, first = self.at, self._here
        if first == "{":
            self._list("}", self._member)
        elif first == "[":
            self._list("]", self._value)
        elif first == '"':
            self._read_text()
        elif first == "-" or "0" <= first <= "9":
            self._number()
        elif first in WORDS:
            for character in WORDS[first]:
                if not self._takes(character):
                    raise self._fault("JSON Value", began)
            self._skip(SPACE)
        else:
            raise self._fault("JSON Value")

    def _list(self, end: str, item: Callable[[], None]) -> None:
        self.depth += 1
        if self.depth > LIMIT_DEPTH:
            raise RecursionError
        self.at += 1
        self._skip(SPACE)
        if self._here != end:
            item()
            while self._takes(","):
                self._skip(SPACE)
                item()
        self._require(end)
        self._skip(SPACE)
        self.depth -= 1

    def _member(self) -> None:
        self._read_text()
        self._require(":")
        self._skip(SPACE)
        self._value()

    def _read_text(self) -> None:
        self._require('"')
        self._skip(PLAIN)
        while self._takes("\\"):
            self._escape()
            self._skip(PLAIN)
        self._require('"')
        self._skip(SPACE)

    def _escape(self) -> None:
        escaped = self._here
        if escaped == END or escaped not in '"/\\bfnrtu':
            raise self._fault("JSON escape sequence")
        self.at += 1
        if escaped == "u" and self._skip(HEX) < 4:
            raise self._fault("hex digit")

    def _number(self) -> None:
        self._takes("-")
        if not self._takes("0"):
            self._digits()
        if self._takes("."):
            self._digits()
        if self._takes("e") or self._takes("E"):
            _ = self._takes("-") or self._takes("+")
            self._digits()
        self._skip(SPACE)

    def _digits(self) -> None:
        if not self._skip(DIGITS):
            raise self._fault("DIGIT")
