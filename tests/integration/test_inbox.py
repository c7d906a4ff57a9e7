"""MinIO's journal: whatever is inserted is taken, read, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.errors import BadEvent
from actions.events import ObjectEvent, parse_record, sequence_number
from actions.messages import ModelReference, Outcome
from actions.store import results
from actions.store.settings import StoreSettings
from infra.database.migrations import activate_models
from tests.fixtures.outcomes import EVENT_NAMES, MODEL, OTHER_MODEL, event, outcome
from tests.fixtures.postgres import Database


@pytest.fixture
def journal(database: Database) -> Iterator[psycopg.Connection]:
    """A connection as MinIO makes it."""
    with database.connect("pixwhisk_journal") as connection:
        yield connection


def write(journal: psycopg.Connection, *events: str | bytes) -> None:
    """Insert as MinIO does, all parameters as untyped text."""
    for data in events:
        journal.execute("INSERT INTO inbox (event_time, event_data) VALUES (now(), %s)", (data,))


def store(database: Database, *outcomes: dict[str, Any]) -> None:
    configured = StoreSettings(database.url("pixwhisk_store"))
    results.store([Outcome.parse(each) for each in outcomes], configured)
    results.connect(configured).dispose()
    results.connect.cache_clear()


def states(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT key, state, reason FROM inbox ORDER BY id").fetchall()


def test_minio_finds_its_table_and_nothing_in_it(journal: psycopg.Connection) -> None:
    """At its first connection MinIO runs this query; it is planned to end before the first row."""
    write(journal, event("a", "1"))
    assert journal.execute("SELECT 1 FROM inbox;").fetchall() == []
    plan = "\n".join(line for (line,) in journal.execute("EXPLAIN SELECT 1 FROM inbox").fetchall())
    assert "One-Time Filter: false" in plan


def test_an_upload_is_pending(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """A row of the view `work` with the raw key, until there is an outcome."""
    write(journal, event("a dir/cat 1+é.jpg", "182178E8B3728CAC"))
    row = connection.execute("SELECT bucket, key, state, attempts, reason FROM work").fetchone()
    assert row == ("images", "a dir/cat 1+é.jpg", "pending", 0, None)
    found = connection.execute("SELECT sequencer, etag, kind, lane, backfill FROM inbox").fetchone()
    assert found == ("182178e8b3728cac".zfill(32), "etag-182178E8B3728CAC", "created", "journal", False)


def test_an_outcome_settles_what_came_before_it(
    journal: psycopg.Connection, connection: psycopg.Connection, database: Database
) -> None:
    """The very event, and of that version whatever came in before the object store was asked, parked or pending; what
    came in since is asked about again, and other versions are others.
    """
    write(journal, event("a", "1"), event("a", "2"), event("a", "3"), event("a", "1", version="v"), event("b", "1"))
    connection.execute("UPDATE inbox SET state = 'parked', reason = 'x' WHERE sequencer LIKE '%%1' AND version_id = ''")
    connection.execute("UPDATE inbox SET received_at = now() - interval '1 hour' WHERE sequencer LIKE '%%1'")
    store(database, outcome("a", "2"))
    assert [state for _, state, _ in states(connection)] == ["settled", "settled", "pending", "pending", "parked"]


def test_an_outcome_by_one_of_two_active_models_does_not_settle(
    journal: psycopg.Connection, connection: psycopg.Connection, database: Database
) -> None:
    """Whether the event comes before the outcomes or after: only the second model's settles it."""
    activate_models(database.url(), [ModelReference(**MODEL), ModelReference(**OTHER_MODEL)])
    write(journal, event("a", "1"))
    store(database, outcome("a", "1"))
    write(journal, event("a", "1"))
    assert [state for _, state, _ in states(connection)] == ["pending", "pending"]
    store(database, outcome("a", "1", model=OTHER_MODEL))
    write(journal, event("a", "1"))
    assert [state for _, state, _ in states(connection)] == ["settled"] * 3
    store(database, outcome("a", "2"), outcome("a", "2", model=OTHER_MODEL))
    write(journal, event("a", "2"))
    assert [state for _, state, _ in states(connection)] == ["settled"] * 4


