"""Trickle by event, burst by batch: when the rule is switched off and on, and that it never stays off."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import psycopg
import pytest

from actions.errors import DatabaseUnavailable
from infra.deployment.bursts import look_at_burst
from tests.fixtures.minio import until
from tests.fixtures.outcomes import event
from tests.fixtures.postgres import Database
from tests.integration.test_sweep import StandIn, owe, states, watching
from triggers.sweep import burst as burst_module
from triggers.sweep.burst import LaneSwitch
from triggers.sweep.handler import Sweep
from triggers.sweep.heard import Heard, name_event
from triggers.sweep.inbox import opened
from triggers.sweep.lease import BurstLease, find_burst, mend
from triggers.sweep.settings import SweepSettings

RULE = "classify-uploads"


@dataclass
class StandInRule:
    """A rule that does what it is told; `answers` says whether OpenWhisk is there."""

    now: str = "active"
    answers: bool = True
    name: str = RULE
    told: list[str] = field(default_factory=list)

    def status(self) -> str:
        return self.now if self.answers else "unknown"

    def switch(self, to: Literal["active", "inactive"]) -> bool:
        if self.answers:
            self.now = to
            self.told.append(to)
        return self.answers


@pytest.fixture
def rule() -> StandInRule:
    return StandInRule()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def lanes(connection: psycopg.Connection, rule: StandInRule, said: list[str]) -> LaneSwitch:
    made = LaneSwitch(Heard(lambda: None), rule, 2, said.append)
    made.attach(connection)
    return made


def hear(lanes: LaneSwitch, count: int, prefix: str = "k") -> None:
    for number in range(count):
        lanes.heard.hear(json.loads(event(f"{prefix}{number}", "1A"))["Records"][0])


def overrun(lanes: LaneSwitch, count: int = 9) -> None:
    hear(lanes, count)
    lanes.look(idle=True)


def looked(lanes: LaneSwitch) -> LaneSwitch:
    lanes.look(idle=True)
    return lanes


def lapse(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE bursts SET until = now() - interval '1 second'")


def noted(connection: psycopg.Connection) -> bool:
    return find_burst(connection, RULE) is not None


def test_more_than_the_fast_lane_takes_switches_the_rule_off(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection
) -> None:
    """What comes from then on waits for batches; that is noted, with since when."""
    overrun(lanes, 3)
    assert (rule.told, lanes.active) == ([], False)
    hear(lanes, 9, "more")
    until(lambda: looked(lanes).active, "no burst began")
    assert rule.now == "inactive"
    found = find_burst(connection, RULE)
    assert found is not None
    assert (found.is_over, found.since < datetime.now(UTC)) == (False, True)
    hear(lanes, 3, "batched")
    until(lambda: lanes.due() == 0, "no batch is due")
    assert [each.event.key for each in lanes.take(50)] == [f"batched{number}" for number in range(3)]


def test_what_became_rows_meanwhile_is_no_burst(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection
) -> None:
    """However much is heard: the fast lane keeps up."""
    for number in range(9):
        connection.execute(
            "INSERT INTO objects (bucket, key, sequencer, etag) VALUES ('images', %s, lpad('1a', 32, '0'), 'etag-1A')",
            (f"k{number}",),
        )
    overrun(lanes)
    assert (rule.told, lanes.heard.count_left()) == ([], 0)


def test_when_it_is_calm_the_rule_is_on_again(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at once: what the fast lane was left is run by batch first; then the note is gone, too."""
    monkeypatch.setattr(burst_module, "CALM_UNHEARD", 0.2)
    monkeypatch.setattr(burst_module, "PATIENCE", 0.1)
    lanes._trusted = 1000.0
    overrun(lanes)
    assert lanes.active
    until(lambda: looked(lanes).heard.count_waiting() == 9, "nothing was taken back")
    lanes.look(idle=True)
    assert lanes.active
    lanes.heard.end(lanes.take(50))
    lanes.heard.end(lanes.take(50))
    until(lambda: not looked(lanes).active, "the burst does not end")
    assert (rule.now, noted(connection)) == ("active", False)


def test_somebodys_own_disabled_rule_stays_disabled(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection
) -> None:
    """Nothing is noted of it, so that nobody switches it on."""
    rule.now = "inactive"
    overrun(lanes)
    assert (rule.told, lanes.active, noted(connection)) == ([], False, False)
    assert not mend(connection, rule, whoever=True)


