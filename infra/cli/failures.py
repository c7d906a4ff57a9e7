"""Errors as the command line shows them: one line that says what to do next, and an exit code with a name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from infra.errors import Exit, OperatorError

if TYPE_CHECKING:
    import psycopg


class Failure(click.ClickException):
    """Ends a command with a message."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click's own subclasses shadow the class variable likewise


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what services and deployments raise into a `Failure`; anything else is a bug and keeps its traceback."""
    try:
        yield
    except click.ClickException:
        raise
    except Exception as error:
        # The one broad `except`, at the process's boundary; whatever is not known goes on as it was.
        failure = _failure(error)
        if failure is None:
            raise
        raise failure from None


def _failure(error: Exception) -> Failure | None:
    if isinstance(error, OperatorError):
        return Failure(str(error), error.exit_code)
    # Late: only a command that asks the database has it imported already.
    import psycopg

    return _database_failure(error) if isinstance(error, psycopg.Error) else None


def _database_failure(error: psycopg.Error) -> Failure:
    """The driver's first line, and which variables had a say in where it went."""
    from infra.database.refusal import first_line, is_refused
    from infra.deployment.ambient import database_variables

    named = ", ".join(database_variables())
    words = first_line(error) + (f" (with {named} of the environment)" if named else "")
    if is_refused(error):
        return Failure(f"Postgres refuses: {words}", Exit.FAILED)
    return Failure(f"Postgres does not answer: {words}", Exit.UNREACHABLE)
