"""What people say of pictures, as it is kept, and the lesson that a head is taught with."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import dict_row

from actions.messages import Embedding
from actions.store.__main__ import main
from infra import paths
from infra.database.examples import UnknownKeys, give_labels, list_examples, take_labels_back
from infra.models.installed import BadModel, InstalledModel, find_installed
from infra.teaching.lesson import OTHER, Lesson, prepare_lesson
from infra.teaching.training import PARTS, divide, weigh
from tests.fixtures.outcomes import outcome
from tests.fixtures.postgres import Database
from tests.integration.test_store import Store, forget

Rows = psycopg.Connection[dict[str, Any]]
LENGTH = 1280


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Store outcomes through the action."""
    url = database.url("pixwhisk_store")
    yield lambda *outcomes: main({"outcomes": list(outcomes), "DATABASE_URL": url})
    forget(url)


@pytest.fixture
def rows(database: Database) -> Iterator[Rows]:
    with psycopg.connect(database.url(), autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def base(model_directory: Path) -> InstalledModel:
    return find_installed(paths.MODEL_NAME)


def picture(base: InstalledModel, key: str, thing: int, sequencer: str = "1") -> dict[str, Any]:
    """An outcome with an embedding near those of the same thing, and far from any other's."""
    of_thing, of_key = random.Random(thing), random.Random(key)
    values = bytes(min(255, of_thing.choice((0, 0, 180)) + of_key.randrange(40)) for _ in range(LENGTH))
    return outcome(key, sequencer, embedding=Embedding(str(base.backbone), 0.02, 0, values).dump())


def said(rows: Rows) -> list[tuple[str, str, bool, str]]:
    return [(each.key, each.label, each.shows, each.given_by) for each in list_examples(rows, "images")]


def test_what_is_said_counts_for_the_bytes_it_was_said_of(store: Store, rows: Rows) -> None:
    """The last word on a label counts; an overwritten object's counts no longer, nor a removed one's."""
    store(outcome("a", "1"), outcome("b", "1"))
    give_labels(rows, "images", ["a", "b"], {"mug": True, "cup": False}, "ann")
    give_labels(rows, "images", ["b"], {"mug": False}, "bob")
    assert said(rows) == [
        ("a", "cup", False, "ann"),
        ("b", "cup", False, "ann"),
        ("a", "mug", True, "ann"),
        ("b", "mug", False, "bob"),
    ]
    store(outcome("a", "2"), outcome("b", "2", "deleted"))
    assert said(rows) == []


def test_unknown_keys_have_nothing_noted_of_any(store: Store, rows: Rows) -> None:
    """All or nothing, and a key that is there no longer is as unknown as one that never was."""
    store(outcome("a", "1"), outcome("gone", "1"))
    store(outcome("gone", "2", "deleted"))
    for keys in (["a", "never"], ["a", "gone"]):
        with pytest.raises(UnknownKeys, match=repr(keys[1])):
            give_labels(rows, "images", keys, {"mug": True}, "ann")
    assert said(rows) == []


def test_labels_are_taken_back_by_name_or_all(store: Store, rows: Rows) -> None:
    """What was said of other labels stays."""
    store(outcome("a", "1"))
    give_labels(rows, "images", ["a"], {"mug": True, "cup": False, "jar": False}, "ann")
    assert take_labels_back(rows, "images", ["a"], ["mug"]) == 1
    assert take_labels_back(rows, "images", ["a"], []) == 2
    assert said(rows) == []


def test_readers_see_what_was_said(store: Store, rows: Rows, database: Database) -> None:
    """The role for readers needs no more, and may say nothing itself."""
    store(outcome("a", "1"))
    give_labels(rows, "images", ["a"], {"<b>'); DROP TABLE models; --": True}, "ann")
    with database.connect("pixwhisk_view") as connection:
        assert connection.execute("SELECT label FROM examples").fetchall() == [("<b>'); DROP TABLE models; --",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM example_labels")


def lesson_of_mugs(store: Store, rows: Rows, base: InstalledModel) -> Lesson:
    """Six mugs, two said not to be mugs, two more mugs and nine other things that nobody said anything of."""
    mugs, more = [f"mug-{number}" for number in range(6)], ["unsaid-1", "unsaid-2"]
    store(*(picture(base, key, 1) for key in [*mugs, *more]))
    store(*(picture(base, f"plate-{number}", 2) for number in range(2)))
    store(*(picture(base, f"else-{number}", 10 + number) for number in range(9)))
    give_labels(rows, "images", mugs, {"mug": True}, "ann")
    give_labels(rows, "images", ["plate-0", "plate-1"], {"mug": False}, "ann")
    return prepare_lesson(rows, base, [])


def test_a_lesson_has_what_was_said_and_what_is_like_none_of_it(store: Store, rows: Rows, base: InstalledModel) -> None:
    """What looks like an example is shown as nothing, though nobody has said that it is one."""
    lesson = lesson_of_mugs(store, rows, base)
    assert (lesson.labels, lesson.examples) == (("mug", OTHER), {"mug": 6})
    assert lesson.allowed[:8].tolist() == [[True, False]] * 6 + [[False, True]] * 2
    own = len(list(paths.PHOTOS.glob("*.jpg"))) * 6
    assert lesson.background == own + 9
    assert len(lesson.numbers) == len(lesson.allowed) == 8 + lesson.background


def test_each_label_weighs_the_same_and_is_in_every_part(store: Store, rows: Rows, base: InstalledModel) -> None:
    """Six mugs as much as all else; of each, every part of the cross-validation has some."""
    allowed = lesson_of_mugs(store, rows, base).allowed
    weights, parts = weigh(allowed), divide(allowed)
    assert weights[allowed[:, 0]].sum() == pytest.approx(weights[allowed[:, 1]].sum())
    assert all(allowed[parts == part].any(axis=0).all() for part in range(PARTS))
    assert np.bincount(parts).tolist() == sorted(np.bincount(parts), reverse=True)


def test_what_a_lesson_lacks_is_counted(store: Store, rows: Rows, base: InstalledModel) -> None:
    """Too few of a label, or without an embedding: which, how many, and what would help."""
    store(*(picture(base, f"{number}", 1) for number in range(4)), outcome("4", "1"))
    give_labels(rows, "images", [f"{number}" for number in range(5)], {"mug": True}, "ann")
    with pytest.raises(BadModel, match=r"mug has 4 \(and 1 without an embedding\); `pixwhisk backfill --model"):
        prepare_lesson(rows, base, [])
    with pytest.raises(BadModel, match="jar has 0"):
        prepare_lesson(rows, base, ["jar"])
