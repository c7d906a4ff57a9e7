"""`store` against a real Postgres, with the role it is deployed with."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import create_engine

from actions.errors import BadRequest, DatabaseUnavailable
from actions.events import ObjectEvent
from actions.messages import ModelReference, Outcome
from actions.store import results
from actions.store.__main__ import main, preload
from actions.store.rows import as_json, prepare
from actions.store.settings import StoreSettings
from infra.database.migrations import activate_models, migrate
from tests.fixtures.outcomes import MODEL, OTHER_MODEL, event, outcome
from tests.fixtures.postgres import Database, running_postgres

Store = Callable[..., dict[str, int]]


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Store outcomes through the action; returns what `stored` says."""
    url = database.url("pixwhisk_store")

    def call(*outcomes: dict[str, Any]) -> dict[str, int]:
        answer = main({"outcomes": list(outcomes), "results": [], "DATABASE_URL": url})
        assert "error" not in answer, answer
        stored: dict[str, int] = answer["stored"]
        return stored

    yield call
    forget(url)


def forget(url: str) -> None:
    """Close the connection that the container keeps."""
    results.connect(StoreSettings(url)).dispose()
    results.connect.cache_clear()


def rows(connection: psycopg.Connection, view: str = "results") -> list[tuple[Any, ...]]:
    statement = f"SELECT key, version_id, status, etag, model FROM {view} ORDER BY key, version_id, model"
    return connection.execute(statement).fetchall()


def test_an_outcome_is_a_row_of_the_contract(store: Store, connection: psycopg.Connection) -> None:
    """Every column of the view `results` says what the outcome said."""
    assert store(outcome("a cat.jpg", "182178E8B3728CAC")) == {"written": 1, "stale": 0, "skipped": 0}
    cursor = connection.execute("SELECT * FROM results")
    assert " ".join(column.name for column in cursor.description or ()) == (
        "bucket key version_id etag size status label probability labels reason detail model model_digest sha256"
        " format width height event_time stored_at receipt"
    )
    row = dict(zip((column.name for column in cursor.description or ()), cursor.fetchone() or (), strict=True))
    assert (row["bucket"], row["key"], row["version_id"], row["status"]) == ("images", "a cat.jpg", None, "classified")
    assert (row["label"], row["probability"], row["model"], row["size"]) == ("tabby", 0.75, "lite0", 84452)
    assert row["labels"][0]["className"] == "tabby, tabby cat"
    assert row["receipt"] == {"cold": False, "totalMs": 8.6}
    assert row["event_time"].isoformat() == "2026-02-06T01:04:31.998000+00:00"


def test_results_and_outcomes_are_passed_on_as_they_came(database: Database) -> None:
    """Whoever invokes the sequence reads in its result what `classify` found."""
    given = outcome("a", "1") | {"unknown": "kept"}
    sent = {"outcomes": [given], "results": [{"className": "tabby", "probability": 0.75}]}
    url = database.url("pixwhisk_store")
    answer = main(sent | {"DATABASE_URL": url, "__ow_headers": {"authorization": "Basic x"}})
    assert answer == sent | {"stored": {"written": 1, "stale": 0, "skipped": 0}}
    forget(url)


def test_storing_twice_changes_nothing(store: Store, connection: psycopg.Connection) -> None:
    """A second delivery is harmless."""
    for _ in range(2):
        assert store(outcome("a", "1"), outcome("a", "1"))["written"] == 2
    assert rows(connection) == [("a", None, "classified", "etag-1", "lite0")]


def test_the_higher_sequencer_wins_whenever_it_comes(store: Store, connection: psycopg.Connection) -> None:
    """A late outcome of an overwritten object is refused and counted."""
    store(outcome("a", "10"))
    assert store(outcome("a", "9"), outcome("b", "9")) == {"written": 1, "stale": 1, "skipped": 0}
    assert rows(connection)[0][3] == "etag-10"
    store(outcome("a", "11"))
    assert rows(connection)[0][3] == "etag-11"


def test_a_deletion_that_comes_first_still_wins(store: Store, connection: psycopg.Connection) -> None:
    """Delete before create: the tombstone holds the place."""
    store(outcome("a", "2", "deleted"))
    assert store(outcome("a", "1"))["stale"] == 1
    assert rows(connection) == [("a", None, "deleted", None, "lite0")]
    assert rows(connection, "current_results") == []
    store(outcome("a", "3"))
    assert rows(connection, "current_results") == [("a", None, "classified", "etag-3", "lite0")]


