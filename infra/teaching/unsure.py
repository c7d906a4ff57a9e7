"""Of which pictures a head is least sure: what people say of those teaches it most."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg

from infra.models.installed import BadModel, InstalledModel
from infra.models.rescoring import BatchHead
from infra.teaching.lesson import read_numbers

PORTION = 2000

# What somebody has said something of is passed over.
_NEXT = """
SELECT bucket, key, object_id, numbers, scale, zero_point FROM current_embeddings AS held
WHERE backbone_id = (SELECT id FROM backbones WHERE digest = %(backbone)s) AND object_id > %(after)s
  AND bucket = %(bucket)s AND NOT EXISTS (SELECT FROM examples WHERE examples.object_id = held.object_id)
ORDER BY object_id LIMIT %(portion)s
"""

Connection = psycopg.Connection[dict[str, Any]]


def find_unsure(connection: Connection, model: InstalledModel, bucket: str, limit: int) -> list[dict[str, Any]]:
    """Those whose two likeliest labels are nearest to each other, nearest first. Raises `BadModel` where the model is
    no head.
    """
    if model.backbone is None:
        raise BadModel(f"{model.name} is in one piece: nothing is stored that it could be asked about")
    return heapq.nsmallest(limit, _ask(connection, model, bucket), key=lambda each: each["margin"])


def _ask(connection: Connection, model: InstalledModel, bucket: str) -> Iterator[dict[str, Any]]:
    head, after = BatchHead(model), 0
    while True:
        place = {"backbone": model.backbone, "after": after, "bucket": bucket, "portion": PORTION}
        rows = connection.execute(_NEXT, place).fetchall()
        if not rows:
            return
        probabilities = head.ask(np.stack([read_numbers(row) for row in rows]))
        first = np.argsort(-probabilities, axis=1, kind="stable")[:, :2]
        for row, said, order in zip(rows, probabilities, first, strict=True):
            labels = [{"label": head.names[index], "probability": round(float(said[index]), 6)} for index in order]
            margin = float(said[order[0]] - said[order[-1]])
            yield {"bucket": row["bucket"], "key": row["key"], "labels": labels, "margin": round(margin, 6)}
        after = rows[-1]["object_id"]
