"""The suite's own judgement: what it lets pass is right, and what is wrong it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tests.e2e.faults.gallery import Expected
from tests.e2e.faults.judgement import Row, Wrong, wrong_rows
from tests.e2e.faults.truth import NEVER, Kind, Listed, Operation, Truth, broken_promises, possible
from tests.fixtures.model import SECOND_MODEL, second_word

NAME = ("images", "cat.jpg")
ENTRY = Listed(*NAME, version="", etag="a", marker=False, latest=True)
ROW: dict[str, Any] = {
    "bucket": "images",
    "key": "cat.jpg",
    "version_id": "",
    "etag": "a",
    "finality": 0,
    "status": "classified",
    "label": "tabby",
    "reason": None,
    "sha256": "digest",
    "model": "default",
}
GONE = ROW | {"etag": "", "finality": 2, "status": "deleted", "label": None, "sha256": None}


def operation(
    kind: Kind, etag: str | None, began: float, ended: float = NEVER, version: str | None = None
) -> Operation:
    return Operation(kind, *NAME, etag=etag, version=version, began=began, ended=ended)


def known(*operations: Operation) -> Truth:
    truth = Truth()
    truth.operations[NAME] = list(operations)
    truth.expected["a"] = Expected("classified", "tabby", "digest")
    return truth


def wrong(
    truth: Truth, listed: Sequence[Listed], rows: Sequence[Row], models: Sequence[str] = ("default",)
) -> Sequence[Wrong]:
    return list(wrong_rows(truth, listed, rows, models))


def test_the_last_acknowledged_operation_decides() -> None:
    """What was answered before it began is history."""
    assert possible([operation("put", "a", 1, 2), operation("put", "b", 3, 4)]) == {"b"}
    assert possible([operation("put", "a", 1, 2), operation("delete", None, 3, 4)]) == {None}


def test_what_overlaps_or_is_in_doubt_may_be_last() -> None:
    """Two at once may end either way; what got no answer may happen at any time; before anything there is nothing."""
    assert possible([operation("put", "a", 1, 4), operation("put", "b", 3, 5)]) == {"a", "b"}
    assert possible([operation("put", "a", 1), operation("put", "b", 3, 4)]) == {"a", "b"}
    assert possible([operation("put", "a", 1)]) == {"a", None}
    assert possible([dataclasses.replace(operation("put", "a", 1), refused=True)]) == {None}


def test_a_bucket_that_lost_something_is_seen() -> None:
    """Without versioning by ETag, with versioning by version."""
    assert not broken_promises(known(operation("put", "a", 1, 2)), [ENTRY])
    assert broken_promises(known(operation("put", "a", 1, 2)), [])
    assert broken_promises(known(operation("put", "b", 1, 2)), [ENTRY])
    put = operation("put", "a", 1, 2, version="v1")
    versioned = dataclasses.replace(ENTRY, version="v1")
    assert not broken_promises(known(put), [versioned])
    assert broken_promises(known(put), [])
    assert not broken_promises(known(put, operation("remove", None, 3, 4, version="v1")), [])
    assert broken_promises(known(put, operation("remove", None, 3, 4, version="v1")), [versioned])
    assert broken_promises(known(put), [versioned, dataclasses.replace(ENTRY, version="v2")])


def test_a_right_row_is_right() -> None:
    """One outcome, about these bytes, with the label known beforehand."""
    assert not wrong(known(operation("put", "a", 1, 2)), [ENTRY], [ROW])


def test_every_wrong_row_is_seen() -> None:
    """Missing, doubled, about other bytes, with another label, deleted though there, there though deleted."""
    truth = known(operation("put", "a", 1, 2))
    other = {"etag": "b", "label": "palace", "sha256": "another", "status": "rejected", "finality": 1, "model": "x"}
    for name, value in other.items():
        assert wrong(truth, [ENTRY], [ROW | {name: value}]), name
    for rows in ([], [ROW, ROW], [GONE], [ROW | {"status": None}]):
        assert wrong(truth, [ENTRY], rows), rows
    deleted = known(operation("put", "a", 1, 2), operation("delete", None, 3, 4))
    assert not wrong(deleted, [], [GONE])
    for rows in ([], [ROW], [GONE | {"finality": 1}]):
        assert wrong(deleted, [], rows), rows


def test_each_model_must_have_spoken_for_itself() -> None:
    """One row by each of them, with its own word."""
    truth, models = known(operation("put", "a", 1, 2)), ("default", SECOND_MODEL)
    other = ROW | {"model": SECOND_MODEL, "label": second_word("tabby")}
    assert not wrong(truth, [ENTRY], [ROW, other], models)
    for rows in ([ROW], [other], [ROW, other, other], [ROW, other | {"label": "tabby"}], [GONE, GONE]):
        assert wrong(truth, [ENTRY], rows, models), rows
    deleted = known(operation("put", "a", 1, 2), operation("delete", None, 3, 4))
    assert not wrong(deleted, [], [GONE, GONE | {"model": SECOND_MODEL}], models)
    assert wrong(deleted, [], [GONE], models)


def test_a_delete_marker_must_be_known_as_one() -> None:
    """Its row says deleted, but not removed."""
    truth = known(operation("delete", None, 1, 2, version="m1"))
    marker = Listed(*NAME, version="m1", etag="", marker=True, latest=True)
    row = GONE | {"version_id": "m1", "finality": 1}
    assert not wrong(truth, [marker], [row])
    assert wrong(truth, [marker], [row | {"finality": 2}])
    assert wrong(truth, [marker], [])


def test_what_nobody_was_told_of_may_go_unnoticed() -> None:
    """What came and went while the bucket was not subscribed needs no row; what is there still does."""
    truth = known(operation("put", "a", 1, 2), operation("delete", None, 3, 4))
    untold = truth.untold(NAME[0], [(0.5, 3.5)])
    assert untold == {NAME}
    assert truth.untold(NAME[0], [(5, 6)]) == set()
    assert not list(wrong_rows(truth, [], [], ("default",), untold))
    assert list(wrong_rows(known(operation("put", "a", 1, 2)), [ENTRY], [], ("default",), untold))
