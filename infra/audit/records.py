"""What is kept of audits: what each found, and since when the subscription has been the one it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import Jsonb

from actions.statements import statements

if TYPE_CHECKING:
    from infra.audit.report import Seen

# How long what an audit found is kept.
KEPT = timedelta(days=90)

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an audit looks at. `complete`: at all that the bucket's subscription tells of."""

    bucket: str
    prefix: str = ""
    suffix: str = ""
    complete: bool = True


@dataclass(frozen=True, slots=True)
class LastAudit:
    """The last one that looked at everything; `ago` is since its end."""

    ended: datetime
    ago: timedelta
    clean: bool
    versions: int
    rows: int
    findings: Mapping[str, int]
    unseen: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a bucket stands by what was recorded of it. `clean_ago`: since the last clean audit ended; None: never."""

    last: LastAudit | None = None
    clean_ago: timedelta | None = None
    subscribed_since: datetime | None = None

    def overdue(self, limit: timedelta | None) -> bool:
        """Whether no audit was clean within the operator's limit."""
        return limit is not None and (self.clean_ago is None or self.clean_ago > limit)


def record_audit(connection: Connection, scope: Scope, began: datetime, seen: Seen, repaired: int) -> None:
    """Keep what an audit has found, for as long as anybody may ask."""
    values = {
        "bucket": scope.bucket,
        "prefix": scope.prefix,
        "suffix": scope.suffix,
        "complete": scope.complete,
        "began": began,
        "clean": seen.clean,
        "versions": seen.listed,
        "rows": seen.rows,
        "findings": Jsonb(seen.findings),
        "unseen": Jsonb(seen.unseen),
        "repaired": repaired,
        "subscription": seen.subscription,
    }
    connection.execute(statements(__file__)["record_audit"], values)
    connection.execute(statements(__file__)["prune_audits"], {"bucket": scope.bucket, "age": KEPT})


def note_subscription(connection: psycopg.Connection[Any], bucket: str, document: str, state: str | None) -> None:
    """Keep when a bucket was first seen to be subscribed by `document`, until it is seen otherwise."""
    if state == "ok":
        connection.execute(statements(__file__)["note_subscription"], {"bucket": bucket, "document": document})
    elif state is not None:
        connection.execute(statements(__file__)["forget_subscription"], {"bucket": bucket})


def read_standing(connection: Connection, bucket: str) -> Standing:
    """What is recorded of a bucket."""
    row = connection.execute(statements(__file__)["read_standing"], {"bucket": bucket}).fetchone()
    assert row is not None
    now = row["now"]
    last = None
    if row["ended_at"] is not None:
        names = ("clean", "versions", "rows", "findings", "unseen")
        last = LastAudit(row["ended_at"], now - row["ended_at"], **{name: row[name] for name in names})
    clean_ago = now - row["clean_at"] if row["clean_at"] is not None else None
    return Standing(last, clean_ago, row["subscribed_since"])
