"""What the command line asks of the database as a whole: how many outcomes there are, and what is not done yet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from actions.statements import statements


@dataclass(frozen=True, slots=True)
class ModelCounts:
    """How many outcomes by a model there are, by status. `active`: there should be one about every object that came
    since it is. `unanswered`: how many came before and have outcomes by others only; `embedded` of them have what its
    head takes stored.
    """

    name: str
    digest: str
    active: bool
    outcomes: Mapping[str, int]
    unanswered: int = 0
    embedded: int = 0


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


def count_by_model(
    connection: psycopg.Connection[dict[str, Any]], backbones: Mapping[tuple[str, str], str] | None = None
) -> list[ModelCounts]:
    """The active ones first. `backbones`: of models that could be asked about stored embeddings, by name and digest."""
    at_hand = [
        {"name": name, "digest": digest, "backbone": backbone} for (name, digest), backbone in (backbones or {}).items()
    ]
    found = connection.execute(statements(__file__)["count_by_model"], {"backbones": json.dumps(at_hand)})
    return [ModelCounts(**row) for row in found]


def counts(
    connection: psycopg.Connection[dict[str, Any]], backbones: Mapping[tuple[str, str], str] | None = None
) -> OutcomeCounts:
    """Rows by outcome, and what is not done yet; `backbones` as `count_by_model` takes them."""
    known = statements(__file__)
    models = count_by_model(connection, backbones)
    parked = {row["reason"]: row["count"] for row in connection.execute(known["count_parked"])}
    pending = connection.execute(known["count_pending"]).fetchone() or {"count": 0, "oldest": None}
    lanes = {row["lane"]: row["count"] for row in connection.execute(known["count_by_lane"])}
    return OutcomeCounts(models, pending["count"], parked, pending["oldest"], lanes)