def test_a_removal_beats_the_creation_it_shares_a_sequencer_with(store: Store, connection: psycopg.Connection) -> None:
    """MinIO gives the removal of a version that version's modification time."""
    version: dict[str, Any] = {"versionId": "v1"}
    store(outcome("a", "1", **version))
    store(outcome("a", "1", "deleted", **version))
    assert store(outcome("a", "1", **version))["stale"] == 1
    assert rows(connection) == [("a", "v1", "deleted", None, "lite0")]


def test_a_delete_marker_hides_and_its_removal_restores(store: Store, connection: psycopg.Connection) -> None:
    """A marker is a version of its own; `current_results` shows the newest version below it once it is removed."""
    store(outcome("a", "1", versionId="v1"), outcome("a", "2", versionId="v2"))
    assert rows(connection, "current_results") == [("a", "v2", "classified", "etag-2", "lite0")]
    store(outcome("a", "3", "deleted", versionId="m", deleteMarker=True))
    assert rows(connection, "current_results") == []
    store(outcome("a", "3", "deleted", versionId="m"))
    assert store(outcome("a", "3", "deleted", versionId="m", deleteMarker=True))["stale"] == 1
    assert rows(connection, "current_results") == [("a", "v2", "classified", "etag-2", "lite0")]
    store(outcome("a", "2", "deleted", versionId="v2"))
    assert rows(connection, "current_results") == [("a", "v1", "classified", "etag-1", "lite0")]


def test_what_was_looked_at_last_is_the_truth(store: Store, connection: psycopg.Connection) -> None:
    """With the revision that was stored when it was looked at, an outcome wins against a later place in the order; not
    once another came between. What was not there to be read never wins.
    """
    store(outcome("a", "9"))
    for status in ("classified", "deleted"):
        assert store(outcome("a", "5", status))["stale"] == 1
    (revision,) = connection.execute("SELECT xmin::text FROM objects").fetchone() or ("",)
    assert store(outcome("a", "99", "rejected", reason="object-changed", revision=revision))["stale"] == 1
    assert store(outcome("a", "5", revision=revision))["written"] == 1
    assert rows(connection, "current_results") == [("a", None, "classified", "etag-5", "lite0")]
    assert store(outcome("a", "4", "deleted", revision=revision))["stale"] == 1
    (revision,) = connection.execute("SELECT xmin::text FROM objects").fetchone() or ("",)
    assert store(outcome("a", "4", "deleted", revision=revision))["written"] == 1
    assert rows(connection, "current_results") == []


def test_a_listing_knows_a_marker_to_the_millisecond(store: Store, connection: psycopg.Connection) -> None:
    """A repair made of a listing is the same marker, not its removal."""
    store(outcome("a", "1", versionId="v1"))
    for sequencer in ("18EA960F212BC55F", f"{0x18EA960F212BC55F + 999_999:X}"):
        store(outcome("a", sequencer, "deleted", versionId="m", deleteMarker=True))
    assert rows(connection, "current_results") == []


def test_two_active_models_are_two_rows(store: Store, connection: psycopg.Connection) -> None:
    """Each model has its outcome of each version; the current ones are those of the active models."""
    store(outcome("a", "1"), outcome("a", "1", model=OTHER_MODEL))
    assert [row[4] for row in rows(connection, "current_results")] == ["lite0", "other"]
    activate_models(connection.info.dsn + f" password={connection.info.password}", [ModelReference(**OTHER_MODEL)])
    assert [row[4] for row in rows(connection, "current_results")] == ["other"]
    assert [row[4] for row in rows(connection)] == ["lite0", "other"]


def test_a_slower_models_outcome_is_never_about_other_bytes(store: Store, connection: psycopg.Connection) -> None:
    """An overwrite by one model's outcome hides what the other model said of the bytes before."""
    store(outcome("a", "1"), outcome("a", "1", model=OTHER_MODEL))
    store(outcome("a", "2"))
    assert rows(connection) == [("a", None, "classified", "etag-2", "lite0")]
    assert store(outcome("a", "1", model=OTHER_MODEL))["stale"] == 1
    store(outcome("a", "2", model=OTHER_MODEL))
    assert [row[3:] for row in rows(connection)] == [("etag-2", "lite0"), ("etag-2", "other")]


def test_a_redelivery_after_the_object_went_hides_nothing(store: Store, connection: psycopg.Connection) -> None:
    """`object-gone` for an event that was classified before says nothing new."""
    store(outcome("a", "1"))
    store(outcome("a", "1", "rejected", reason="object-gone"))
    assert rows(connection)[0][2] == "classified"
    store(outcome("b", "1", "rejected", reason="object-gone"))
    assert rows(connection)[1][2] == "rejected"