def test_a_model_that_nobody_put_to_use_changes_nothing(
    journal: psycopg.Connection, connection: psycopg.Connection, database: Database
) -> None:
    """Its outcome is a row; who must have spoken stays as it was."""
    activate_models(database.url(), [ModelReference(**MODEL)])
    store(database, outcome("a", "1", model=OTHER_MODEL))
    write(journal, event("a", "1"))
    assert [state for _, state, _ in states(connection)] == ["pending"]
    store(database, outcome("a", "1"))
    assert [state for _, state, _ in states(connection)] == ["settled"]
    assert connection.execute("SELECT model FROM current_results").fetchall() == [("lite0",)]
    assert connection.execute("SELECT model FROM results ORDER BY 1").fetchall() == [("lite0",), ("other",)]


def test_a_stale_outcome_settles_too(
    journal: psycopg.Connection, connection: psycopg.Connection, database: Database
) -> None:
    """Unless the store saw something else than is stored: then it is asked again."""
    store(database, outcome("a", "2"))
    write(journal, event("a", "1"))
    store(database, outcome("a", "1"))
    assert [state for _, state, _ in states(connection)] == ["pending"]
    store(database, outcome("a", "1", "rejected", reason="object-changed"))
    assert [state for _, state, _ in states(connection)] == ["settled"]


def test_the_end_of_all_versions_is_asked_about_for_each(
    journal: psycopg.Connection, connection: psycopg.Connection, database: Database
) -> None:
    """MinIO tells of it once; every version that is known has a removal of its own to be looked into."""
    key = "a dir/ü+%.jpg"
    store(
        database, outcome(key, "1", versionId="v1"), outcome(key, "2", versionId="v2"), outcome("b", "1", versionId="v")
    )
    data = event(key, "3", "removed", "v2").replace("ObjectRemoved:Delete", "ObjectRemoved:DeleteAllVersions")
    write(journal, data)
    found = connection.execute("SELECT key, version_id, kind, state, lane FROM inbox ORDER BY lane, version_id")
    assert found.fetchall() == [
        (key, "v1", "removed", "pending", "audit"),
        (key, "v2", "removed", "pending", "audit"),
        (key, "v2", "removed", "pending", "journal"),
    ]


def test_an_event_whose_outcome_is_there_settles_at_once(
    journal: psycopg.Connection, connection: psycopg.Connection, database: Database
) -> None:
    """The fast lane was faster: nothing is pending. A removal still is, even if it shares the creation's sequencer."""
    store(database, outcome("a", "2", versionId="v"))
    write(journal, event("a", "2", version="v"), event("a", "2", "removed", "v"))
    assert [state for _, state, _ in states(connection)] == ["settled", "pending"]
    store(database, outcome("a", "2", "deleted", versionId="v"))
    assert [state for _, state, _ in states(connection)] == ["settled"] * 2


def test_a_backfill_is_pending_although_an_outcome_is_there(connection: psycopg.Connection, database: Database) -> None:
    """Another model's outcome may be what is missing."""
    store(database, outcome("a", "1"))
    connection.execute("INSERT INTO inbox (event_data, lane) VALUES (%s, 'backfill')", (event("a", "1"),))
    assert connection.execute("SELECT state, backfill FROM inbox").fetchall() == [("pending", True)]


