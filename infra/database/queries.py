"""What the command line asks of the database as a whole: how many outcomes there are, and what is not done yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

# What settled while a sweep had it in hand keeps the claim; what it found done, or never came to, has none.
_LANES = """
SELECT CASE WHEN lane <> 'journal' THEN lane WHEN claim IS NULL THEN 'event' ELSE 'sweep' END AS lane,
       count(*) AS count
FROM inbox WHERE state = 'settled' AND received_at > now() - interval '1 hour' GROUP BY 1 ORDER BY 1
"""

# Not of `results`: that join takes six times as long, and leaves out only what the next outcome replaces.
_MODELS = """
SELECT name, digest, active,
       coalesce(jsonb_object_agg(status, count) FILTER (WHERE status IS NOT NULL), '{}') AS outcomes,
       -- Counted only where there was a model before.
       CASE WHEN active AND active_since > '-infinity' THEN (
           SELECT count(*) FROM objects
           WHERE finality = 0
             AND EXISTS (SELECT FROM outcomes WHERE object_id = objects.id AND outcomes.etag = objects.etag)
             AND NOT EXISTS (SELECT FROM outcomes WHERE object_id = objects.id AND outcomes.etag = objects.etag
                                                    AND model_id = models.id)
       ) ELSE 0 END AS unanswered
FROM models
LEFT JOIN (SELECT model_id, status, count(*) AS count FROM outcomes GROUP BY model_id, status) AS counted
       ON model_id = id
GROUP BY id ORDER BY active DESC, id
"""


@dataclass(frozen=True, slots=True)
class ModelCounts:
    """How many outcomes by a model there are, by status. `active`: there should be one about every object that came
    since it is. `unanswered`: how many came before and have outcomes by others only.
    """

    name: str
    digest: str
    active: bool
    outcomes: Mapping[str, int]
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """`oldest_pending` is in seconds, None where nothing is pending; `parked` is by reason.

    `lanes` says how what settled in the last hour got there: by `event` (no sweep had to run it), by `sweep`, `audit`
    or `backfill`.
    """

    models: Sequence[ModelCounts]
    pending: int
    parked: Mapping[str, int]
    oldest_pending: float | None
    lanes: Mapping[str, int]

    @property
    def outcomes(self) -> Mapping[str, int]:
        """By all models together."""
        found: Counter[str] = Counter()
        for model in self.models:
            found.update(model.outcomes)
        return dict(sorted(found.items()))


def connect(url: str) -> psycopg.Connection[dict[str, Any]]:
    """A connection that sees each row as soon as it is committed; the caller closes it."""
    return psycopg.connect(url, autocommit=True, connect_timeout=5, row_factory=dict_row)


def count_by_model(connection: psycopg.Connection[dict[str, Any]]) -> list[ModelCounts]:
    """The active ones first."""
    return [ModelCounts(**row) for row in connection.execute(_MODELS)]


def counts(connection: psycopg.Connection[dict[str, Any]]) -> OutcomeCounts:
    """Rows by outcome, and what is not done yet."""
    models = count_by_model(connection)
    reasons = connection.execute(
        "SELECT coalesce(reason, 'unknown') AS reason, count(*) AS count FROM work WHERE state = 'parked'"
        " GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    parked = {row["reason"]: row["count"] for row in reasons}
    pending = connection.execute(
        "SELECT count(*) AS count, extract(epoch FROM now() - min(received_at))::float AS oldest"
        " FROM work WHERE state = 'pending'"
    ).fetchone() or {"count": 0, "oldest": None}
    lanes = {row["lane"]: row["count"] for row in connection.execute(_LANES)}
    return OutcomeCounts(models, pending["count"], parked, pending["oldest"], lanes)
