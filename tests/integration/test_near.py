"""Pictures that are almost the same, found by comparing all pairs, most of them briefly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from infra.models.near import HeldPictures, _compare
from infra.models.similar import join

LENGTH = 400


@pytest.mark.parametrize("least", [0.5, 0.9, 0.99])
def test_no_pair_is_missed(least: float) -> None:
    """What is found is what comparing all numbers of all pairs finds, whatever the numbers that mean 0."""
    chosen = np.random.default_rng(1)
    kinds = chosen.integers(0, 200, (30, LENGTH))
    stored = np.concatenate(
        [np.clip(kinds + chosen.normal(0, spread, kinds.shape), 0, 255) for spread in (0, 5, 20, 60)]
    ).astype(np.uint8)
    held = HeldPictures(
        [str(number) for number in range(len(stored))], stored, chosen.integers(0, 5, len(stored)) * np.float32(1)
    )
    units = held.read_units(slice(None))
    exact = {(one, other) for one, other in combinations(range(len(stored)), 2) if units[one] @ units[other] >= least}
    assert set(_compare(held, least)) == exact
    assert exact


def test_what_is_linked_by_others_is_one_group() -> None:
    """However long the way from one to the other is."""
    chain = [(f"{number:05}", f"{number + 1:05}") for number in reversed(range(5000))]
    (group,) = join(chain)
    assert (len(group), group[0], group[-1]) == (5001, "00000", "05000")
    assert join([("b", "a"), ("d", "c")]) == [["a", "b"], ["c", "d"]]
