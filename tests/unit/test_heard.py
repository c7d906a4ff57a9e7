"""What is heard of uploads, and how large a batch of it is."""

from __future__ import annotations

import json
from typing import Any

from tests.fixtures.outcomes import event
from triggers.sweep.heard import Heard, name_event
from triggers.sweep.hearing import read_records
from triggers.sweep.invoking import slim


def record(key: str, sequencer: str = "1A", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event(key, sequencer, **more))["Records"][0]
    return found


def heard(*, by_batch: bool) -> Heard:
    made = Heard(lambda: None)
    made.turn(by_batch=by_batch)
    return made


def test_a_stream_is_read_however_it_is_cut() -> None:
    """Its keys are not escaped, those of all other events are; a sign of life holds no record."""
    sent = record("a")
    sent["s3"]["object"]["key"] = "a dir/é+1.jpg"
    body = json.dumps({"Records": [sent]}).encode() + b"\n" + b'{"Records":null}\n' + b"\n"
    for length in (1, 7, len(body)):
        chunks = (body[begin : begin + length] for begin in range(0, len(body), length))
        (found,) = read_records(chunks)
        assert found["s3"]["object"]["key"] == "a+dir%2F%C3%A9%2B1.jpg"


def test_an_event_has_one_name_wherever_it_is_told_of() -> None:
    """By the stream, or by the journal."""
    assert name_event(record("a b", version="v1")) == name_event(slim(event("a b", "1A", version="v1")))
    assert name_event(record("a", version="null")) == name_event(record("a"))


def test_what_is_told_twice_is_heard_once() -> None:
    """Streams overlap; and what cannot be read, or concerns no picture, is not heard at all."""
    kept = heard(by_batch=True)
    told: list[dict[str, Any]] = [record("a"), record("a"), record("a", "1B"), record("a", kind="ignored"), {"s3": {}}]
    for each in told:
        kept.hear(each)
    assert [taken.name.sequencer for taken in kept.take(9)] == ["1A", "1B"]
    kept.hear(record("a"))
    assert kept.count_waiting() == 0


def test_what_the_fast_lane_was_left_is_taken_back() -> None:
    """Until then it is not put into batches; what became a row meanwhile never is."""
    kept = heard(by_batch=False)
    for key in ("a", "b"):
        kept.hear(record(key))
    kept.turn(by_batch=True)
    left = kept.list_left()
    kept.drop([left[0].name])
    assert kept.count_waiting() == 0
    kept.take_back(left)
    assert [taken.event.key for taken in kept.take(9)] == ["b"]


def test_the_journals_row_goes_before_what_was_heard() -> None:
    """It has a lease; only what is running, or in a burst what the fast lane is at, is left to whoever is at it."""
    kept = heard(by_batch=False)
    kept.hear(record("left"))
    kept.turn(by_batch=True)
    kept.hear(record("running"))
    running = kept.take(1)
    kept.hear(record("waiting"))
    assert [kept.claim(name_event(record(key))) for key in ("left", "running", "waiting")] == [False, False, True]
    assert kept.count_waiting() == 0
    kept.end(running)
    assert kept.claim(running[0].name)


def test_what_was_refused_waits_in_front() -> None:
    """Nothing was done of it."""
    kept = heard(by_batch=True)
    for key in ("a", "b", "c"):
        kept.hear(record(key))
    refused = kept.take(2)
    kept.end(refused, again=True)
    assert [taken.event.key for taken in kept.take(9)] == ["a", "b", "c"]
