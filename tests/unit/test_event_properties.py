"""Properties of the event parser and of the message between `classify` and `store`, for any input at all."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from actions.errors import BadEvent, BadRequest
from actions.events import LIMIT_KEY_BYTES, ObjectEvent, parse_record, sequence_number
from actions.messages import Classification, ModelReference, Outcome, Picture

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda key: len(key.encode()) <= LIMIT_KEY_BYTES
)
buckets = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}", fullmatch=True)
sequencers = st.integers(0, 2**64).map(lambda number: f"{number:X}")


def record(name: str, bucket: str, key: str, **described: Any) -> dict[str, Any]:
    return {
        "eventSource": "minio:s3",
        "eventTime": "2026-02-06T01:04:31.998Z",
        "eventName": name,
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key), **described}},
    }


@given(buckets, keys, st.integers(0, 2**62), sequencers)
def test_any_key_survives_its_escaping(bucket: str, key: str, size: int, sequencer: str) -> None:
    """Whatever an object is called, the event names it: unescaped exactly once."""
    raw = record("s3:ObjectCreated:Put", bucket, key, size=size, eTag="e", sequencer=sequencer, versionId="null")
    event = parse_record(raw)
    assert event == ObjectEvent("created", bucket, key, None, "e", size, sequencer, "2026-02-06T01:04:31.998Z")


@given(json_values)
def test_any_record_is_parsed_or_refused(raw: Any) -> None:
    """No JSON whatever leads to anything but an event or a `BadEvent`."""
    with suppress(BadEvent):
        assert isinstance(parse_record(raw), ObjectEvent)


paths = st.sampled_from(
    [("eventName",), ("eventTime",), ("s3",), ("s3", "bucket"), ("s3", "bucket", "name"), ("s3", "object")]
    + [("s3", "object", name) for name in ("key", "size", "eTag", "sequencer", "versionId")]
)


@given(paths, json_values)
def test_any_one_field_may_hold_anything(path: tuple[str, ...], value: Any) -> None:
    """A well-formed record with any one field replaced is parsed or refused, and what is parsed is well-typed."""
    raw = record("s3:ObjectCreated:Put", "images", "k.jpg", size=1, eTag="e", sequencer="1F")
    target = raw
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    try:
        event = parse_record(raw)
    except BadEvent:
        return
    assert 1 <= len(event.key.encode()) <= LIMIT_KEY_BYTES
    assert event.size is None or event.size >= 0
    assert sequence_number(event.sequencer) >= -1
    json.dumps(Outcome("classified", event, MODEL).dump())


@given(st.lists(sequencers, min_size=2))
def test_sequencers_order_by_number(given_sequencers: list[str]) -> None:
    """Sequencers of any length and case compare as numbers, and none at all comes first."""
    ordered = sorted(given_sequencers, key=lambda each: int(each, 16))
    assert sorted(given_sequencers, key=sequence_number) == ordered
    assert sequence_number(None) < min(map(sequence_number, given_sequencers))
    assert sequence_number(ordered[0].lower()) == sequence_number("000" + ordered[0])


MODEL = ModelReference("lite", "sha256:00")
optional_text = st.none() | st.text(min_size=1)
probabilities = st.floats(0, 1)
outcomes = st.builds(
    Outcome,
    status=st.sampled_from(["classified", "rejected"]),
    event=st.builds(
        ObjectEvent,
        kind=st.just("created"),
        bucket=st.text(),
        key=st.text(),
        version_id=optional_text,
        etag=optional_text,
        size=st.none(),
        sequencer=st.none() | sequencers,
        event_time=optional_text,
        delete_marker=st.just(False),
    ),
    model=st.builds(ModelReference, st.text(), st.text()),
    picture=st.builds(Picture, st.integers(0), optional_text, optional_text, st.integers(1), st.integers(1)),
    classifications=st.lists(
        st.builds(Classification, st.integers(0), st.text(), st.text(), probabilities), max_size=5
    ),
    receipt=st.dictionaries(st.text(), probabilities, max_size=3),
)


@given(outcomes)
def test_outcomes_survive_the_trip_to_the_store(outcome: Outcome) -> None:
    """What `classify` says is what `store` reads, through JSON."""
    arrived = Outcome.parse(json.loads(json.dumps(outcome.dump())))
    assert arrived.dump() == outcome.dump()
    assert (arrived.status, arrived.model, arrived.classifications) == (
        outcome.status,
        outcome.model,
        outcome.classifications,
    )


@given(json_values)
def test_any_outcome_is_parsed_or_refused(raw: Any) -> None:
    """No JSON whatever leads `store` to anything but an outcome or a `BadRequest`."""
    with suppress(BadRequest):
        Outcome.parse(raw)


fields = st.sampled_from(["status", "bucket", "key", "size", "classifications", "model", "receipt", "deleteMarker"])


@given(outcomes, fields, json_values)
def test_any_one_field_of_an_outcome_may_hold_anything(outcome: Outcome, name: str, value: Any) -> None:
    """An outcome with any one field replaced is read or refused, never a crash."""
    raw = outcome.dump() | {name: value}
    with suppress(BadRequest):
        Outcome.parse(raw)
