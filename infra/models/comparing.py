"""What two models say of the same objects: how often they agree, and what the one calls what the other calls so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from infra.models.installed import BadModel, list_installed

EXAMPLES = 3

_BOTH = """
WITH both_spoke AS (
    SELECT key, left_said.label AS left_label, right_said.label AS right_label, bucket
    FROM results AS left_said JOIN results AS right_said USING (bucket, key, etag)
    WHERE left_said.model = %(left)s AND right_said.model = %(right)s
      AND left_said.version_id IS NOT DISTINCT FROM right_said.version_id
      AND left_said.status = 'classified' AND right_said.status = 'classified'
)
SELECT left_label, right_label, count(*) AS count,
       (array_agg(bucket || '/' || key ORDER BY key))[1:%(examples)s] AS keys
FROM both_spoke GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""
_COST = """
SELECT model, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY (receipt->>'classifyMs')::float)::numeric, 1)::float
           AS milliseconds
FROM results WHERE model = ANY(%(models)s) AND receipt ? 'classifyMs' GROUP BY 1
"""

Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Flip:
    """What the left model calls `left` and the right one `right`: how often, and some of the objects."""

    left: str
    right: str
    count: int
    keys: Sequence[str]

    def dump(self) -> dict[str, Any]:
        return {"left": self.left, "right": self.right, "count": self.count, "keys": list(self.keys)}


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """`compared` objects have both models' outcome, `agreed` of them the same label first. `milliseconds` is the usual
    time of an activation's classifying by model; all models that were active then share it. `sizes` are those of the
    files, in bytes, of models that are at hand.
    """

    left: str
    right: str
    compared: int
    agreed: int
    flips: Sequence[Flip]
    milliseconds: Mapping[str, float]
    sizes: Mapping[str, int]

    def dump(self) -> dict[str, Any]:
        """Stable keys, for programs."""
        return {
            "left": self.left,
            "right": self.right,
            "compared": self.compared,
            "agreed": self.agreed,
            "flips": [each.dump() for each in self.flips],
            "milliseconds": dict(self.milliseconds),
            "sizes": dict(self.sizes),
        }


def compare_models(
    connection: psycopg.Connection[dict[str, Any]], left: str, right: str, limit: int
) -> ModelComparison:
    """From the rows of both. Raises `BadModel` where they have none in common."""
    found = connection.execute(_BOTH, {"left": left, "right": right, "examples": EXAMPLES}).fetchall()
    if not found:
        raise BadModel(
            f"no object has an outcome by both {left} and {right}:"
            f" `pixwhisk models use {left} {right}`, then `pixwhisk backfill`"
        )
    costs = connection.execute(_COST, {"models": [left, right]}).fetchall()
    flips = [
        Flip(row["left_label"], row["right_label"], row["count"], row["keys"])
        for row in found
        if row["left_label"] != row["right_label"]
    ]
    return ModelComparison(
        left,
        right,
        sum(row["count"] for row in found),
        sum(row["count"] for row in found if row["left_label"] == row["right_label"]),
        flips[:limit],
        {row["model"]: row["milliseconds"] for row in costs},
        {each.name: each.card["size"] for each in list_installed() if each.name in (left, right)},
    )
