"""Whether a deployment's services answer, and what they have to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from infra.database.queries import Counts, connect, counts
from infra.database.refusal import first_line, refused
from infra.deployment.record import Deployment
from infra.services import lock
from infra.services.probe import ask_status

TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """`services` says `ok`, or why not, by service; `counts` is None where the database cannot say.

    `embedded`: some of it is ours to start; then `holder` is whoever has.
    """

    embedded: bool
    holder: lock.Holder | None
    services: Mapping[str, str]
    counts: Counts | None

    @property
    def healthy(self) -> bool:
        return all(state == "ok" for state in self.services.values())


def examine(deployment: Deployment) -> Health:
    """Ask each service once; none is waited for longer than a few seconds."""
    database, found = _database(deployment)
    services = {
        "postgres": database,
        "minio": _answers(deployment.endpoint, "/minio/health/live" if not deployment.external.endpoint else "/"),
        "openwhisk": _answers(deployment.apihost, "/"),
    }
    return Health(deployment.embedded, lock.holder(deployment.data), services, found)


def _database(deployment: Deployment) -> tuple[str, Counts | None]:
    try:
        with connect(deployment.database_url) as connection:
            return "ok", counts(connection)
    except psycopg.Error as error:
        return f"refuses: {first_line(error)}" if refused(error) else "does not answer", None


def _answers(url: str, path: str) -> str:
    status = ask_status(url, path, TIMEOUT)
    if status is None:
        return "does not answer"
    return "ok" if status < 500 else f"answers {status}"
