"""What was typed and cannot be, in one plain line that says what can."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import click

# What click says of values and arguments, and what we say: it has no classes for these.
_SENTENCES: Sequence[tuple[str, str]] = (
    (r"Got unexpected extra arguments? \((.*)\)", "{} is one too many"),
    (r"Option '(.*)' requires an argument\.", "{} needs a value"),
    (r"Option '(.*)' does not take a value\.", "{} takes no value"),
)


def in_words(error: click.UsageError) -> str:
    """The mistake, what was probably meant, and where all of it is said."""
    command = error.ctx.command_path if error.ctx else "pixwhisk"
    mistake = _mistake(error)
    return f"{mistake}{'' if mistake.endswith('?') else ';'} `{command} --help` says what there is"


def nearest(word: str, known: Sequence[str]) -> str:
    """`: did you mean …?` for what is near, if anything is."""
    from difflib import get_close_matches

    lowered = {each.lower(): each for each in known}
    found = [lowered[each] for each in get_close_matches(word.lower(), lowered, n=1)]
    return _meant(found)


def _mistake(error: click.UsageError) -> str:
    match error:
        case click.NoSuchOption():
            return f"there is no option {error.option_name}{_meant(error.possibilities)}"
        case click.exceptions.NoSuchCommand():
            return f"there is no command {error.command_name}{_meant(error.possibilities)}"
        case click.MissingParameter() if error.param:
            return f"{_name(error.param)} is missing"
        case click.BadParameter() if error.param:
            return f"{_name(error.param)}: {error.message}"
    for pattern, sentence in _SENTENCES:
        if found := re.fullmatch(pattern, error.message):
            return sentence.format(found[1])
    return error.message


def _meant(possibilities: Sequence[str] | None) -> str:
    return f": did you mean {possibilities[0]}?" if possibilities else ""


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return (parameter.metavar or (parameter.name or "").upper()).strip("[].")


def examples(*lines: str) -> str:
    """A command's `epilog`: lines to type, as they stand."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


class Number(click.ParamType[float]):
    """A number within bounds, both included; `whole` numbers alone, or any."""

    name = "number"

    def __init__(self, minimum: float, maximum: float | None = None, *, whole: bool = True) -> None:
        self._minimum, self._maximum = minimum, maximum
        self._read: Callable[[str], float] = int if whole else float
        self._words = f"a {'whole ' if whole else ''}number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = self._read(value)
        except ValueError:
            self.fail(f"{value!r} is not {self._words} {self._bounds()}", param, ctx)
        # Written so that what is not a number at all is refused, too.
        if not (self._minimum <= number and (self._maximum is None or number <= self._maximum)):
            self.fail(f"{value} is not {self._words} {self._bounds()}", param, ctx)
        return number

    def _bounds(self) -> str:
        if self._maximum is None:
            return f"of {self._minimum:g} or more"
        return f"from {self._minimum:g} to {self._maximum:g}"


class Choice(click.ParamType[str]):
    """One of a few words, in any case."""

    name = "choice"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        word = str(value).lower()
        if word not in self.words:
            self.fail(f"{value!r} is none of {', '.join(self.words)}", param, ctx)
        return word

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        words = [word for word in self.words if word.startswith(incomplete.lower())]
        return [click.shell_completion.CompletionItem(word) for word in words]