def test_a_sweep_that_dies_leaves_no_rule_switched_off(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection, said: list[str]
) -> None:
    """Whoever comes once its note has run out switches it on; not before."""
    overrun(lanes)
    heir = LaneSwitch(Heard(lambda: None), rule, 2, said.append)
    heir.attach(connection)
    assert rule.now == "inactive"
    lapse(connection)
    heir.mend()
    assert (rule.now, noted(connection)) == ("active", False)
    assert said[-1].startswith("sweep: the rule was left switched off")


def test_a_frozen_sweep_learns_that_its_burst_is_over(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has switched the rule on meanwhile; it goes on by events, and switches nothing."""
    overrun(lanes)
    lapse(connection)
    assert mend(connection, rule)
    lanes._renewed = 0.0
    lanes.look(idle=True)
    assert (lanes.active, rule.told) == (False, ["inactive", "active"])


def test_one_sweep_alone_switches(lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection) -> None:
    """Another that is overrun at the same time leaves it to the first."""
    assert BurstLease(connection, RULE, uuid.uuid4()).take()
    overrun(lanes)
    assert (rule.told, lanes.active) == ([], False)


def test_an_openwhisk_that_is_away_is_asked_until_the_rule_is_on(
    lanes: LaneSwitch, rule: StandInRule, connection: psycopg.Connection
) -> None:
    """Until it says so, the note stays."""
    overrun(lanes)
    rule.answers = False
    lanes.end()
    assert (lanes.active, noted(connection)) == (True, True)
    rule.answers = True
    lanes.end()
    assert (lanes.active, rule.now, noted(connection)) == (False, "active", False)


def test_many_due_rows_are_a_burst_though_nothing_was_heard(lanes: LaneSwitch, rule: StandInRule) -> None:
    """Where nobody may listen, the journal alone tells."""
    lanes.look(idle=True, claimed=3)
    assert not lanes.active
    lanes.look(idle=True, claimed=50)
    assert rule.now == "inactive"


def test_batches_are_small_in_the_end(lanes: LaneSwitch) -> None:
    """So that all places have work until then; where invocations are counted, each carries what it can."""
    assert [lanes.size(50, waiting) for waiting in (1000, 100, 40, 3)] == [50, 25, 10, 8]
    lanes.spare()
    assert lanes.size(50, 3) == 50


def test_status_mends_what_it_finds(connection: psycopg.Connection, database: Database) -> None:
    """A note whose OpenWhisk is away stays, for whoever comes next; without a database there is no burst to see."""
    BurstLease(connection, RULE).take()
    state = look_at_burst(database.url(), "http://127.0.0.1:9", "u:k")
    assert (state.since is not None, state.mended) == (True, False)
    lapse(connection)
    assert look_at_burst(database.url(), "http://127.0.0.1:9", "u:k").since is not None
    assert look_at_burst("postgresql:///d?host=/nowhere", "http://127.0.0.1:9", "u:k").since is None


def test_a_stopped_watch_switches_the_rule_on(database: Database, connection: psycopg.Connection) -> None:
    """A sweep that ends politely leaves nothing to mend."""
    settings = SweepSettings(database.url("pixwhisk_sweep"), "http://127.0.0.1:9", "u:k")
    runs = StandIn(database.url("pixwhisk_store"))
    with watching(settings, runs):
        owe(connection, "a", lane="backfill")
        until(lambda: states(connection)["a"][0] == "settled", "the watch does not run")
    assert not noted(connection)
    runs.forget()


def sweep_without_database(database: Database, settings: SweepSettings, runs: StandIn, lanes: LaneSwitch) -> None:
    with opened(settings.database_url, settings.lease) as inbox:
        with database.connect("pixwhisk_sweep") as own:
            own.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user"
                " AND datname = current_database() AND pid <> pg_backend_pid()"
            )
        Sweep(inbox, runs, settings, threading.Event(), burst=lanes).run()


def test_a_sweep_that_loses_its_database_leaves_nothing_to_itself(
    lanes: LaneSwitch, database: Database, connection: psycopg.Connection
) -> None:
    """The journal's rows about what it had taken are the next sweep's: nobody is at them any more."""
    overrun(lanes)
    hear(lanes, 4, "batched")
    until(lambda: lanes.due() == 0, "no batch is due")
    runs = StandIn(database.url("pixwhisk_store"))
    settings = SweepSettings(database.url("pixwhisk_sweep"), "http://127.0.0.1:9", "u:k")
    with pytest.raises(DatabaseUnavailable):
        sweep_without_database(database, settings, runs, lanes)
    assert runs.calls == [[f"batched{number}" for number in range(4)]]
    told = [json.loads(event(f"batched{number}", "1A"))["Records"][0] for number in range(4)]
    assert [lanes.heard.claim(name_event(record)) for record in told] == [True] * 4
    runs.forget()
