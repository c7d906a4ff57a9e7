"""Whether a quantised model still says what the full-precision one says; one that does not is never written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[Any]

LEAST_TOP1 = 0.85
LEAST_TOP5 = 0.9
# Scores are divided by a temperature of 0.5, which doubles what the quantiser's error makes of them.
MOST_DIFFERENCE = 0.08


class Unfit(Exception):
    """The model failed a check; the message has the figures."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models compare over `images`.

    `top1`: the share with the same first class. `top5`: the share whose first class is among the other's first five.
    `difference`: the mean absolute difference of the probability of the reference's first class.
    """

    images: int
    top1: float
    top5: float
    difference: float

    def dump(self) -> dict[str, Any]:
        figures = {"top1": self.top1, "top5": self.top5, "difference": self.difference}
        return {"images": self.images, **{name: round(figure, 4) for name, figure in figures.items()}}


def agreement(reference: Sequence[Probabilities], other: Sequence[Probabilities]) -> Agreement:
    """Compare the outputs of two models for the same images, in the same order."""
    pairs = list(zip(reference, other, strict=True))
    first = [int(left.argmax()) for left, _ in pairs]
    return Agreement(
        images=len(pairs),
        top1=float(np.mean([best == right.argmax() for best, (_, right) in zip(first, pairs, strict=True)])),
        top5=float(np.mean([best in right.argsort()[-5:] for best, (_, right) in zip(first, pairs, strict=True)])),
        difference=float(
            np.mean(
                [abs(float(left[best]) - float(right[best])) for best, (left, right) in zip(first, pairs, strict=True)]
            )
        ),
    )


def demand(found: Agreement, said: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise `Unfit` unless the models agree and each known photo got its label."""
    if found.top1 < LEAST_TOP1 or found.top5 < LEAST_TOP5 or found.difference > MOST_DIFFERENCE:
        raise Unfit(f"quantised and full-precision model disagree: {found.dump()}")
    wrong = {name: said.get(name) for name, label in expected.items() if said.get(name) != label}
    if wrong:
        raise Unfit(f"known photos got other labels: {wrong}, not {dict(expected)}")
