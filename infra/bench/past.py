"""A large past: so many pictures that were classified before are asked of a head, searched and grouped.

The rows are made up, in a bucket of their own; their embeddings are those of the photos that come along, each changed a
little, so that there are near ones and far ones. All of it is deleted again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from actions.classify.model import load
from actions.messages import Embedding
from actions.store.rows import signature
from infra import paths
from infra.bench.figures import Spread, round_figures
from infra.database.queries import connect
from infra.database.rows import RowFilter, count
from infra.deployment.record import Deployment
from infra.models.installed import InstalledModel, find_installed
from infra.models.own_photos import cut_pixels, read_own_photos
from infra.models.rescoring import rescore
from infra.models.similar import find_duplicates, similar_to_key

Part = Callable[[str, int], Callable[[int], None]]
Connection = psycopg.Connection[dict[str, Any]]

BUCKET = "bench-past"
FORMER = "bench-former"
PORTION = 5000
NEAR = 0.95

_OBJECTS = """
INSERT INTO objects (bucket, key, etag, size, event_time)
SELECT %(bucket)s, 'pictures/' || lpad(number::text, 8, '0') || '.jpg', 'etag-' || number, 84452, now()
FROM generate_series(%(first)s::integer, %(last)s::integer) AS number ORDER BY number RETURNING id, etag
"""
# One in fifty is the very bytes of the one before.
_OUTCOMES = """
INSERT INTO outcomes (object_id, model_id, etag, status, label, probability, labels, sha256, format, width, height)
SELECT id, (SELECT id FROM models WHERE name = %(former)s), etag, 'classified', 'tench', 0.9,
       '[{"label": "tench", "className": "tench, Tinca tinca", "index": 0, "probability": 0.9}]',
       'sha256:' || CASE WHEN id %% 50 = 0 THEN id - 1 ELSE id END, 'JPEG', 696, 613
FROM objects WHERE id = ANY(%(ids)s)
"""
_EMBEDDINGS = "COPY embeddings (object_id, backbone_id, length, etag, scale, zero_point, numbers, signature) FROM STDIN"
_LEARN = "INSERT INTO models (name, digest, active) VALUES (%s, %s, false) ON CONFLICT DO NOTHING"
_LEARN_BACKBONE = "INSERT INTO backbones (digest, length) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_ABOVE = "SELECT DISTINCT key FROM labels WHERE bucket = %s AND ancestors @> ARRAY[%s]"


@dataclass(frozen=True, slots=True)
class PastPlan:
    """How many pictures, and how often each thing is asked."""

    pictures: int = 100_000
    asked: int = 50


QUICK = PastPlan(pictures=2_000, asked=5)


def measure_past(deployment: Deployment, plan: PastPlan, begin_part: Part) -> dict[str, Any]:
    """Seconds of each; of `similar`, milliseconds a call."""
    model = find_installed(paths.MODEL_NAME)
    with connect(deployment.database_url) as connection:
        try:
            filled = _time(lambda: _fill(connection, model, plan, begin_part("making rows", plan.pictures)))
            asked = _ask(deployment, connection, model, plan, begin_part)
            return {"pictures": plan.pictures, "fill_seconds": filled, **asked}
        finally:
            begin_part("clearing up", 1)
            clear(connection)


def clear(connection: Connection) -> None:
    """Of this or an earlier run."""
    connection.execute("DELETE FROM objects WHERE bucket = %s", (BUCKET,))
    connection.execute("DELETE FROM models WHERE name = %s", (FORMER,))


def _ask(
    deployment: Deployment, connection: Connection, model: InstalledModel, plan: PastPlan, begin_part: Part
) -> dict[str, Any]:
    report = begin_part("asking the head", plan.pictures)
    rescored = _time(lambda: rescore(deployment.database_url, model, Event(), report))
    connection.execute("ANALYZE objects, outcomes, embeddings")
    keys = [f"pictures/{number:08}.jpg" for number in range(0, plan.pictures, plan.pictures // plan.asked)]
    report = begin_part("like pictures", len(keys))
    similar = []
    for done, key in enumerate(keys, 1):
        similar.append(_time(lambda key=key: similar_to_key(connection, BUCKET, key, 10)) * 1000)  # type: ignore[misc]
        report(done)
    begin_part("duplicates", 2)
    same = _time(lambda: find_duplicates(connection, BUCKET, None))
    near = _time(lambda: find_duplicates(connection, BUCKET, NEAR))
    begin_part("labels", 2)
    return {
        "rescore_seconds": rescored,
        "similar_ms": Spread.of(similar).dump(),
        "duplicates_seconds": same,
        "near_duplicates_seconds": near,
        "ancestor_sql_seconds": _time(lambda: connection.execute(_ABOVE, (BUCKET, "dog")).fetchall()),
        "ancestor_results_seconds": _time(lambda: count(connection, RowFilter(labels=["dog"]))),
    }


def _time(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return round_figures(time.perf_counter() - began)


def _fill(connection: Connection, model: InstalledModel, plan: PastPlan, report: Callable[[int], None]) -> None:
    clear(connection)
    connection.execute(_LEARN, (FORMER, "sha256:bench"))
    connection.execute(_LEARN, (model.name, model.digest))
    seen = _look(model)
    connection.execute(_LEARN_BACKBONE, (model.backbone, len(seen[0].values)))
    row = connection.execute("SELECT id FROM backbones WHERE digest = %s", (model.backbone,)).fetchone()
    assert row is not None
    chosen = np.random.default_rng(0)
    for first in range(0, plan.pictures, PORTION):
        last = min(first + PORTION, plan.pictures) - 1
        objects = connection.execute(_OBJECTS, {"bucket": BUCKET, "first": first, "last": last}).fetchall()
        connection.execute(_OUTCOMES, {"former": FORMER, "ids": [each["id"] for each in objects]})
        with connection.cursor().copy(_EMBEDDINGS) as copy:
            for values in _make_embeddings(objects, row["id"], seen, chosen):
                copy.write_row(values)
        report(last + 1)


def _look(model: InstalledModel) -> Sequence[Embedding]:
    loaded, _ = load(model.directory, 1)
    found = [loaded.embed(cut_pixels(image, loaded.frame)) for image in read_own_photos()]
    return [each for each in found if each is not None]


def _make_embeddings(
    objects: Sequence[Mapping[str, Any]], backbone: int, seen: Sequence[Embedding], chosen: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    stored = np.stack([np.frombuffer(each.values, np.uint8) for each in seen])
    for each, numbers in zip(objects, _mix(stored, len(objects), chosen), strict=True):
        values = numbers.tobytes()
        of = seen[0]
        bits = signature(values)
        yield each["id"], backbone, len(values), each["etag"], of.scale, of.zero_point, values, bits


def _mix(stored: NDArray[np.uint8], count: int, chosen: np.random.Generator) -> NDArray[np.uint8]:
    """Each some photo's numbers, mixed with some other's, more or less, and changed a little."""
    one, other = (stored[chosen.integers(len(stored), size=count)].astype(np.float32) for _ in range(2))
    share = chosen.random((count, 1), np.float32) * np.float32(0.5)
    noise = chosen.normal(1, 0.5, one.shape).astype(np.float32)
    return np.clip((one * (1 - share) + other * share) * noise, 0, 255).astype(np.uint8)
