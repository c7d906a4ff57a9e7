"""Pictures that are like one, and groups of pictures that are like each other; by what the backbone made of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from actions.store.rows import signature
from infra import paths
from infra.models.installed import BadModel

_SAME_BYTES = """
SELECT array_agg(DISTINCT key) AS keys FROM current_results
WHERE bucket = %(bucket)s AND sha256 IS NOT NULL GROUP BY sha256 HAVING count(DISTINCT key) > 1
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
    # Late, as numpy below: a key is asked about in less time than they take to load.
    from actions.classify import pictures
    from actions.classify.model import load
    from actions.errors import Rejected

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
        from infra.models.near import find_near

        links += map(list, find_near(connection, bucket, near))
    return join(links)


def join(links: Iterable[Sequence[str]]) -> list[list[str]]:
    """What is linked, directly or by others, as groups in the order of their first keys."""
    above: dict[str, str] = {}

    def find_first(key: str) -> str:
        """Of its group; the way there is shortened, so that a long one is gone once."""
        while (upper := above.setdefault(key, key)) != key:
            above[key] = key = above[upper]
        return key

    for one, *others in links:
        for other in others:
            above[find_first(other)] = find_first(one)
    groups: dict[str, list[str]] = {}
    for key in above:
        groups.setdefault(find_first(key), []).append(key)
    return sorted(sorted(group) for group in groups.values())
