"""Pictures that are like one, and groups of pictures that are like each other; by what the backbone made of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from actions.classify import pictures
from actions.classify.model import load
from actions.errors import Rejected
from actions.store.rows import signature
from infra import paths
from infra.models.installed import BadModel

# Neighbours of each that are looked at for near duplicates.
NEIGHBOURS = 8

_SAME_BYTES = """
SELECT array_agg(DISTINCT key) AS keys FROM current_results
WHERE bucket = %(bucket)s AND sha256 IS NOT NULL GROUP BY sha256 HAVING count(DISTINCT key) > 1
"""
_NEAR = """
SELECT one.key AS one, other.key AS other
FROM current_embeddings AS one
CROSS JOIN LATERAL nearest_embeddings(one.backbone_id, one.signature, %(neighbours)s) AS near
JOIN current_embeddings AS other ON other.object_id = near.object_id AND other.backbone_id = one.backbone_id
WHERE one.bucket = %(bucket)s AND other.bucket = %(bucket)s AND one.object_id < other.object_id
  AND embedding_similarity(one.numbers, one.zero_point, other.numbers, other.zero_point) >= %(least)s
"""

Connection = psycopg.Connection[dict[str, Any]]


def similar_to_key(connection: Connection, bucket: str, key: str, limit: int) -> list[dict[str, Any]] | None:
    """None where the key has no embedding."""
    known = "SELECT FROM current_embeddings WHERE (bucket, key) = (%s, %s) LIMIT 1"
    if connection.execute(known, (bucket, key)).fetchone() is None:
        return None
    return connection.execute("SELECT * FROM similar_to(%s, %s, %s)", (bucket, key, limit)).fetchall()


def similar_to_file(connection: Connection, path: Path, limit: int) -> list[dict[str, Any]]:
    """Looks at the file with the default model. Raises `BadModel` where that makes nothing of it."""
    model, _ = load(paths.default_model(), 1)
    try:
        examined = pictures.examine(io.BytesIO(path.read_bytes()), model.frame)
        embedding = model.embed(pictures.fit(examined, pictures.decode(examined), model.frame))
    except Rejected as rejection:
        raise BadModel(f"{path}: {rejection.code}: {rejection}") from None
    assert embedding is not None  # the default model has a backbone
    found = connection.execute(
        "SELECT near.* FROM backbones, similar_to_embedding(id, %s, %s, CAST(%s AS bit varying), %s) AS near"
        " WHERE digest = %s",
        (embedding.values, embedding.zero_point, signature(embedding.values), limit, embedding.backbone),
    )
    return found.fetchall()


def find_duplicates(connection: Connection, bucket: str, near: float | None) -> list[list[str]]:
    """Groups of keys, each sorted: the same bytes, and with `near` also pictures at least so similar."""
    links = [row["keys"] for row in connection.execute(_SAME_BYTES, {"bucket": bucket})]
    if near is not None:
        asked = {"bucket": bucket, "least": near, "neighbours": NEIGHBOURS}
        links += [[row["one"], row["other"]] for row in connection.execute(_NEAR, asked)]
    return join(links)


def join(links: Iterable[Sequence[str]]) -> list[list[str]]:
    """What is linked, directly or by others, as groups in the order of their first keys."""
    group_of: dict[str, set[str]] = {}
    for link in links:
        merged = set(link).union(*(group_of.get(key, ()) for key in link))
        group_of.update(dict.fromkeys(merged, merged))
    return sorted(sorted(group) for group in {id(group): group for group in group_of.values()}.values())
