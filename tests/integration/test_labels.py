"""View `labels`: what stands above a label finds it, and rules say how labels are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import NullPool, create_engine

from actions.store.__main__ import main
from actions.store.migrations.vocabulary import read_vocabulary
from actions.view.query import parse_query, select_count, select_rows
from infra.database import rows as result_rows
from infra.database.label_rules import LabelRule, delete_rule, list_rules, put_rule
from tests.fixtures.outcomes import outcome
from tests.fixtures.postgres import Database
from tests.integration.test_store import forget

Rows = psycopg.Connection[dict[str, Any]]


def said(index: int, name: str, probability: float) -> dict[str, Any]:
    return {"index": index, "label": name.split(", ", maxsplit=1)[0], "className": name, "probability": probability}


@pytest.fixture
def classified(database: Database) -> Iterator[Rows]:
    """A beagle, a trolleybus, both kinds of crane, and a cat that is a dog by 2 %."""
    shown = {
        "beagle.jpg": [said(162, "beagle", 0.9)],
        "bus.jpg": [said(874, "trolleybus, trolley coach, trackless trolley", 0.8)],
        "bird.jpg": [said(134, "crane", 0.9)],
        "machine.jpg": [said(517, "crane", 0.9)],
        "cat.jpg": [said(281, "tabby, tabby cat", 0.7), said(162, "beagle", 0.02)],
    }
    url = database.url("pixwhisk_store")
    outcomes = [outcome(key, "1", classifications=labels) for key, labels in shown.items()]
    answer = main({"outcomes": outcomes, "DATABASE_URL": url})
    assert "error" not in answer, answer
    with psycopg.connect(database.url(), autocommit=True, row_factory=dict_row) as connection:
        yield connection
    forget(url)


def above(connection: Rows, word: str) -> set[str]:
    return {row["key"] for row in connection.execute("SELECT key FROM labels WHERE %s = ANY (ancestors)", (word,))}


def test_all_classes_have_something_above_them() -> None:
    """The vocabulary has the thousand classes, each under `entity`; only `crane` is two."""
    words = list(read_vocabulary())
    assert len(words) == 1000
    assert all("entity" in word.ancestors for word in words)
    assert {word.class_name for word in words if word.place is not None} == {"crane"}


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("dog", {"beagle.jpg"}),
        ("animal", {"beagle.jpg", "bird.jpg", "cat.jpg"}),
        ("vehicle", {"bus.jpg"}),
        ("bird", {"bird.jpg"}),
        ("no such thing", set()),
    ],
)
def test_what_stands_above_a_label_finds_it(classified: Rows, database: Database, word: str, keys: set[str]) -> None:
    """In SQL, on the command line and on the page alike, where the label has a tenth at least."""
    assert above(classified, word) == keys
    asked = result_rows.RowFilter(labels=[word.upper()])
    assert {row["key"] for row in result_rows.read(classified, asked)} == keys
    assert shown_on_page(database, word.upper()) == keys


def shown_on_page(database: Database, text: str) -> set[str]:
    url = database.url("pixwhisk_view").replace("postgresql://", "postgresql+psycopg://", 1)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        query = parse_query({"q": text})
        found = connection.execute(select_rows(query)).mappings().all()
        assert connection.execute(select_count(query)).scalar() == len(found)
    return {row["key"] for row in found}


def test_rules_count_at_once(classified: Rows) -> None:
    """For a label, for what stands above it, for some keys only; the most particular wins."""
    put_rule(classified, LabelRule("dog", minimum=0.01))
    assert above(classified, "dog") == {"beagle.jpg", "cat.jpg"}
    put_rule(classified, LabelRule("dog", prefix="cat", hide=True))
    assert above(classified, "dog") == {"beagle.jpg"}
    put_rule(classified, LabelRule("beagle", rename="Snoopy"))
    found = classified.execute("SELECT label FROM labels WHERE key = 'beagle.jpg'").fetchall()
    assert found == [{"label": "Snoopy"}]
    put_rule(classified, LabelRule("", minimum=0.95))
    assert above(classified, "vehicle") == set()
    for rule in list_rules(classified):
        delete_rule(classified, rule)
    assert above(classified, "vehicle") == {"bus.jpg"}


def test_a_rule_is_text_whatever_it_holds(classified: Rows) -> None:
    """Markup and SQL are names like any other."""
    hostile = "'); DROP TABLE outcomes; -- <script>"
    put_rule(classified, LabelRule("beagle", rename=hostile))
    (row,) = classified.execute("SELECT label FROM labels WHERE key = 'beagle.jpg'").fetchall()
    assert row["label"] == hostile


def test_readers_see_labels(classified: Rows, database: Database) -> None:
    """The role for readers needs no more."""
    with database.connect("pixwhisk_view") as connection:
        assert connection.execute("SELECT key FROM labels WHERE 'dog' = ANY (ancestors)").fetchall() == [
            ("beagle.jpg",)
        ]
