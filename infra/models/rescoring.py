"""A head asked about the past: from the embeddings that are stored, without reading an image.

Goes object by object in the order of their numbers; what has an outcome is passed over, so an interrupted run goes on.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, pairwise
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

# The planner takes it that next to no etag is equal to the other, and would then read all there is for each portion:
# hence `CASE`, of which it thinks nothing.
_LACKING = """
SELECT objects.id, objects.etag, embeddings.scale, embeddings.zero_point, embeddings.numbers
FROM embeddings
JOIN objects ON objects.id = embeddings.object_id
            AND CASE WHEN objects.etag = embeddings.etag THEN objects.finality = 0 ELSE false END
WHERE embeddings.backbone_id = (SELECT id FROM backbones WHERE digest = %(backbone)s)
  AND embeddings.object_id > %(after)s AND objects.id > %(after)s
  AND NOT EXISTS (
      SELECT FROM outcomes WHERE object_id = embeddings.object_id AND model_id = %(model)s
                             AND CASE WHEN etag = embeddings.etag THEN true ELSE false END
  )
ORDER BY embeddings.object_id LIMIT %(portion)s
"""
# What is known of the bytes is known whoever looked at them.
_WRITE = """
INSERT INTO outcomes (object_id, model_id, etag, status, label, probability, labels, sha256, format, width,
                      height, receipt)
SELECT objects.id, %(model)s, objects.etag, 'classified', given.labels -> 0 ->> 'label',
       (given.labels -> 0 -> 'probability')::double precision, given.labels,
       former.sha256, former.format, former.width, former.height, '{"rescored": true}'
FROM jsonb_to_recordset(%(rows)s::jsonb) AS given (id bigint, etag text, labels jsonb)
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
    two connections to the database at `url` write some, the head is asked about the next.
    """
    if model.backbone is None:
        return 0
    written = 0
    with connect(url) as reading, connect(url) as one, connect(url) as other, ThreadPoolExecutor(2) as pool:
        row = reading.execute("SELECT id FROM models WHERE (name, digest) = (%s, %s)", (model.name, model.digest))
        known = row.fetchone()
        # The one that waited longest is done before its connection is used again.
        writing, connections = deque[Future[None]](), cycle((one, other))
        for portion in _ask(reading, model, known["id"], stop) if known else ():
            if len(writing) == 2:
                writing.popleft().result()
            writing.append(pool.submit(_write, next(connections), known["id"] if known else 0, portion))
            written += len(portion)
            report(written)
        for last in writing:
            last.result()
    return written


def _ask(connection: Connection, model: InstalledModel, model_id: int, stop: Event) -> Iterator[Sequence[str]]:
    """Rows to write, a portion at a time; after `stop` no more."""
    head, after = BatchHead(model), 0
    while not stop.is_set():
        place = {"backbone": model.backbone, "after": after, "model": model_id, "portion": PORTION}
        found = connection.execute(_LACKING, place).fetchall()
        if not found:
            return
        yield list(_rows(head, found))
        after = found[-1]["id"]


def _write(connection: Connection, model_id: int, rows: Sequence[str]) -> None:
    connection.execute(_WRITE, {"model": model_id, "rows": f"[{', '.join(rows)}]"})


def _rows(head: BatchHead, found: Sequence[Row]) -> Iterator[str]:
    """As JSON."""
    stored = np.stack([np.frombuffer(each["numbers"], np.uint8) for each in found]).astype(np.float32)
    zeros = np.array([[each["zero_point"]] for each in found], np.float32)
    scales = np.array([[each["scale"]] for each in found], np.float32)
    for each, labels in zip(found, head.speak((stored - zeros) * scales), strict=True):
        yield f'{{"id": {each["id"]}, "etag": {json.dumps(each["etag"])}, "labels": {labels}}}'


class BatchHead:
    """A model's head under LiteRT, for many embeddings at once."""

    def __init__(self, model: InstalledModel) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(model.directory / str(model.card["head"]["file"])), num_threads=2)
        self.names = [str(name) for name in model.card["labels"]]
        # Making each label's JSON anew took most of the time.
        self._beginnings = [self._dump_beginning(index, name) for index, name in enumerate(self.names)]

    def speak(self, embeddings: NDArray[np.float32]) -> Iterator[str]:
        """The labels of each, as a row keeps them, as JSON."""
        for likeliest in self._find_likeliest(self.ask(embeddings)):
            labels = [f"{self._beginnings[index]}{probability}}}" for index, probability in likeliest]
            yield f"[{', '.join(labels)}]"

    def ask(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of each label, a row an embedding."""
        taken, given = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        self._interpreter.resize_tensor_input(taken["index"], embeddings.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(taken["index"], embeddings)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(given["index"]), np.float32)

    @staticmethod
    def _find_likeliest(probabilities: NDArray[np.float32]) -> Iterator[list[tuple[int, float]]]:
        """Of each row the labels and how likely they are: likeliest first, the lower index first where equal. Few are
        likely enough to be kept; sorting all would take most of the time there is.
        """
        rows, indices = np.nonzero(probabilities >= LEAST)
        likely = probabilities[rows, indices].astype(np.float64)
        order = np.lexsort((indices, -likely, rows))
        pairs = list(zip(indices[order].tolist(), np.round(likely[order], 6).tolist(), strict=True))
        ends = np.cumsum(np.bincount(rows, minlength=len(probabilities))).tolist()
        for begin, end in pairwise([0, *ends]):
            yield pairs[begin : min(end, begin + KEPT)]

    @staticmethod
    def _dump_beginning(index: int, name: str) -> str:
        """Up to its probability."""
        label = {"label": name.split(", ", maxsplit=1)[0], "className": name, "index": index}
        return f'{json.dumps(label)[:-1]}, "probability": '
