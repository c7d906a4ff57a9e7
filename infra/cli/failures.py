"""Errors as the command line shows them: one line that says what to do next, and an exit code with a name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import IntEnum

import click


class Exit(IntEnum):
    """What programs may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3


class Failure(click.ClickException):
    """Ends a command with a message."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click's own subclasses shadow the class variable likewise


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn what services and deployments raise into a `Failure`; anything else is a bug and keeps its traceback."""
    # Late, as every command: these pull the clients in, and `--help` needs none of them.
    import psycopg

    from infra.deployment import BadEnvironment, NoDeployment
    from infra.manifest import BadManifest
    from infra.running import NotSetUp, PortTaken, StoreFailed
    from infra.services.lock import Held
    from infra.services.minio_binary import MinioMissing
    from infra.services.postgres import PostgresMissing
    from infra.services.supervisor import ServiceFailed
    from infra.whisk import Unreachable, WhiskError

    try:
        yield
    except (BadEnvironment, BadManifest) as error:
        raise Failure(str(error), Exit.USAGE) from None
    except (StoreFailed, Unreachable) as error:
        raise Failure(str(error), Exit.UNREACHABLE) from None
    except psycopg.OperationalError as error:
        raise Failure(f"Postgres does not answer: {_first_line(error)}", Exit.UNREACHABLE) from None
    except psycopg.Error as error:
        raise Failure(f"Postgres refuses: {_first_line(error)}") from None
    except Held as error:
        raise Failure(
            f"the data directory is in use by {error}: `pixwhisk down` ends it, or choose another --data"
        ) from None
    except (NoDeployment, NotSetUp, PortTaken, MinioMissing, PostgresMissing, ServiceFailed, WhiskError) as error:
        raise Failure(str(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
