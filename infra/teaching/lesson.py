"""What a head is taught with: embeddings, and which labels each may get.

A head has a label for each thing that it is taught, and one more, `other`, for all else. What it is shown as other is
what people called so, the photos that come along, and stored pictures that are like no example of anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from PIL import Image

from actions.classify.model import Model, load
from infra.models.installed import BadModel, InstalledModel
from infra.models.own_photos import cut_pixels, read_own_photos

OTHER = "other"
LEAST_EXAMPLES = 5
# Stored pictures that nobody has said anything of: so many are looked at, and so many shown as other at most.
LOOKED_AT = 2000
LIMIT_BACKGROUND = 300

_SAID = """
SELECT examples.object_id, examples.label, examples.shows, embeddings.numbers, embeddings.scale, embeddings.zero_point
FROM examples
LEFT JOIN embeddings ON embeddings.object_id = examples.object_id
    AND embeddings.etag = (SELECT etag FROM objects WHERE id = examples.object_id)
    AND embeddings.backbone_id = (SELECT id FROM backbones WHERE digest = %(backbone)s)
WHERE examples.label = ANY(%(labels)s) OR %(labels)s::text[] = '{}'
ORDER BY examples.object_id
"""
# By a hash of their numbers: any, and the same ones each time.
_UNSAID = """
SELECT numbers, scale, zero_point FROM embeddings
JOIN objects ON objects.id = embeddings.object_id AND objects.etag = embeddings.etag AND objects.finality = 0
WHERE embeddings.backbone_id = (SELECT id FROM backbones WHERE digest = %(backbone)s)
  AND NOT EXISTS (SELECT FROM example_labels WHERE example_labels.object_id = embeddings.object_id)
ORDER BY hashint8(embeddings.object_id) LIMIT %(count)s
"""

Connection = psycopg.Connection[dict[str, Any]]
Numbers = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lesson:
    """`numbers` has a row a picture, `allowed` says which of `labels`, the last of which is `OTHER`, it may get.
    `examples`: how many pictures people said to show each. `background`: how many rows nobody has said anything of.
    """

    labels: Sequence[str]
    numbers: Numbers
    allowed: NDArray[np.bool_]
    examples: Mapping[str, int]
    background: int


@dataclass
class _Seen:
    """One picture that somebody said something of."""

    numbers: Numbers | None
    shows: set[str] = field(default_factory=set)
    lacks: set[str] = field(default_factory=set)


def prepare_lesson(connection: Connection, base: InstalledModel, labels: Sequence[str]) -> Lesson:
    """For a head on the backbone of `base`, about these labels, or all that were given where none is named.

    Raises `BadModel` saying of which labels there are too few examples.
    """
    seen = _read_examples(connection, base, labels)
    usable = [each for each in seen if each.numbers is not None]
    taught = sorted({label for each in seen for label in each.shows} - {OTHER} | set(labels) - {OTHER})
    counts = {label: sum(label in each.shows for each in usable) for label in taught}
    _demand_enough(counts, seen, base)
    shown = np.stack([each.numbers for each in usable if each.numbers is not None])
    allowed = np.array([_allow(each, taught) for each in usable])
    background = np.concatenate([_look_at_own_photos(base), _find_unlike(connection, base, shown, allowed)])
    other = np.zeros((len(background), len(taught) + 1), bool)
    other[:, -1] = True
    return Lesson(
        labels=(*taught, OTHER),
        numbers=np.concatenate([shown, background]),
        allowed=np.concatenate([allowed, other]),
        examples=counts,
        background=len(background),
    )


def read_numbers(row: Mapping[str, Any]) -> Numbers:
    """An embedding's numbers, of a row that has them as they are stored."""
    stored = np.frombuffer(row["numbers"], np.uint8).astype(np.float32)
    return (stored - np.float32(row["zero_point"])) * np.float32(row["scale"])


def _read_examples(connection: Connection, base: InstalledModel, labels: Sequence[str]) -> Sequence[_Seen]:
    # What shows none of the labels is worth as much as one of them.
    wanted = [*labels, OTHER] if labels else []
    found: dict[int, _Seen] = {}
    for row in connection.execute(_SAID, {"backbone": base.backbone, "labels": wanted}):
        numbers = read_numbers(row) if row["numbers"] is not None else None
        each = found.setdefault(row["object_id"], _Seen(numbers))
        (each.shows if row["shows"] else each.lacks).add(row["label"])
    return list(found.values())


def _demand_enough(counts: Mapping[str, int], seen: Sequence[_Seen], base: InstalledModel) -> None:
    if not counts:
        raise BadModel("there are no examples: `pixwhisk label KEY... --as NAME` gives some")
    without: dict[str, int] = defaultdict(int)
    for each in seen:
        for label in each.shows if each.numbers is None else ():
            without[label] += 1
    lacking = [
        f"{label} has {count}" + (f" (and {without[label]} without an embedding)" if without[label] else "")
        for label, count in counts.items()
        if count < LEAST_EXAMPLES
    ]
    if lacking:
        mend = f"; `pixwhisk backfill --model {base.name}` embeds what is there" if any(without.values()) else ""
        raise BadModel(f"each label needs at least {LEAST_EXAMPLES} examples: {', '.join(lacking)}{mend}")


def _allow(each: _Seen, taught: Sequence[str]) -> list[bool]:
    """What it shows; of what nobody said what it shows, anything but what it was said to lack."""
    names = (*taught, OTHER)
    known = each.shows & set(names)
    return [name in known if known else name not in each.lacks for name in names]


def _look_at_own_photos(base: InstalledModel) -> Numbers:
    """What the backbone makes of the photos that come along: as they are, mirrored, and parts of them."""
    model, _ = load(base.directory, 1)
    return np.stack([_make_numbers(model, image) for image in read_own_photos()])


def _make_numbers(model: Model, image: Image.Image) -> Numbers:
    embedding = model.embed(cut_pixels(image, model.frame))
    if embedding is None:
        raise BadModel("a model in one piece has no backbone on which a head could be taught")
    given = {"numbers": embedding.values, "scale": embedding.scale, "zero_point": embedding.zero_point}
    return read_numbers(given)


def _find_unlike(connection: Connection, base: InstalledModel, shown: Numbers, allowed: NDArray[np.bool_]) -> Numbers:
    """Stored pictures that are less like any example than the examples of a thing are, on average, like each other.

    What is as like as that may well show the thing, though nobody has said so yet: it is shown as nothing.
    """
    rows = connection.execute(_UNSAID, {"backbone": base.backbone, "count": LOOKED_AT}).fetchall()
    if not rows:
        return shown[:0]
    candidates = np.stack([read_numbers(row) for row in rows])
    unlike = np.ones(len(candidates), bool)
    for label in range(allowed.shape[1] - 1):
        examples = _unit(shown[allowed[:, label] & (allowed.sum(axis=1) == 1)])
        if len(examples) > 1:
            among = (examples @ examples.T)[np.triu_indices(len(examples), 1)]
            unlike &= (_unit(candidates) @ examples.T).max(axis=1) < among.mean()
    return candidates[unlike][:LIMIT_BACKGROUND]


def _unit(numbers: Numbers) -> Numbers:
    lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
    result: Numbers = numbers / np.maximum(lengths, np.float32(1e-6))
    return result