def test_tagging_is_settled_at_once(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """Events that change no byte are nobody's work."""
    write(journal, event("a", "1", "ignored"))
    assert states(connection) == [("a", "settled", None)]


RECORD = json.loads(event("a", "1"))["Records"][0]
JUNK = [
    "",
    "null",
    "[]",
    "{",
    "not json",
    "{}",
    '{"Records": []}',
    '{"Records": {}}',
    '{"Records": null}',
    '{"Records": [5]}',
    '{"Records": [{"eventName": "s3:ObjectCreated:Put"}]}',
    '{"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": "text"}]}',
    json.dumps({"Records": [RECORD, RECORD]}),
    '{"Records": ' + "[" * 100_000 + "]" * 100_000 + "}",
    event("a", "1") * 2,
    event("a", "xyz"),
    event("a", "1" * 33),
    event("a", "1", version="no such/version"),
    event("a", "1", raw="%ff%fe"),
    event("a", "1", raw="a%00b"),
    event("a", "1", raw=""),
    event("a", "1", raw=5),
    event("a", "1", raw=None),
    event("x" * 1025, "1"),
    event("a", "1", eTag="x" * 2000),
    event("a", "1").replace('"images"', '"../etc"'),
    event("a", "1").replace('"images"', "7"),
    event("a", "1").replace("s3:ObjectCreated:Put", ""),
]


def test_markers_of_folders_are_no_work(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """What consoles make of an empty folder is settled as it comes; its removal, and what has bytes, is not."""
    named = {name: json.loads(event(name, "1")) for name in ("empty/", "with-bytes/", "none/")}
    for name, size in (("empty/", 0), ("with-bytes/", 9), ("none/", None)):
        described = named[name]["Records"][0]["s3"]["object"]
        described.pop("size", None)
        described |= {} if size is None else {"size": size}
    write(journal, *map(json.dumps, named.values()))
    assert [(key, state) for key, state, _ in states(connection)] == [
        ("empty/", "settled"),
        ("with-bytes/", "pending"),
        ("none/", "settled"),
    ]


@pytest.mark.parametrize("junk", JUNK, ids=[f"{number}" for number in range(len(JUNK))])
def test_junk_is_parked_and_never_in_the_way(
    journal: psycopg.Connection, connection: psycopg.Connection, junk: str
) -> None:
    """Whatever cannot be read is taken, kept, and parked with a reason; what follows is read."""
    write(journal, junk, event("next", "1"))
    found = connection.execute("SELECT state, reason, event_data, bucket, detail FROM inbox ORDER BY id").fetchall()
    if found[0][0] != "settled":  # an empty event name is one to ignore
        assert found[0][:4] == ("parked", "bad-event", junk, None)
        assert found[0][4]
    assert found[1][0] == "pending"


def test_metadata_that_is_no_text_for_postgres_costs_nothing(
    journal: psycopg.Connection, connection: psycopg.Connection
) -> None:
    """A NUL or half a surrogate pair in somebody's metadata does not keep the object from being read."""
    write(
        journal,
        event("cat é.jpg", "1", userMetadata={"X-Amz-Meta-A": "\0", "X-Amz-Meta-B": "\ud800"}),
        event("dog.jpg", "1", userMetadata={"X-Amz-Meta-A": "\\u0000 \ud83d\ude00"}),
    )
    assert states(connection) == [("cat é.jpg", "pending", None), ("dog.jpg", "pending", None)]


def test_a_megabyte_is_taken(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """Size is no reason to refuse an event."""
    write(journal, event("a", "1", userMetadata={"x": "y" * 2**20}), "x" * 2**22)
    assert [state for _, state, _ in states(connection)] == ["pending", "parked"]


def test_an_event_without_a_time_is_taken(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """Neither column need hold anything."""
    journal.execute("INSERT INTO inbox (event_time, event_data) VALUES (NULL, NULL)")
    assert states(connection) == [(None, "parked", "bad-event")]


def test_whoever_listens_is_told_of_work(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """A pending row notifies `pixwhisk_inbox`; junk and settled rows do not wake anybody."""
    connection.execute("LISTEN pixwhisk_inbox")
    write(journal, "junk", event("a", "1", "ignored"), event("a", "1"))
    assert [notify.channel for notify in connection.notifies(timeout=20, stop_after=1)] == ["pixwhisk_inbox"]
    assert list(connection.notifies(timeout=0)) == []


def test_old_settled_rows_are_pruned(journal: psycopg.Connection, connection: psycopg.Connection) -> None:
    """By age, a bounded number a call; never what is pending or parked."""
    write(journal, "junk", event("pending", "1"), *(event(f"a{number}", "1", "ignored") for number in range(5)))
    connection.execute("UPDATE inbox SET received_at = now() - interval '8 days' WHERE key IS DISTINCT FROM 'a4'")
    assert connection.execute("SELECT prune_inbox('7 days', 3)").fetchone() == (3,)
    assert connection.execute("SELECT prune_inbox('7 days')").fetchone() == (1,)
    assert {key for key, _, _ in states(connection)} == {None, "pending", "a4"}


def test_what_is_pending_is_found_without_reading_what_is_settled(connection: psycopg.Connection) -> None:
    """The queries of `store` and of the sweep use the partial indexes."""
    connection.execute("SET enable_seqscan = off")
    for condition, index in (
        ("state = 'pending' ORDER BY backfill, id DESC LIMIT 1", "inbox_pending"),
        ("state <> 'settled' AND bucket = 'a' AND key = 'b' AND version_id = ''", "inbox_open"),
        ("state = 'settled' AND received_at < now()", "inbox_settled"),
        ("state = 'parked' AND reason = 'x'", "inbox_parked"),
    ):
        statement = f"EXPLAIN SELECT id FROM inbox WHERE {condition}"
        plan = "\n".join(line for (line,) in connection.execute(statement).fetchall())
        assert index in plan
        assert "Sort" not in plan


keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
escaped = keys.map(lambda key: quote(key, safe="")) | keys | st.text("%2Ff+ aé", min_size=1, max_size=12)
records = st.fixed_dictionaries(
    {
        "eventSource": st.sampled_from(["minio:s3", "ceph:s3", "aws:s3", "rustfs:s3"]),
        "eventName": st.sampled_from([*EVENT_NAMES.values(), "ObjectCreated:Copy", "s3:ObjectCreated:PutX", "x"]),
        "s3": st.fixed_dictionaries(
            {
                "bucket": st.fixed_dictionaries({"name": st.sampled_from(["images", "a.b-c", "-a", "", "a/b"])}),
                "object": st.fixed_dictionaries(
                    {"key": escaped},
                    optional={
                        "versionId": st.sampled_from([None, "", "null", "v-1.a_b", "v 1", "x" * 129]),
                        "sequencer": st.sampled_from([None, "", "182178E8B3728CAC", "0", "fF", "g", "-1"]),
                        "eTag": st.sampled_from([None, "", '"abc"', "abc"]),
                    },
                ),
            }
        ),
    }
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=records)
def test_the_trigger_reads_as_the_actions_do(connection: psycopg.Connection, record: dict[str, Any]) -> None:
    """The same event is the same object version, in Postgres and in Python; what one refuses the other refuses."""
    kind, *read, detail = connection.execute(
        "INSERT INTO inbox (event_data) VALUES (%s)"
        " RETURNING kind, bucket, key, version_id, sequencer, finality, etag, detail",
        (json.dumps({"Records": [record]}),),
    ).fetchone() or (None,)
    expected: ObjectEvent | None
    try:
        expected = parse_record(record)
    except BadEvent:
        expected = None
    assert (kind is None) == (expected is None), (read, detail)
    assert expected is None or (kind, *read) == columns(expected)


def columns(of: ObjectEvent) -> tuple[Any, ...]:
    """The inbox's columns for an event, from what Python read."""
    kind = "marker" if of.kind == "removed" and of.delete_marker else of.kind
    sequencer = f"{sequence_number(of.sequencer):032x}" if of.sequencer else ""
    finality = {"marker": 1, "removed": 2}.get(kind, 0)
    return kind, of.bucket, of.key, of.version_id or "", sequencer, finality, of.etag or ""