def test_an_object_named_by_a_caller_has_no_order(store: Store, connection: psycopg.Connection) -> None:
    """Without an event an outcome is kept where nothing is known, or where it is about the same bytes."""
    store(outcome("a", None))
    store(outcome("a", None, etag="new"))
    assert rows(connection)[0][3] == "new"
    store(outcome("a", "1", etag="e1"))
    assert store(outcome("a", None, etag="e2"))["stale"] == 1
    assert store(outcome("a", None, "rejected", etag="e1"))["written"] == 1
    assert rows(connection) == [("a", None, "rejected", "e1", "lite0")]


def test_an_inline_image_is_a_row(store: Store, connection: psycopg.Connection) -> None:
    """Given inline, an image has no bucket; its key is the digest of its bytes."""
    inline = outcome("sha256:cc", None, bucket=None, etag=None)
    assert store(inline)["written"] == store(inline)["written"] == 1
    assert connection.execute("SELECT bucket, key, etag FROM current_results").fetchall() == [("", "sha256:cc", None)]


def test_what_names_no_object_is_skipped(store: Store, connection: psycopg.Connection) -> None:
    """An unreadable record leaves no row and does not hold up the others."""
    unreadable = outcome("", None, "rejected", reason="bad-event", bucket=None) | {"key": None}
    gone = outcome("gone", None, "rejected", reason="object-gone")
    assert store(unreadable, gone, outcome("a", "1")) == {"written": 1, "stale": 0, "skipped": 2}
    assert [row[0] for row in rows(connection)] == ["a"]


@pytest.mark.parametrize("key", ["o'brien\"--;DROP TABLE objects", "😀/ünï", "100%", "a:b", "{}", "\\x00", "\x01\n"])
def test_any_key_is_only_text(store: Store, connection: psycopg.Connection, key: str) -> None:
    """Keys that look like SQL, patterns or escapes come back as they were."""
    store(outcome(key, "1"))
    assert [row[0] for row in rows(connection)] == [key]


def test_text_that_postgres_has_not_is_replaced(store: Store, connection: psycopg.Connection) -> None:
    """A NUL or half a surrogate pair in a detail or label does not lose the row."""
    store(outcome("a", "1", "rejected", detail="bad \0 \ud800 EXIF", receipt={"\0": ["\ud800"]}))
    assert connection.execute("SELECT detail FROM results").fetchall() == [("bad \ufffd ? EXIF",)]


@pytest.mark.parametrize("wrong", [{"width": "wide"}, {"size": 2**64}, {"receipt": {"a": float("inf")}}])
def test_a_value_that_fits_no_column_is_a_bad_request(database: Database, wrong: dict[str, Any]) -> None:
    """What trying again cannot cure is said to be the caller's fault."""
    url = database.url("pixwhisk_store")
    answer = main({"outcomes": [outcome("a", "1") | wrong], "DATABASE_URL": url})
    assert answer["error"]["code"] == BadRequest.code
    assert answer["error"]["retryable"] is False
    forget(url)


def test_many_stores_of_the_same_keys_neither_block_nor_mix(database: Database, connection: psycopg.Connection) -> None:
    """Shuffled batches from many containers end as the newest of each key, with no deadlock."""
    keys, callers = [f"k{number}" for number in range(8)], 6
    url = results.database_url(database.url("pixwhisk_store"))
    engines = [create_engine(url, isolation_level="AUTOCOMMIT") for _ in range(callers)]
    barrier = threading.Barrier(callers)

    def call(number: int) -> None:
        shuffled = random.Random(number)
        barrier.wait()
        for _ in range(15):
            chosen = [outcome(key, str(shuffled.randrange(1, 40))) for key in shuffled.sample(keys, 5)]
            prepared = prepare([Outcome.parse(each) for each in [*chosen, outcome("last", "ff")]])
            results._write(engines[number], as_json(prepared.rows), len(prepared.rows))

    with ThreadPoolExecutor(callers) as pool:
        for done in [pool.submit(call, number) for number in range(callers)]:
            done.result()
    highest = {key: max_sequencer(keys, key, callers) for key in keys}
    stored = connection.execute("SELECT key, ltrim(sequencer, '0') FROM objects WHERE key <> 'last'").fetchall()
    assert dict(stored) == highest
    assert [row[3] for row in rows(connection)[:-1]] == [f"etag-{highest[key]}" for key in sorted(keys)]
    for engine in engines:
        engine.dispose()


