"""How right a model is, and how sure of it, on photos whose labels somebody knows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actions.classify.model import Model, best, load
from actions.errors import Rejected
from infra.models.installed import BadModel, InstalledModel
from infra.models.own_photos import read_pixels

BINS = 15
FIRST = 5


@dataclass(frozen=True, slots=True)
class KnownLabel:
    """A file, and what it shows: a label, or one of its synonyms, in any case."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class Guess:
    """How likely the first label was, and whether it, or one of the first five, was right."""

    probability: float
    right: bool
    among_first: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of `photos`; `unread` files were none. `bins`: of guesses that are about as sure, how many there are, how sure
    on average, and the share that was right.
    """

    photos: int
    unread: int
    top1: float
    top5: float
    confidence: float
    calibration_error: float
    bins: Sequence[tuple[int, float, float]]

    def dump(self) -> dict[str, Any]:
        """Stable keys, for programs."""
        return {
            "photos": self.photos,
            "unread": self.unread,
            "top1": round(self.top1, 4),
            "top5": round(self.top5, 4),
            "confidence": round(self.confidence, 4),
            "expected_calibration_error": round(self.calibration_error, 4),
            "bins": [
                {"photos": count, "confidence": round(sure, 4), "right": round(right, 4)}
                for count, sure, right in self.bins
            ],
        }


def read_known_labels(place: Path) -> Sequence[KnownLabel]:
    """From a directory with a folder a label, or a file with a path, a tab and a label a line. Raises `BadModel`."""
    if place.is_dir():
        found = [KnownLabel(each, each.parent.name) for each in sorted(place.glob("*/*")) if each.is_file()]
    else:
        try:
            lines = [line.rpartition("\t") for line in place.read_text("utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeError) as problem:
            raise BadModel(f"{place}: no list of photos in UTF-8 ({problem})") from None
        found = [KnownLabel(place.parent / path, label.strip()) for path, _, label in lines if path]
    if not found:
        raise BadModel(f"{place}: neither folders named as labels, with photos, nor lines of a path, a tab and a label")
    return found


def evaluate(
    model: InstalledModel, known: Sequence[KnownLabel], report: Callable[[int], None] = lambda _: None
) -> Evaluation:
    """Look at each as `classify` does. Raises `BadModel` for a label that the model does not have, or no photo."""
    loaded, card = load(model.directory, 1)
    names = {name for each in card.labels for name in _list_names(each)}
    strange = sorted({each.label for each in known if each.label.lower() not in names})
    if strange:
        more = f", nor {len(strange) - 1} more" if len(strange) > 1 else ""
        raise BadModel(f"{model.name} has no label {strange[0]!r}{more}")
    guesses = list(_guess(loaded, card.labels, known, report))
    if not guesses:
        raise BadModel(f"none of {len(known)} files is a picture")
    return summarise(guesses, len(known) - len(guesses))


def summarise(guesses: Sequence[Guess], unread: int) -> Evaluation:
    """The calibration error is over bins of equal width, each by its share of the photos."""
    bins: list[list[Guess]] = [[] for _ in range(BINS)]
    for guess in guesses:
        bins[min(BINS - 1, int(guess.probability * BINS))].append(guess)
    filled = [
        (len(each), sum(one.probability for one in each) / len(each), sum(one.right for one in each) / len(each))
        for each in bins
        if each
    ]
    count = len(guesses)
    return Evaluation(
        photos=count,
        unread=unread,
        top1=sum(each.right for each in guesses) / count,
        top5=sum(each.among_first for each in guesses) / count,
        confidence=sum(each.probability for each in guesses) / count,
        calibration_error=sum(number * abs(sure - right) for number, sure, right in filled) / count,
        bins=filled,
    )


def _guess(
    model: Model, labels: Sequence[str], known: Sequence[KnownLabel], report: Callable[[int], None]
) -> Iterator[Guess]:
    for done, each in enumerate(known, 1):
        report(done)
        try:
            pixels = read_pixels(io.BytesIO(each.path.read_bytes()), model.frame)
        except (Rejected, OSError):
            continue
        wanted = each.label.lower()
        first = best(model.classify(pixels), labels, FIRST)
        right = [wanted in _list_names(one.class_name) for one in first]
        yield Guess(first[0].probability if first else 0.0, any(right[:1]), any(right))


def _list_names(class_name: str) -> set[str]:
    """All that a class may be called: its synonyms, together and each."""
    name = class_name.lower()
    return {name, *name.split(", ")}
