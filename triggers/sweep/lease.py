"""Who has switched the rule off, kept in the database, so that a sweep that dies never leaves it off.

The order is what makes it safe. The note is written before the rule is switched off, and taken away after it is
switched on again; so whenever the rule is off by our doing, a note says so, and once that note has run out, whoever
comes next switches the rule on. A rule that somebody else has switched off has no note, and stays as it is.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import psycopg

from actions.statements import statements
from triggers.sweep.inbox import CLAIMANT

# A sweep renews it four times in that time.
LEASE = timedelta(seconds=10)


class Switch(Protocol):
    """A rule that can be switched; False where it could not be."""

    name: str

    def status(self) -> str: ...

    def switch(self, to: Literal["active", "inactive"]) -> bool: ...


@dataclass(frozen=True, slots=True)
class NotedBurst:
    """That uploads go by batch since then. `is_over`: the sweep that switched the rule off has not been seen since."""

    since: datetime
    is_over: bool


class BurstLease:
    """One sweep's side of it; `holder` is that sweep. Raises `psycopg.Error` as the connection does."""

    def __init__(self, connection: psycopg.Connection[Any], rule: str, holder: uuid.UUID = CLAIMANT) -> None:
        self._connection, self._given = connection, {"rule": rule, "holder": holder, "lease": LEASE}

    def take(self) -> bool:
        """Note that the rule is about to be switched off; False where there is a note already."""
        return self._execute("take").fetchone() is not None

    def renew(self) -> bool:
        """Whether the note is still there: if not, somebody has switched the rule on."""
        return self._execute("renew").fetchone() is not None

    def release(self) -> None:
        """The rule is on again."""
        self._execute("release")

    def _execute(self, name: str) -> psycopg.Cursor[Any]:
        return self._connection.execute(statements(__file__)[name], self._given)


def find_burst(connection: psycopg.Connection[Any], rule: str) -> NotedBurst | None:
    """What is noted of the rule; None while uploads go by their events."""
    with connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        found = cursor.execute(statements(__file__)["find"], {"rule": rule}).fetchone()
    return None if found is None else NotedBurst(*found)


def mend(connection: psycopg.Connection[Any], rule: Switch, *, whoever: bool = False) -> bool:
    """Switch the rule on if a sweep that is seen no more had switched it off; whether it had. `whoever`: no sweep can
    be at it, however short ago the last one was seen.
    """
    found = find_burst(connection, rule.name)
    if found is None or not (found.is_over or whoever) or not rule.switch("active"):
        return False
    connection.execute(statements(__file__)["end"], {"rule": rule.name, "whoever": whoever})
    return True
