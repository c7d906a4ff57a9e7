"""Moments as people type them: `10m`, `yesterday`, `2026-11-25 07:30`; those without a zone are UTC, as all that is
shown.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SHOWN = "10m, 2h, 3d, 1w, today, yesterday, or an ISO time such as 2026-11-25 or 2026-11-25T07:30Z"


def read_moment(text: str, now: datetime) -> datetime:
    """A day is its beginning. Raises `ValueError` for what is none of the forms."""
    word = text.strip().lower()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if word in named:
        return named[word]
    try:
        if ago := re.fullmatch(r"(\d{1,6})\s*([smhdw])", word, re.ASCII):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(text) from None


def read_duration(text: str) -> timedelta:
    """`90s`, `10m`, `2h`, `3d`, `1w`. Raises `ValueError` for anything else, and for none at all."""
    found = re.fullmatch(r"(\d{1,6})\s*([smhdw])", text.strip().lower(), re.ASCII)
    if not found or not int(found[1]):
        raise ValueError(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def ago(since: timedelta) -> str:
    """How long something is past, in the largest unit that says it."""
    seconds = since.total_seconds()
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} seconds ago"


class Duration(click.ParamType[timedelta]):
    """An option's value."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else read_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is no length of time such as 90s, 10m, 1h, 3d or 1w", param, ctx)


class Moment(click.ParamType[datetime]):
    """An option's value."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return read_moment(str(value), datetime.now(UTC))
        except ValueError:
            self.fail(f"{value!r} is none of {SHOWN}", param, ctx)
