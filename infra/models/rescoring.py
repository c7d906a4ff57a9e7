"""A head asked about the past: from the embeddings that are stored, without reading an image.

Goes object by object in the order of their numbers; what has an outcome is passed over, so an interrupted run goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from infra.database.queries import connect
from infra.models.installed import InstalledModel

PORTION = 2000
# As `classify` keeps them.
KEPT = 20
LEAST = 0.001

_LACKING = """
SELECT objects.id, objects.etag, embeddings.scale, embeddings.zero_point, embeddings.numbers
FROM embeddings
JOIN objects ON objects.id = embeddings.object_id AND objects.etag = embeddings.etag AND objects.finality = 0
WHERE embeddings.backbone_id = (SELECT id FROM backbones WHERE digest = %(backbone)s) AND objects.id > %(after)s
  AND NOT EXISTS (SELECT FROM outcomes WHERE object_id = objects.id AND etag = objects.etag AND model_id = %(model)s)
ORDER BY objects.id LIMIT %(portion)s
"""
# What is known of the bytes is known whoever looked at them.
_WRITE = """
INSERT INTO outcomes (object_id, model_id, etag, status, label, probability, labels, sha256, format, width,
                      height, receipt)
SELECT objects.id, %(model)s, objects.etag, 'classified', given.label, given.probability, given.labels,
       former.sha256, former.format, former.width, former.height, '{"rescored": true}'
FROM jsonb_to_recordset(%(rows)s::jsonb)
         AS given (id bigint, etag text, label text, probability double precision, labels jsonb)
JOIN objects ON objects.id = given.id AND objects.etag = given.etag AND objects.finality = 0
CROSS JOIN LATERAL (
    SELECT sha256, format, width, height FROM outcomes
    WHERE object_id = objects.id AND etag = objects.etag AND status = 'classified' ORDER BY model_id LIMIT 1
) AS former
ON CONFLICT (object_id, model_id) DO UPDATE SET
    etag = excluded.etag, status = excluded.status, label = excluded.label, probability = excluded.probability,
    labels = excluded.labels, reason = NULL, detail = NULL, sha256 = excluded.sha256, format = excluded.format,
    width = excluded.width, height = excluded.height, receipt = excluded.receipt, stored_at = excluded.stored_at
WHERE outcomes.etag <> excluded.etag
"""

Connection = psycopg.Connection[dict[str, Any]]
Row = Mapping[str, Any]


def rescore(url: str, model: InstalledModel, stop: Event, report: Callable[[int], None] = lambda _: None) -> int:
    """Write the outcomes that the model lacks and whose embeddings are there; tells `report` how many so far. While
    the database at `url` writes some, the head is asked about the next.
    """
    if model.backbone is None:
        return 0
    written = 0
    with connect(url) as reading, connect(url) as writing, ThreadPoolExecutor(1) as pool:
        row = reading.execute("SELECT id FROM models WHERE (name, digest) = (%s, %s)", (model.name, model.digest))
        known = row.fetchone()
        before: Future[None] | None = None
        for portion in _ask(reading, model, known["id"], stop) if known else ():
            if before is not None:
                before.result()
            before = pool.submit(_write, writing, known["id"] if known else 0, portion)
            written += len(portion)
            report(written)
        if before is not None:
            before.result()
    return written


def _ask(connection: Connection, model: InstalledModel, model_id: int, stop: Event) -> Iterator[Sequence[Row]]:
    """Rows to write, a portion at a time; after `stop` no more."""
    head, after = BatchHead(model), 0
    while not stop.is_set():
        place = {"backbone": model.backbone, "after": after, "model": model_id, "portion": PORTION}
        found = connection.execute(_LACKING, place).fetchall()
        if not found:
            return
        yield list(_rows(head, found))
        after = found[-1]["id"]


def _write(connection: Connection, model_id: int, rows: Sequence[Row]) -> None:
    connection.execute(_WRITE, {"model": model_id, "rows": json.dumps(rows)})


def _rows(head: BatchHead, found: Sequence[Row]) -> Iterator[Row]:
    stored = np.stack([np.frombuffer(each["numbers"], np.uint8) for each in found]).astype(np.float32)
    zeros = np.array([[each["zero_point"]] for each in found], np.float32)
    scales = np.array([[each["scale"]] for each in found], np.float32)
    for each, labels in zip(found, head.speak((stored - zeros) * scales), strict=True):
        first = labels[0]
        yield {
            "id": each["id"],
            "etag": each["etag"],
            "label": first["label"],
            "probability": first["probability"],
            "labels": labels,
        }


class BatchHead:
    """A model's head under LiteRT, for many embeddings at once."""

    def __init__(self, model: InstalledModel) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(model.directory / str(model.card["head"]["file"])), num_threads=2)
        self.names = [str(name) for name in model.card["labels"]]

    def speak(self, embeddings: NDArray[np.float32]) -> Iterator[list[dict[str, Any]]]:
        """The labels of each, as a row keeps them."""
        probabilities = self.ask(embeddings)
        first = self._find_likeliest(probabilities, min(KEPT, probabilities.shape[1]))
        for row, order in zip(probabilities, first, strict=True):
            kept = [index for index in order.tolist() if row[index] >= LEAST]
            yield [self._label(index, float(row[index])) for index in kept]

    def ask(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of each label, a row an embedding."""
        taken, given = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        self._interpreter.resize_tensor_input(taken["index"], embeddings.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(taken["index"], embeddings)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(given["index"]), np.float32)

    @staticmethod
    def _find_likeliest(probabilities: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Likeliest first, the lower index first where equal. Sorting all of a thousand labels would take most of the
        time there is.
        """
        some = np.sort(np.argpartition(-probabilities, count - 1, axis=1)[:, :count], axis=1)
        order = np.argsort(-np.take_along_axis(probabilities, some, axis=1), axis=1, kind="stable")
        return np.take_along_axis(some, order, axis=1)

    def _label(self, index: int, probability: float) -> dict[str, Any]:
        name = self.names[index]
        return {
            "label": name.split(", ")[0],
            "className": name,
            "index": index,
            "probability": round(probability, 6),
        }
