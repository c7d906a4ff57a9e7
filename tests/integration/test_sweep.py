"""The sweep against a real inbox; what runs its batches is a stand-in that stores as the sequence does."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import psycopg
import pytest

from actions.events import ObjectEvent, parse_record
from actions.messages import ModelReference, Outcome
from actions.statements import statements
from actions.store import results
from actions.store.settings import StoreSettings
from infra.database import queries
from infra.database.migrations import activate_models, migrate
from tests.fixtures.minio import until
from tests.fixtures.outcomes import event
from tests.fixtures.postgres import Database, running_postgres
from triggers.sweep import inbox as sweep_inbox
from triggers.sweep.__main__ import main
from triggers.sweep.handler import Score, Sweep
from triggers.sweep.inbox import Inbox, SeenEvent, opened, replay
from triggers.sweep.invoking import Answer, Done, Failed, Invoker, Refused, Running
from triggers.sweep.settings import SweepSettings
from triggers.sweep.watch import watch

NOW = timedelta(0)
DAY = timedelta(days=1)
UNREACHABLE = Failed("object-store-unreachable", "no answer", "service")
CRASHED = Failed("action-failed", "command exited", "record")


@dataclass
class StandIn:
    """Stores an outcome for every record, unless `answers` has another answer for one of the keys."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    always: Answer | None = None
    needing_memory: set[str] = field(default_factory=set)
    calls: list[list[str]] = field(default_factory=list)
    large: list[list[str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, records: Sequence[Mapping[str, Any]]) -> Answer:
        events = [parse_record(record) for record in records]
        with self.lock:
            self.calls.append([each.key for each in events])
            answers = [self.answers[each.key] for each in events if each.key in self.answers]
            if self.always or answers:
                return self.always or answers[0]
            return self._store(events, self.needing_memory)

    def invoke_large(self, records: Sequence[Mapping[str, Any]]) -> Answer:
        events = [parse_record(record) for record in records]
        with self.lock:
            self.large.append([each.key for each in events])
            return self._store(events, set())

    def _store(self, events: Sequence[ObjectEvent], refused: set[str]) -> Answer:
        model = ModelReference("lite0", "sha256:aa")
        outcomes = [
            Outcome("rejected", each, model, reason="needs-memory")
            if each.key in refused
            else Outcome("classified", each, model)
            for each in events
        ]
        results.store(outcomes, StoreSettings(self.url))
        return Done([each.dump() for each in outcomes])

    def forget(self) -> None:
        results.connect(StoreSettings(self.url)).dispose()
        results.connect.cache_clear()


@pytest.fixture
def sequence(database: Database) -> Iterator[StandIn]:
    runs = StandIn(database.url("pixwhisk_store"))
    yield runs
    runs.forget()


@pytest.fixture
def settings(database: Database) -> SweepSettings:
    return SweepSettings(database.url("pixwhisk_sweep"), "http://127.0.0.1:9", "u:k", batch=8, grace=NOW, attempts=3)


@pytest.fixture
def inbox(settings: SweepSettings) -> Iterator[Inbox]:
    with opened(settings.database_url, settings.lease) as opened_inbox:
        yield opened_inbox


def owe(connection: psycopg.Connection, *keys: str, lane: str = "journal") -> None:
    for key in keys:
        values = (event(key, "1"), lane)
        connection.execute("INSERT INTO inbox (event_time, event_data, lane) VALUES (now(), %s, %s)", values)


def make_due(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE inbox SET next_at = now() WHERE state = 'pending'")


def states(connection: psycopg.Connection) -> dict[str, tuple[Any, ...]]:
    found = connection.execute("SELECT key, state, attempts, reason FROM inbox").fetchall()
    return {key: (state, attempts, reason) for key, state, attempts, reason in found}


def run(inbox: Inbox, runs: StandIn, settings: SweepSettings, seconds: float = 20) -> Score:
    return Sweep(inbox, runs, settings, threading.Event(), time.monotonic() + seconds).run()


def test_what_is_pending_becomes_rows_in_batches(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """Everything due is run, in batches, and settled."""
    owe(connection, *(f"k{number}" for number in range(20)))
    assert run(inbox, sequence, settings) == Score(done=20)
    assert sorted(map(len, sequence.calls)) == [4, 8, 8]
    assert connection.execute("SELECT count(*) FROM results").fetchone() == (20,)
    assert set(states(connection).values()) == {("settled", 0, None)}


def test_what_needs_memory_goes_to_the_larger_container(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """No outcome is stored of what only memory prevents; one by one it is run where there is more, and settled."""
    sequence.needing_memory = {"large-1", "large-2"}
    owe(connection, "a", "large-1", "b", "large-2")
    assert run(inbox, sequence, settings) == Score(done=4)
    assert sorted(sequence.large) == [["large-1"], ["large-2"]]
    found = connection.execute("SELECT key, status FROM results ORDER BY key").fetchall()
    assert found == [(key, "classified") for key in ("a", "b", "large-1", "large-2")]
    assert set(states(connection).values()) == {("settled", 0, None)}


def test_the_newest_live_uploads_come_first(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """Before older ones, and all live ones before a backfill, however old that is."""
    owe(connection, "backfill", lane="backfill")
    owe(connection, "older", "newer")
    owe(connection, "late-backfill", lane="audit")
    run(inbox, sequence, replace(settings, batch=1, in_flight=1))
    assert sequence.calls == [["newer"], ["older"], ["late-backfill"], ["backfill"]]


def test_what_is_young_is_left_to_the_fast_lane(connection: psycopg.Connection, inbox: Inbox) -> None:
    """Within the grace time nothing is claimed."""
    owe(connection, "a")
    assert inbox.claim(5, timedelta(minutes=1)) == []


def test_an_event_is_as_old_as_it_says(connection: psycopg.Connection, inbox: Inbox) -> None:
    """MinIO's journal comes seconds later, and then it is the sweep's turn at once; a backfill always is."""
    owe(connection, "young")
    owe(connection, "backfilled", lane="backfill")
    owe(connection, "late")
    connection.execute("UPDATE inbox SET event_time = now() - interval '3 seconds' WHERE key = 'late'")
    claimed = inbox.claim(5, timedelta(seconds=2))
    assert sorted(json.loads(row.event_data)["Records"][0]["s3"]["object"]["key"] for row in claimed) == [
        "backfilled",
        "late",
    ]


def test_what_was_young_when_the_watch_woke_is_run_when_it_is_due(
    database: Database, connection: psycopg.Connection, sequence: StandIn
) -> None:
    """Nobody tells a second time: it looks again after the grace time, however seldom it looks otherwise."""
    grace = timedelta(seconds=0.5)
    settings = SweepSettings(database.url("pixwhisk_sweep"), "http://127.0.0.1:9", "u:k", grace=grace)
    owe(connection, "first", lane="backfill")
    with watching(settings, sequence):
        until(lambda: states(connection)["first"][0] == "settled", "the watch does not run")
        owe(connection, "young")
        until(lambda: states(connection)["young"][0] == "settled", "the row was not run")


def test_what_has_an_outcome_by_now_is_settled_and_not_run(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn
) -> None:
    """An event and its outcome that crossed are noticed when the row is claimed."""
    owe(connection, "a", "b")
    connection.execute(
        "INSERT INTO objects (bucket, key, sequencer, etag) VALUES ('images', 'a', lpad('1', 32, '0'), 'etag-1')"
    )
    assert len(inbox.claim(5, NOW)) == 1
    assert states(connection)["a"] == ("settled", 0, None)


def test_only_what_a_sweep_ran_counts_as_its_own(
    database: Database, connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """An outcome that came by its event is by the event, also where the journal had been there before it."""
    owe(connection, "late")
    sequence.invoke([json.loads(event("late", "1"))["Records"][0]])
    owe(connection, "missed")
    assert run(inbox, sequence, settings) == Score(done=1)
    with queries.connect(database.url()) as looking:
        assert queries.counts(looking).lanes == {"event": 1, "sweep": 1}


def test_two_sweeps_never_hold_the_same_row(connection: psycopg.Connection, settings: SweepSettings) -> None:
    """A claimed row is nobody else's until its lease ends; what the first notes then is ignored."""
    owe(connection, "a")
    with connect(settings) as one, connect(settings) as other:
        first = Inbox(one, timedelta(seconds=20), uuid.uuid4())
        second = Inbox(other, timedelta(seconds=20), uuid.uuid4())
        rows = first.claim(5, NOW)
        assert [row.attempts for row in rows] == [0]
        assert second.claim(5, NOW) == []
        make_due(connection)  # as if the lease had ended
        assert [row.attempts for row in second.claim(5, NOW)] == [1]
        first.settle([SeenEvent(row, None, "") for row in rows])
        assert states(connection)["a"] == ("pending", 1, None)


def connect(settings: SweepSettings) -> psycopg.Connection:
    return psycopg.connect(settings.database_url, autocommit=True)


def test_a_sweep_that_lost_its_connection_lets_go_of_its_claims(
    connection: psycopg.Connection, settings: SweepSettings
) -> None:
    """Reconnected, the same process need not wait for its own leases."""
    owe(connection, "a")
    for _ in range(2):
        with opened(settings.database_url, settings.lease) as inbox:
            assert [row.attempts for row in inbox.claim(5, NOW)] == [0]


def test_a_poison_record_holds_nobody_back(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """Its batch is halved until it is alone; the others are stored; it backs off and is parked with the reason."""
    sequence.answers["poison"] = CRASHED
    owe(connection, "a", "b", "c", "poison", "d", "e", "f", "g")
    assert run(inbox, sequence, settings) == Score(done=7, failed=1)
    assert states(connection)["poison"] == ("pending", 1, "action-failed")
    for _ in range(2):
        make_due(connection)
        run(inbox, sequence, settings)
    assert states(connection)["poison"] == ("parked", 3, "action-failed")
    assert sequence.calls[-2:] == [["poison"], ["poison"]]
    assert {state for state, *_ in states(connection).values()} == {"settled", "parked"}


def test_a_failed_row_waits_longer_every_time(connection: psycopg.Connection, inbox: Inbox) -> None:
    """Exponentially, with jitter."""
    owe(connection, "a")
    waits: list[float] = []
    for _ in range(4):
        make_due(connection)
        (row,) = inbox.claim(1, NOW)
        inbox.retry(row, "action-failed", "x", most=99, counts=True, age=DAY)
        waits += connection.execute("SELECT extract(epoch FROM next_at - failed_at)::float FROM inbox").fetchone() or ()
    for attempt, seconds in enumerate(waits, 1):
        assert 2**attempt * 0.5 <= seconds <= 2**attempt * 1.5


def test_what_can_never_succeed_is_parked_at_once(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """An error that says trying again cannot help is believed."""
    sequence.answers["a"] = Failed("bad-request", "a value does not fit\0", "record", final=True)
    owe(connection, "a")
    assert run(inbox, sequence, settings) == Score(parked=1)
    assert states(connection)["a"] == ("parked", 1, "bad-request")


def test_what_an_active_model_never_classifies_is_parked(
    connection: psycopg.Connection, database: Database, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """`classify` ran well with other models than are active: that shows, and can be mended."""
    activate_models(database.url(), [ModelReference("lite0", "sha256:aa"), ModelReference("another", "sha256:bb")])
    owe(connection, "a")
    for _ in range(settings.attempts):
        run(inbox, sequence, settings)
        make_due(connection)
    assert states(connection)["a"] == ("parked", settings.attempts, "model-missing")
    activate_models(database.url(), [ModelReference("lite0", "sha256:aa")])
    replay(connection, "reason", "model-missing")
    run(inbox, sequence, settings)
    assert states(connection)["a"][0] == "settled"


def test_a_record_that_cannot_be_read_is_parked_as_a_bad_event(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """`classify` says so in its outcome, which no row is stored for."""
    unreadable = {"status": "rejected", "reason": "bad-event", "detail": "key: holds a NUL"}
    sequence.answers["a"] = Done([unreadable])
    owe(connection, "a")
    assert run(inbox, sequence, settings) == Score(parked=1)
    assert states(connection)["a"] == ("parked", 1, "bad-event")


def test_an_outage_counts_against_nobody(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """While nothing can be stored, no row is parked, and few invocations are spent; afterwards all is stored."""
    sequence.always = UNREACHABLE
    owe(connection, *(f"k{number}" for number in range(30)))
    for _ in range(3):
        run(inbox, sequence, settings, seconds=1)
        make_due(connection)
    assert {(state, attempts) for state, attempts, _ in states(connection).values()} == {("pending", 0)}
    assert len(sequence.calls) < 40
    sequence.always = None
    assert run(inbox, sequence, settings).done == 30


def test_an_object_that_no_service_can_read_is_parked_in_the_end(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """A service that fails for one object only, while others are stored, is that object's doing."""
    sequence.answers["damaged"] = UNREACHABLE
    for turn in range(8):
        owe(connection, f"fine-{turn}", *(["damaged"] if not turn else []))
        make_due(connection)
        run(inbox, sequence, settings)
    assert states(connection)["damaged"] == ("parked", 3, "object-store-unreachable")
    assert connection.execute("SELECT count(*) FROM results").fetchone() == (8,)


def test_what_fails_for_too_long_is_parked_though_nobody_is_at_fault(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """Seldom tried meanwhile, and then seen as a dead letter; once replayed, its age begins anew."""
    sequence.always = UNREACHABLE
    owe(connection, "a")
    run(inbox, sequence, settings, seconds=0.1)
    connection.execute("UPDATE inbox SET failing_since = failing_since - interval '5 minutes'")
    make_due(connection)
    run(inbox, sequence, settings, seconds=0.1)
    assert states(connection)["a"] == ("pending", 0, "object-store-unreachable")
    waits = "SELECT extract(epoch FROM next_at - failed_at)::float FROM inbox"
    (wait,) = connection.execute(waits).fetchone() or (0.0,)
    assert 15 <= wait <= 46
    connection.execute("UPDATE inbox SET failing_since = now() - %s", [settings.age])
    make_due(connection)
    assert run(inbox, sequence, settings, seconds=0.1).parked == 1
    assert states(connection)["a"] == ("parked", 0, "object-store-unreachable")
    replay(connection, "all")
    assert run(inbox, sequence, settings, seconds=0.1).parked == 0
    assert states(connection)["a"] == ("pending", 0, "object-store-unreachable")


def test_a_full_quota_is_waited_for(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """429 is no failure of anything: the rows are let go, and taken again after a pause."""
    owe(connection, "a", "b")
    sequence.always = Refused("over-quota", "429")
    timer = threading.Timer(1, lambda: setattr(sequence, "always", None))
    timer.start()
    score = run(inbox, sequence, settings)
    timer.join()
    assert (score.done, score.failed, score.parked) == (2, 0, 0)
    assert len(sequence.calls) < 8


def test_what_goes_on_running_is_left_alone(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """An activation that outlasts the blocking wait is not run beside itself: the lease has to end first."""
    sequence.always = Running()
    owe(connection, "a")
    assert run(inbox, sequence, settings) == Score(requeued=1)
    assert len(sequence.calls) == 1
    assert states(connection)["a"] == ("pending", 0, None)


def test_nothing_that_is_done_is_read_to_find_what_is_not(connection: psycopg.Connection) -> None:
    """With statistics and, as after a restore, without: no statement's plan reads all of the inbox, or all outcomes."""
    connection.execute("ALTER TABLE inbox DISABLE TRIGGER USER; ALTER TABLE inbox SET (autovacuum_enabled = off)")
    connection.execute(SETTLED)
    owe(connection, "a")
    values = {"claim": uuid.uuid4(), "lease": NOW, "grace": NOW, "most": 50, "id": 1, "ids": [1, 2, 3]}
    values |= {"finalities": [0, None, 2], "etags": ["a", "", ""]}
    values |= {
        "counts": False,
        "first": NOW,
        "longest": NOW,
        "blameless": NOW,
        "age": NOW,
        "reason": "x",
        "detail": "x",
    }
    known, work = statements(sweep_inbox.__file__), "SELECT * FROM work"
    with psycopg.ClientCursor(connection) as cursor:
        for statistics in ("", "ANALYZE"):
            connection.execute(statistics)
            for statement in (*(known[name] for name in ("claim", "retry", "settle", "renew")), work):
                plan = "\n".join(line for (line,) in cursor.execute(f"EXPLAIN {statement}", values).fetchall())
                assert "Seq Scan on inbox" not in plan, plan
                assert "Seq Scan on outcomes" not in plan, plan


# Rows that are done, with objects and outcomes of their own.
SETTLED = """
INSERT INTO inbox (event_time, event_data, state, kind, bucket, key, settled_at)
SELECT now(), 'x', 'settled', 'created', 'images', 'k' || n, now() FROM generate_series(1, 20000) AS n;
INSERT INTO models (name, digest) VALUES ('lite0', 'sha256:aa');
INSERT INTO objects (bucket, key) SELECT 'images', 'k' || n FROM generate_series(1, 20000) AS n;
INSERT INTO outcomes (object_id, model_id, status) SELECT objects.id, models.id, 'classified' FROM objects, models;
"""


def test_the_watch_prunes_until_nothing_old_is_left(
    connection: psycopg.Connection, settings: SweepSettings, sequence: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bounded number at a time, but without waiting for many rounds in between."""
    monkeypatch.setattr("triggers.sweep.inbox.PRUNE_AT_ONCE", 10)
    connection.execute("ALTER TABLE inbox DISABLE TRIGGER USER")
    connection.execute(
        "INSERT INTO inbox (state, received_at) SELECT 'settled', now() - interval '8 days' FROM generate_series(1, 45)"
    )
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(settings, sequence, stop, 0.1, print))
    thread.start()
    try:
        until(lambda: connection.execute("SELECT count(*) FROM inbox").fetchone() == (0,), "old rows are left")
    finally:
        stop.set()
        thread.join(20)


def test_replay_makes_parked_work_pending_again(connection: psycopg.Connection, inbox: Inbox) -> None:
    """By key, by reason, or all of it."""
    owe(connection, "a", "b", "c")
    for row, reason in zip(inbox.claim(3, NOW), ("x", "y", "y"), strict=True):
        inbox.park(row, reason, "z")
    assert inbox.counts().reasons == {"x": 1, "y": 2}
    assert replay(connection, "key", "a") == 1
    assert replay(connection, "reason", "x") + replay(connection, "reason", "y") == 2
    found = inbox.counts()
    assert (found.pending, found.parked) == (3, 0)
    assert found.oldest is not None


def test_a_watch_is_woken_by_the_journal(
    database: Database, connection: psycopg.Connection, sequence: StandIn, settings: SweepSettings
) -> None:
    """No polling: a row that comes is run although the next look is an hour away."""
    with watching(settings, sequence), database.connect("pixwhisk_journal") as journal:
        for key in ("a", "b", "c"):
            journal.execute("INSERT INTO inbox (event_time, event_data) VALUES (now(), %s)", (event(key, "1"),))
            until(lambda key=key: states(connection)[key][0] == "settled", "the row was not run")  # type: ignore[misc]


class watching:  # noqa: N801 - reads as what it does
    """A watch in a thread, stopped on leaving."""

    def __init__(self, settings: SweepSettings, runs: StandIn) -> None:
        self.said: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=watch, args=(settings, runs, self.stop, 3600, self.said.append))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_a_watch_outlives_its_database() -> None:
    """`kill -9` of Postgres is reported once, without a secret; when it is back, so is the sweep."""
    with running_postgres() as server:
        migrate(server.postgres.database_url())
        url = server.postgres.database_url("pixwhisk_sweep")
        runs = StandIn(server.postgres.database_url("pixwhisk_store"))
        settings = SweepSettings(url, "http://127.0.0.1:9", "u:k", grace=NOW)
        with watching(settings, runs) as watched:
            server.kill()
            until(lambda: watched.said, "nothing was said")
            server.start()
            with psycopg.connect(server.postgres.database_url(), autocommit=True) as connection:
                owe(connection, "a")
                until(lambda: states(connection)["a"][0] == "settled", "the row was not run")
        assert not any(server.postgres._password("pixwhisk_sweep") in line for line in watched.said)
        runs.forget()


class OpenWhisk(BaseHTTPRequestHandler):
    """Answers like OpenWhisk's API, with what the test says."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str | None, Any]]
    status, body = 200, b""

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], sent))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def openwhisk() -> Iterator[tuple[str, type[OpenWhisk]]]:
    handler = type("Handler", (OpenWhisk,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_batch_is_one_blocking_invocation_of_the_sequence(
    openwhisk: tuple[str, type[OpenWhisk]], settings: SweepSettings
) -> None:
    """With the caller's key, as an event of many records."""
    apihost, handler = openwhisk
    handler.status, handler.body = 429, b'{"error": "Too many requests", "code": "x"}'
    invoker = Invoker(replace(settings, apihost=apihost))
    assert invoker.invoke([{"a": 1}, {"b": 2}]) == Refused("over-quota", "429: Too many requests", "minute")
    path = "/api/v1/namespaces/_/actions/pixwhisk/classify-and-store?blocking=true"
    assert handler.asked == [(path, "Basic dTpr", {"Records": [{"a": 1}, {"b": 2}]})]
    invoker.close()


def test_an_openwhisk_that_is_away_is_no_failure_of_a_record(settings: SweepSettings) -> None:
    """Nothing answers: nothing can be said of the records."""
    assert Invoker(settings).invoke([{}]) == Refused("openwhisk-unreachable", "NewConnectionError")


def test_what_holds_everything_up_is_said_once(
    connection: psycopg.Connection, inbox: Inbox, sequence: StandIn, settings: SweepSettings
) -> None:
    """A sweep that only waits says for what, with OpenWhisk's own words, and not every time it asks again."""
    owe(connection, "a")
    sequence.always = Refused("over-quota", "429: Too many requests in the last minute (count: 61, allowed: 60).")
    said: list[str] = []
    Sweep(inbox, sequence, settings, threading.Event(), time.monotonic() + 2, report=said.append).run()
    assert len(sequence.calls) > 1
    assert said == ["sweep: waiting: over-quota: 429: Too many requests in the last minute (count: 61, allowed: 60)."]


def test_the_action_says_what_it_did(
    openwhisk: tuple[str, type[OpenWhisk]],
    connection: psycopg.Connection,
    settings: SweepSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Called by an alarm, it runs what is pending and reports counts; errors are OpenWhisk's application errors."""
    apihost, handler = openwhisk
    result = {"outcomes": [{"status": "classified"}], "results": [], "stored": {"written": 1}}
    handler.body = json.dumps({"response": {"status": "success", "result": result}}).encode()
    owe(connection, "a")
    connection.execute("UPDATE inbox SET received_at = now() - interval '1 minute'")
    bound = {"DATABASE_URL": settings.database_url, "WSK_APIHOST": "https://evil.example"}
    monkeypatch.setenv("WSK_APIHOST", apihost)
    monkeypatch.setenv("WSK_AUTH", "u:k")
    answer = main(bound | {"__ow_headers": {"authorization": "Basic x"}})
    assert answer == {"swept": {"done": 1, "failed": 0, "parked": 0, "requeued": 0}, "pending": 0, "parked": 0}
    away = main(bound | {"DATABASE_URL": "postgresql://u:secret@/d?host=/nowhere"})
    assert (away["error"]["code"], "secret" in str(away)) == ("database-unavailable", False)
    assert main({})["error"]["code"] == "bad-settings"
