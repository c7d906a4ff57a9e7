"""From a lesson to a head that is a model of its own: a directory with its backbone, a digest and a card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from actions.classify.card import digest_of
from infra import paths
from infra.model.card import BACKBONE, CARD, HEAD, digest
from infra.models.importing import try_out
from infra.models.installed import NAME, BadModel, InstalledModel, find_installed, list_installed
from infra.models.staging import staging
from infra.reports import Report
from infra.setup.tensorflow import run_tensorflow
from infra.teaching.lesson import Lesson
from infra.teaching.training import LESSON, REPORT


def check_name(name: str, active: Collection[str]) -> None:
    """Raise `BadModel` where no head can be taught under this name."""
    if not NAME.fullmatch(name):
        raise BadModel(f"{name!r} is no name for a head: letters, digits, `.`, `_` and `-`, up to 64")
    if name in active:
        # What is at work has its file in memory: two heads would speak under one name.
        raise BadModel(f"{name} is active: teach under another name, {name}-2 say, and `pixwhisk models use` that")
    there = {each.name: each for each in list_installed()}.get(name)
    if there is not None and "taught" not in there.card:
        raise BadModel(f"{name} is a model that was not taught: choose another name")


def train_head(name: str, base: InstalledModel, lesson: Lesson, report: Report) -> InstalledModel:
    """Train, try and install it, in place of one of the same name. Where that raises, nothing has changed."""
    with staging(name) as beside:
        fresh = beside / "fresh"
        fresh.mkdir()
        np.savez(beside / LESSON, numbers=lesson.numbers, allowed=lesson.allowed)
        run_tensorflow("infra.teaching.training", str(beside), "teach", report)
        shutil.copy2(base.directory / str(base.card["backbone"]["file"]), fresh / BACKBONE)
        shutil.move(beside / HEAD, fresh / HEAD)
        said = json.loads((beside / REPORT).read_text())
        (fresh / CARD).write_text(json.dumps(_describe(name, base, lesson, said, fresh), ensure_ascii=False, indent=1))
        try_out(fresh)
        place = paths.models() / name
        if place.exists():
            place.rename(beside / "former")
        fresh.rename(place)
    return find_installed(name)


def _describe(
    name: str, base: InstalledModel, lesson: Lesson, said: Mapping[str, Any], directory: Path
) -> dict[str, Any]:
    data = {part: (directory / file).read_bytes() for part, file in (("backbone", BACKBONE), ("head", HEAD))}
    digests = {part: digest(each) for part, each in data.items()}
    return {
        "name": name,
        "digest": digest_of((digests["backbone"], digests["head"])),
        "backbone": {"file": BACKBONE, "digest": digests["backbone"], "size": len(data["backbone"])},
        "head": {"file": HEAD, "digest": digests["head"], "size": len(data["head"])},
        "size": sum(map(len, data.values())),
        "source": f"taught on the backbone of {base.name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "input": base.card["input"],
        "accuracy": {"crossValidated": score(lesson.labels, said["confusion"], said["parts"])},
        "taught": {"examples": dict(lesson.examples), "background": lesson.background, "strength": said["strength"]},
        "labels": list(lesson.labels),
    }


def score(labels: Sequence[str], confusion: Sequence[Sequence[int]], parts: int) -> dict[str, Any]:
    """By pictures that were left out: the share of those that people named, by label and in all, that was right.

    A row of `confusion` is what they show, a column what was said of them. Most others nobody looked at: they count in
    `confusion` alone.
    """
    named = range(len(labels) - 1)
    right = {labels[each]: confusion[each][each] / max(1, sum(confusion[each])) for each in named}
    total = sum(sum(confusion[each]) for each in named)
    return {
        "parts": parts,
        "pictures": total,
        "top1": round(sum(confusion[each][each] for each in named) / max(1, total), 4),
        "byLabel": {label: round(share, 4) for label, share in right.items()},
        "confusion": [list(row) for row in confusion],
    }
