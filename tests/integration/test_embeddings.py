"""Embeddings as `store` keeps them, and what finds one picture by another."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from actions.messages import Embedding
from actions.store.__main__ import main
from infra.database.vectors import INDEX
from tests.fixtures.outcomes import MODEL, OTHER_MODEL, outcome
from tests.fixtures.postgres import Database
from tests.integration.test_store import Store, forget

BACKBONE = "sha256:b0"
LENGTH = 1280


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Store outcomes through the action; returns its answer."""
    url = database.url("pixwhisk_store")
    yield lambda *outcomes: main({"outcomes": list(outcomes), "DATABASE_URL": url})
    forget(url)


def numbers(seed: int, length: int = LENGTH) -> bytes:
    return random.Random(seed).randbytes(length)


def like(other: bytes, seed: int) -> bytes:
    """Much the same, a tenth of it changed."""
    chosen = random.Random(seed)
    return bytes(chosen.randrange(256) if chosen.random() < 0.1 else each for each in other)


def seen(key: str, sequencer: str, values: bytes, **fields: Any) -> dict[str, Any]:
    return outcome(key, sequencer, embedding=Embedding(BACKBONE, 0.02, 0, values).dump(), **fields)


def held(connection: psycopg.Connection) -> list[tuple[str, bytes]]:
    found = connection.execute("SELECT key, numbers FROM embeddings JOIN objects ON id = object_id ORDER BY key")
    return found.fetchall()


def test_an_embedding_is_stored_once_for_all_heads(store: Store, connection: psycopg.Connection) -> None:
    """Two models' outcomes and a second delivery leave one row, with the very bytes."""
    first, second = seen("a", "1", numbers(1), model=MODEL), outcome("a", "1", model=OTHER_MODEL)
    answer: Any = store(first, second)
    assert not any("embedding" in each for each in answer["outcomes"])
    store(first, second)
    assert held(connection) == [("a", numbers(1))]
    assert connection.execute("SELECT digest, length FROM backbones").fetchall() == [(BACKBONE, LENGTH)]


def test_an_embedding_follows_its_object(store: Store, connection: psycopg.Connection) -> None:
    """What is overwritten is replaced, a late delivery of the former changes nothing, and a removal takes it away."""
    store(seen("a", "1", numbers(1)), seen("b", "1", numbers(2)))
    store(seen("a", "2", numbers(3)))
    store(seen("a", "1", numbers(1)))
    assert held(connection) == [("a", numbers(3)), ("b", numbers(2))]
    store(outcome("a", "3", "deleted"))
    assert held(connection) == [("b", numbers(2))]


def test_an_embedding_of_another_length_is_refused(store: Store, connection: psycopg.Connection) -> None:
    """A backbone's numbers are always as many; others are an error that says so, and nothing of the call is stored."""
    store(seen("a", "1", numbers(1)))
    answer: Any = store(seen("b", "1", numbers(2, 12)))
    assert answer["error"]["code"] == "bad-request"
    assert [key for key, _ in held(connection)] == ["a"]
    assert connection.execute("SELECT count(*) FROM results").fetchone() == (1,)


def test_like_pictures_find_each_other(store: Store, connection: psycopg.Connection) -> None:
    """`similar_to` names the likest first, never the picture itself nor what is there no longer."""
    store(*(seen(f"other-{seed}", "1", numbers(seed)) for seed in range(30)))
    store(seen("mug", "1", numbers(99)), seen("near", "1", like(numbers(99), 1)), seen("same", "1", numbers(99)))
    store(seen("gone", "1", numbers(99)))
    store(outcome("gone", "2", "deleted"))
    found = connection.execute("SELECT key, similarity FROM similar_to('images', 'mug', 3)").fetchall()
    assert [key for key, _ in found[:2]] == ["same", "near"]
    assert found[0][1] == pytest.approx(1)
    assert found[0][1] > found[1][1] > found[2][1]
    assert connection.execute("SELECT * FROM similar_to('images', 'no such key')").fetchall() == []


def test_readers_may_look_for_like_pictures(store: Store, database: Database) -> None:
    """The role for readers needs no more."""
    store(seen("a", "1", numbers(1)), seen("b", "1", numbers(1)))
    with database.connect("pixwhisk_view") as connection:
        assert connection.execute("SELECT key FROM similar_to('images', 'a')").fetchall() == [("b",)]


def test_the_nearest_are_found_by_an_index(store: Store, connection: psycopg.Connection) -> None:
    """Where the server has pgvector, as the embedded one does, no scan looks at all signatures."""
    store(*(seen(f"{seed}", "1", numbers(seed)) for seed in range(20)))
    connection.execute("SET enable_seqscan = off")
    plan = connection.execute(
        "EXPLAIN SELECT object_id FROM embeddings WHERE backbone_id = 1 AND length = 1280"
        " ORDER BY signature::bit(1280) <~> (SELECT signature::bit(1280) FROM embeddings LIMIT 1) LIMIT 5"
    )
    assert any(INDEX in line for (line,) in plan)