def max_sequencer(keys: Sequence[str], key: str, callers: int) -> str:
    """The highest sequencer that any of the callers above gave the key."""
    found = []
    for number in range(callers):
        shuffled = random.Random(number)
        for _ in range(15):
            found += [
                value for each in shuffled.sample(keys, 5) if (value := str(shuffled.randrange(1, 40))) and each == key
            ]
    return max(found, key=lambda value: int(value, 16))


def test_a_server_killed_between_two_calls_is_not_noticed() -> None:
    """After `kill -9` of Postgres and its restart the next call stores; while it is away the error is retryable."""
    with running_postgres() as server:
        migrate(server.postgres.database_url())
        url = server.postgres.database_url("pixwhisk_store")
        assert main({"outcomes": [outcome("a", "1")], "DATABASE_URL": url})["stored"]["written"] == 1
        server.kill()
        away = main({"outcomes": [outcome("a", "2")], "DATABASE_URL": url})["error"]
        assert (away["code"], away["retryable"]) == (DatabaseUnavailable.code, True)
        assert not any(word in away["message"] for word in (url, server.postgres._password("pixwhisk_store"), "host="))
        server.start()
        assert main({"outcomes": [outcome("a", "3")], "DATABASE_URL": url})["stored"]["written"] == 1
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT ltrim(sequencer, '0') FROM objects").fetchall()
        assert found == [("3",)]
        forget(url)


def test_a_database_that_refuses_is_unavailable_and_keeps_its_secrets(database: Database) -> None:
    """A missing table, a wrong password, an unknown host: a retryable error without a part of the URL."""
    for url in (
        database.server.postgres.database_url("pixwhisk_store", "postgres"),
        database.url("pixwhisk_store").replace("@", "wrong@"),
        "postgresql://user:se@cret@nowhere.invalid/db",
    ):
        answer = main({"outcomes": [outcome("a", "1")], "DATABASE_URL": url})
        assert answer["error"]["code"] == DatabaseUnavailable.code
        assert not any(part in answer["error"]["message"] for part in ("cret", "nowhere", "password", "user"))
        forget(url)


def test_preload_needs_no_database() -> None:
    """A stem cell compiles what it will run before it knows where."""
    preload()


MODELS = {each["name"]: ModelReference(**each) for each in (MODEL, OTHER_MODEL)}
KIND = {0: "created", 1: "marker", 2: "removed"}


@dataclass
class Version:
    """What should be known of one object version: the newest event stored, and which models spoke of it."""

    order: tuple[int, int] = (-1, -1)
    models: set[str] = field(default_factory=set)


@dataclass
class Journalled:
    """An event in the inbox; once settled it stays so."""

    version: tuple[str, str]
    order: tuple[int, int]
    settled: bool = False

    def settle(self, version: tuple[str, str], order: tuple[int, int]) -> None:
        """What is known of its version, by all who must know, is what it says, and from no earlier."""
        same = order[1] == 0 if self.order[1] == 0 else order[1] > 0
        # Bytes are named by their event here; a marker's two ends are told apart by their place in the order alone.
        exact = self.order[1] == 0 or order[1] == 1
        later = order[0] == self.order[0] if exact else order[0] >= self.order[0]
        self.settled |= self.version == version and same and later


