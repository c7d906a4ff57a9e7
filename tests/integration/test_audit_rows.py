"""The database's side of an audit: page by page the same as at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.audit import rows
from infra.audit.compare import Recorded
from tests.fixtures.postgres import Database

Name = tuple[str, str]

keys = st.sampled_from(["a", "a/", "a/b", "ab", "b", "\U0001f43c", "\uffff", "%", "a%"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=2
)
names = st.sets(st.tuples(keys, st.sampled_from(["", "v1", "v2", "zz"])), max_size=12)


@pytest.fixture
def connection(database: Database) -> Iterator[rows.Connection]:
    with rows.opened(database.url()) as opened:
        opened.execute("ALTER TABLE inbox DISABLE TRIGGER USER")
        yield opened


@dataclass(frozen=True)
class Case:
    """What the database holds, and what is asked of it."""

    stored: set[Name]
    pending: set[Name]
    parked: set[Name]
    prefix: str
    after: str

    def wanted(self) -> list[Name]:
        return sorted(
            (key, version)
            for key, version in self.stored | self.pending | self.parked
            if key.startswith(self.prefix) and (not self.after or key > self.after)
        )


cases = st.builds(
    lambda stored, pending, parked, prefix, after: Case(stored, pending, parked - pending, prefix, after),
    *(names, names, names, st.sampled_from(["", "a", "a/", "%"]), st.just("") | keys),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases)
def test_every_version_once_and_in_order(
    connection: rows.Connection, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    """Stored, pending or both; of one bucket, behind a key, with a prefix; whatever a page holds."""
    fill(connection, case)
    wanted = case.wanted()
    work = dict.fromkeys(case.pending, "pending") | dict.fromkeys(case.parked, "parked: x")
    for page in (2, 3, 1000):
        monkeypatch.setattr(rows, "PAGE", page)
        listed = list(rows.read_recorded(connection, "images", case.prefix, case.after))
        assert [named(each) for each in listed] == wanted
        found = {named(each): each for each in listed}
        assert {name: each.unsettled for name, each in found.items()} == {name: work.get(name) for name in wanted}
        assert {found[name].etag for name in wanted if name in case.stored} <= {"stored"}
    for key in {key for key, _ in wanted}:
        every = rows.read_recorded(connection, "images")
        assert rows.read_recorded_key(connection, "images", key) == [each for each in every if each.key == key]


def named(recorded: Recorded) -> Name:
    return recorded.key, recorded.version_id or ""


def fill(connection: rows.Connection, case: Case) -> None:
    connection.execute("TRUNCATE objects, inbox CASCADE")
    with connection.cursor() as cursor:
        for bucket in ("images", "others"):
            cursor.executemany(
                "INSERT INTO objects (bucket, key, version_id, etag) VALUES (%s, %s, %s, 'stored')",
                [(bucket, *name) for name in case.stored],
            )
        cursor.executemany(
            "INSERT INTO inbox (bucket, kind, key, version_id, etag, state, reason)"
            " VALUES ('images', 'created', %s, %s, 'pending', %s, %s)",
            [(*name, "pending", None) for name in case.pending] + [(*name, "parked", "x") for name in case.parked],
        )


def test_a_page_is_read_off_the_indexes(database: Database) -> None:
    """Without statistics, too: neither sorted nor gathered from all that is left."""
    place = {"bucket": "images", "prefix": "", "key": "k5", "version_id": "", "page": 10, "every": False}
    with rows.opened(database.url()) as connection:
        connection.execute(
            "INSERT INTO objects (bucket, key) SELECT 'images', 'k' || n FROM generate_series(1, 9999) n"
        )
        with psycopg.ClientCursor(connection) as cursor:
            found = cursor.execute(f"EXPLAIN {rows._select_keys(rows._KEYS_OF_PAGE)}", place).fetchall()
    plan = "\n".join(row["QUERY PLAN"] for row in found)
    assert "Index Scan using objects_bucket_key_version_id_key on objects" in plan, plan
    assert "Index Scan using inbox_open on inbox" in plan, plan
    assert "Sort Key: objects" not in plan, plan
    assert "Sort Key: inbox.key" not in plan, plan
