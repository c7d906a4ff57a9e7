"""Pictures that are almost the same: every pair in a bucket whose embeddings are at least so similar.

A pair is compared by a few numbers first. With all numbers turned so that the first of them say most, the cosine is at
most what these contribute plus the product of the lengths of what is left: one number more. Only pairs for which that
suffices are compared by some more numbers, and then by all; so none is missed, and few are compared at length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

# How many numbers come first, and then; and of how many pictures it is learnt which way to turn them.
FIRST, THEN = 96, 320
SAMPLE = 4000
# Pairs that are looked at together: some ten megabytes.
ROWS, COLUMNS = 512, 4096
PORTION = 2000
# Comparing all numbers of so many pairs at once takes some fifty megabytes.
VERIFIED, BOUNDED = 4096, 16384

# Of the backbone that has looked at most of the bucket: what two make of pictures cannot be compared.
_ALL = """
SELECT key, zero_point, numbers FROM current_embeddings
WHERE bucket = %(bucket)s AND backbone_id = (
    SELECT backbone_id FROM current_embeddings WHERE bucket = %(bucket)s GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)
ORDER BY key
"""

Floats = NDArray[np.float32]
Connection = psycopg.Connection[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class HeldPictures:
    """All pictures of a bucket: `stored` has a row of bytes each, of which `zeros` mean 0."""

    keys: list[str]
    stored: NDArray[np.uint8]
    zeros: Floats

    def read_units(self, rows: Any) -> Floats:
        """Of these rows, as vectors of length 1."""
        numbers = self.stored[rows].astype(np.float32) - self.zeros[rows, None]
        result: Floats = numbers / np.maximum(np.linalg.norm(numbers, axis=1, keepdims=True), np.float32(1e-6))
        return result


def find_near(connection: Connection, bucket: str, least: float) -> Iterator[tuple[str, str]]:
    """Pairs of keys, the one that comes first in their order first. All pairs are looked at."""
    held = _read(connection, bucket)
    if len(held.keys) > 1:
        for one, other in _compare(held, least):
            yield held.keys[one], held.keys[other]


def _read(connection: Connection, bucket: str) -> HeldPictures:
    keys, zeros, parts = list[str](), list[float](), list[bytes]()
    with connection.transaction(), connection.cursor(name="near") as cursor:
        cursor.itersize = PORTION
        for row in cursor.execute(_ALL, {"bucket": bucket}):
            keys.append(row["key"])
            zeros.append(row["zero_point"])
            parts.append(row["numbers"])
    stored = np.frombuffer(b"".join(parts), np.uint8).reshape(len(keys), -1) if keys else np.zeros((0, 1), np.uint8)
    return HeldPictures(keys, stored, np.array(zeros, np.float32))


def _compare(held: HeldPictures, least: float) -> Iterator[tuple[int, int]]:
    short, longer = _shorten(held)
    # As much as rounding may take from a cosine.
    enough = np.float32(least - 1e-4)
    for top in range(0, len(short), ROWS):
        for left in range(top, len(short), COLUMNS):
            bound = short[top : top + ROWS] @ short[left : left + COLUMNS].T
            ones, others = np.nonzero(bound >= enough)
            ones, others = ones + top, others + left
            for first in range(0, len(ones), BOUNDED):
                one, other = ones[first : first + BOUNDED], others[first : first + BOUNDED]
                kept = (one < other) & (np.einsum("ij,ij->i", longer[one], longer[other]) >= enough)
                yield from _verify(held, one[kept], other[kept], least)


def _verify(
    held: HeldPictures, ones: NDArray[np.int64], others: NDArray[np.int64], least: float
) -> Iterator[tuple[int, int]]:
    for first in range(0, len(ones), VERIFIED):
        one, other = ones[first : first + VERIFIED], others[first : first + VERIFIED]
        found = np.einsum("ij,ij->i", held.read_units(one), held.read_units(other)) >= least
        yield from zip(one[found].tolist(), other[found].tolist(), strict=True)


def _shorten(held: HeldPictures) -> tuple[Floats, Floats]:
    """Of each picture the first numbers, turned, and the length of what is left; of fewer and of more numbers."""
    count = len(held.keys)
    sample = held.read_units(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
    turn = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :THEN].astype(np.float32)
    turned = np.empty((count, turn.shape[1]), np.float32)
    for first in range(0, count, PORTION):
        rows = slice(first, first + PORTION)
        turned[rows] = held.read_units(rows) @ turn
    return _bound(turned[:, :FIRST]), _bound(turned)


def _bound(numbers: Floats) -> Floats:
    left = np.sqrt(np.maximum(0, 1 - (numbers**2).sum(axis=1, keepdims=True)))
    return np.concatenate([numbers, left], axis=1)
