"""Errors as the command line shows them: one line that says what to do next, and an exit code with a name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import psycopg


class Exit(IntEnum):
    """What programs may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130


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
    # Late: these pull every client in, and only an error needs them.
    import psycopg

    from infra.audit.listing import ListingRefused, ObjectStoreAway
    from infra.database.migrations import ForeignDatabase, NewerSchema
    from infra.deployment.external import BadEnvironment
    from infra.deployment.ownership import NotPrivate
    from infra.deployment.provisioning import NotSetUp, ObjectStoreFailed
    from infra.deployment.record import NoDeployment
    from infra.models.installed import BadModel
    from infra.openwhisk.client import Unreachable, WhiskError
    from infra.openwhisk.manifest import BadManifest
    from infra.openwhisk.rights import Unintended
    from infra.services.kept import SecretMissing
    from infra.services.lock import Held
    from infra.services.minio_binary import MinioMissing
    from infra.services.ports import PortTaken
    from infra.services.postgres import PostgresMissing
    from infra.services.supervisor import ServiceFailed

    known: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, Exit], ...] = (
        ((BadEnvironment, BadManifest), "{}", Exit.USAGE),
        ((ObjectStoreAway, ObjectStoreFailed, Unreachable), "{}", Exit.UNREACHABLE),
        (Held, "the data directory is in use by {}: `pixwhisk down` ends it, or choose another --data", Exit.FAILED),
        (NotPrivate, "{}", Exit.FAILED),
        (
            (NoDeployment, SecretMissing, NotSetUp, PortTaken, MinioMissing, PostgresMissing),
            "{}",
            Exit.FAILED,
        ),
        (
            (BadModel, ListingRefused, ForeignDatabase, NewerSchema, ServiceFailed, Unintended, WhiskError),
            "{}",
            Exit.FAILED,
        ),
    )
    if isinstance(error, psycopg.Error):
        return _database_failure(error)
    for kinds, words, code in known:
        if isinstance(error, kinds):
            return Failure(words.format(error), code)
    return None


def _database_failure(error: psycopg.Error) -> Failure:
    """The driver's first line, and which variables had a say in where it went."""
    from infra.database.refusal import first_line, refused
    from infra.deployment.ambient import database_variables

    named = ", ".join(database_variables())
    words = first_line(error) + (f" (with {named} of the environment)" if named else "")
    if refused(error):
        return Failure(f"Postgres refuses: {words}", Exit.FAILED)
    return Failure(f"Postgres does not answer: {words}", Exit.UNREACHABLE)