class History(RuleBasedStateMachine):
    """Outcomes and journal entries in any order, any number of times, against a model of a few lines."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.database.connect()
        self.journalling = self.database.connect("pixwhisk_journal")
        for table in ("inbox", "outcomes", "objects"):
            self.connection.execute(f"DELETE FROM {table}")
        self.versions: dict[tuple[str, str], Version] = {}
        self.journal: list[Journalled] = []
        self.active: set[str] = set()

    def teardown(self) -> None:
        self.connection.close()
        self.journalling.close()

    # A version that is a marker has two events: its creation, and its removal by one name or the other.
    happenings: ClassVar = {
        "": list(itertools.product((1, 2, 3, 4), (0, 0, 1, 2))),
        "v1": list(itertools.product((1, 2, 3, 4), (0, 2))),
        "m1": [(1, 1), (3, 1)],
        "m2": [(2, 1), (4, 2)],
    }
    events = st.tuples(st.sampled_from(["a", "b +%é"]), st.sampled_from(list(happenings))).flatmap(
        lambda version: st.tuples(st.just(version), st.sampled_from(History.happenings[version[1]]))
    )

    @initialize(names=st.sets(st.sampled_from(sorted(MODELS)), min_size=1))
    def use(self, names: set[str]) -> None:
        activate_models(self.database.url(), [MODELS[name] for name in names])
        self.active = names

    @rule(batch=st.lists(events, min_size=1, max_size=4), model=st.sampled_from(sorted(MODELS)))
    def store(self, batch: list[tuple[tuple[str, str], tuple[int, int]]], model: str) -> None:
        outcomes = [self._outcome(version, order, model) for version, order in batch]
        settings = StoreSettings(self.database.url("pixwhisk_store"))
        results.store([Outcome.parse(each) for each in outcomes], settings)
        newest = {version: max(order for each, order in batch if each == version) for version, _ in batch}
        for version, order in newest.items():
            held = self.versions.setdefault(version, Version())
            if order > held.order:
                # What a model said of a deleted version stays true when the version is deleted once more.
                still_gone = order[1] > 0 and held.order[1] > 0
                self.versions[version] = held = Version(order, held.models if still_gone else set())
            if order == held.order:
                held.models.add(model)
        self._settle(newest)

    @rule(event_of=events)
    def arrive(self, event_of: tuple[tuple[str, str], tuple[int, int]]) -> None:
        (key, version), (sequencer, finality) = event_of
        data = event(key, f"{sequencer << 24:X}", KIND[finality], version)
        self.journalling.execute("INSERT INTO inbox (event_time, event_data) VALUES (now(), %s)", (data,))
        held = self.versions.get((key, version), Version())
        arrived = Journalled((key, version), (sequencer, finality))
        if held.models >= self.active:
            arrived.settle((key, version), held.order)
        self.journal.append(arrived)

    def _settle(self, versions: Iterable[tuple[str, str]]) -> None:
        """By what is known now, if all active models have spoken."""
        for version in versions:
            held = self.versions[version]
            for each in self.journal if held.models >= self.active else ():
                each.settle(version, held.order)

    @precondition(lambda self: self.versions)
    @invariant()
    def results_are_the_newest(self) -> None:
        expected = {
            (key, version, "classified" if held.order[1] == 0 else "deleted", model)
            for (key, version), held in self.versions.items()
            for model in held.models
        }
        found = self.connection.execute("SELECT key, coalesce(version_id, ''), status, model FROM results").fetchall()
        assert (set(found), len(found)) == (expected, len(expected))

    @invariant()
    def current_results_are_of_the_newest_version_left(self) -> None:
        expected = set()
        for key in {key for key, _ in self.versions}:
            left = [(held.order, version) for (each, version), held in self.versions.items() if each == key]
            left = [(order, version) for order, version in left if order[1] < 2]
            newest = [each for each in left if each[0][0] == max(order[0] for order, _ in left)]
            if len(newest) == 1 and newest[0][0][1] == 0:
                held = self.versions[key, newest[0][1]]
                expected |= {(key, newest[0][1], model) for model in held.models & self.active}
            elif len(newest) > 1:  # two versions in the same nanosecond: which is newer is not defined
                return
        found = self.connection.execute("SELECT key, coalesce(version_id, ''), model FROM current_results").fetchall()
        assert set(found) == expected

    @invariant()
    def the_inbox_owes_what_no_outcome_covers(self) -> None:
        expected = sorted((each.version, each.order) for each in self.journal if not each.settled)
        found = self.connection.execute(
            "SELECT key, version_id, ltrim(sequencer, '0'), finality FROM inbox WHERE state = 'pending'"
        ).fetchall()
        assert (
            sorted(((key, version), (int(digits, 16) >> 24, last)) for key, version, digits, last in found) == expected
        )

    def _outcome(self, version: tuple[str, str], order: tuple[int, int], model: str) -> dict[str, Any]:
        made = outcome(
            version[0],
            f"{order[0] << 24:X}",
            "deleted" if order[1] else "classified",
            versionId=version[1] or None,
            model=MODEL if model == MODEL["name"] else OTHER_MODEL,
        )
        return made | ({"deleteMarker": True} if order[1] == 1 else {})


def test_any_history_ends_the_same(database: Database) -> None:
    """Duplicate, late and reordered events and outcomes of versions, markers and two models: the newest wins."""
    machine = type("HistoryHere", (History,), {"database": database})
    run_state_machine_as_test(
        machine,
        # Shrinking takes longer than reading ten steps.
        settings=hypothesis_settings(
            max_examples=25, stateful_step_count=10, deadline=None, phases=[Phase.reuse, Phase.generate]
        ),
    )
    forget(database.url("pixwhisk_store"))


def test_an_outcome_parsed_is_the_event_it_was_about() -> None:
    """The builder of these tests speaks the actions' own language."""
    parsed = Outcome.parse(outcome("a", "1"))
    assert parsed.event == ObjectEvent("created", "images", "a", None, "etag-1", 84452, "1", "2026-02-06T01:04:31.998Z")
    assert list(itertools.islice(parsed.dump(), 1)) == ["status"]
