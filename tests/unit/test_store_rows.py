"""Outcomes become rows without a database."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.errors import BadRequest, BadSettings
from actions.events import ObjectEvent, sequence_number
from actions.messages import Classification, ModelReference, Outcome, Status
from actions.store.handler import handle
from actions.store.results import database_url
from actions.store.rows import as_json, moment, pad_sequencer, prepare, row, storable
from actions.store.settings import StoreSettings

MODEL = ModelReference("lite0", "sha256:aa")
CAT = Classification(281, "tabby", "tabby, tabby cat", 0.9)


def outcome(sequencer: str | None = "1A", status: Status = "classified", **event: Any) -> Outcome:
    described: dict[str, Any] = {"bucket": "images", "key": "cat.jpg", "etag": "e1", "size": 5} | event
    return Outcome(
        status=status,
        event=ObjectEvent("removed" if status == "deleted" else "created", sequencer=sequencer, **described),
        model=MODEL,
        classifications=(CAT,) if status == "classified" else (),
        reason="corrupt-image" if status == "rejected" else None,
    )


def test_a_row_holds_the_best_label_and_all_of_them() -> None:
    """`label` and `probability` are the first classification's; `labels` are all, as the contract names them."""
    made = row(outcome())
    assert (made["label"], made["probability"]) == ("tabby", 0.9)
    assert made["labels"] == [{"label": "tabby", "className": "tabby, tabby cat", "index": 281, "probability": 0.9}]


@pytest.mark.parametrize(("marker", "finality"), [(True, 1), (False, 2)])
def test_a_deletion_is_a_tombstone(marker: bool, finality: int) -> None:
    """What was deleted has no bytes any more, so no ETag; a delete marker is less final than a removal."""
    made = row(outcome(status="deleted", delete_marker=marker))
    assert (made["etag"], made["finality"], made["labels"]) == ("", finality, [])


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_padded_sequencers_sort_as_numbers(one: int, other: int) -> None:
    """Text order of stored sequencers is the order of the numbers they are."""
    assert (pad_sequencer(f"{one:X}") < pad_sequencer(f"{other:x}")) == (one < other)
    assert sequence_number(pad_sequencer(f"{one:X}")) == one
    assert pad_sequencer(None) < pad_sequencer(f"{one:X}")


@pytest.mark.parametrize("sequencer", ["-1", "0x1", "1_0", " 1", "g", "1" * 33])
def test_a_sequencer_that_is_no_number_is_refused(sequencer: str) -> None:
    """Nothing but hexadecimal digits orders events."""
    with pytest.raises(BadRequest):
        pad_sequencer(sequencer)


@pytest.mark.parametrize(
    ("reason", "sequencer", "expected"),
    [
        ("bad-event", "1A", False),
        ("object-gone", None, False),
        ("object-changed", None, False),
        ("object-gone", "1A", True),
        ("corrupt-image", None, True),
    ],
)
def test_what_names_no_object_version_is_not_stored(reason: str, sequencer: str | None, expected: bool) -> None:
    """An unreadable record, and an object that a caller named but that is not there, leave no row."""
    assert storable(replace(outcome(sequencer, "rejected"), reason=reason)) is expected


def test_of_one_version_the_newest_counts() -> None:
    """In one batch too, the higher sequencer wins, and a second delivery is the same row."""
    prepared = prepare([outcome("2"), outcome("10"), outcome("10"), outcome("1", key="other")])
    assert prepared.positions == [None, 0, 0, 1]
    assert [each["sequencer"].lstrip("0") for each in prepared.rows] == ["10", "1"]


def test_a_deletion_beats_a_creation_of_the_same_sequencer() -> None:
    """MinIO gives the removal of a version that version's own modification time."""
    prepared = prepare([outcome("1", "deleted"), outcome("1")])
    assert prepared.positions == [0, None]


def test_two_models_are_two_rows() -> None:
    """One batch may hold two models' outcomes of one version."""
    other = replace(outcome(), model=ModelReference("other", "sha256:bb"))
    assert prepare([outcome(), other]).positions == [0, 1]


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", "x" * 1025, "é" * 513])
def test_an_impossible_key_is_refused(key: str) -> None:
    """A key is 1 to 1024 bytes of UTF-8 without NUL."""
    with pytest.raises(BadRequest, match="key"):
        row(outcome(key=key))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-06T01:04:31.998Z", "2026-02-06T01:04:31.998000+00:00"),
        ("2026-02-06T01:04:31", "2026-02-06T01:04:31+00:00"),
        ("infinity", None),
        ("now", None),
        (None, None),
        (5, None),
    ],
)
def test_a_time_that_is_none_costs_no_row(text: Any, expected: str | None) -> None:
    """Only ISO times reach the database; everything else is no time."""
    assert moment(text) == expected


@given(st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=5))
def test_no_text_is_one_that_postgres_refuses(value: Any) -> None:
    """NUL and half surrogate pairs are replaced, everything else is kept."""
    dumped = as_json([{"receipt": value, "bad": "a\0\ud800b", "fine": "😀\\u0000"}])
    assert "\\u0000" not in dumped.replace("\\\\u0000", "")
    assert json.loads(dumped)[0]["fine"] == "😀\\u0000"
    json.loads(dumped)[0]["bad"].encode()


def test_what_is_no_json_is_the_callers_fault() -> None:
    """A probability that is no number is refused before the database sees it."""
    with pytest.raises(BadRequest):
        as_json([{"probability": float("nan")}])


def test_the_environment_wins() -> None:
    """A caller's payload can not redirect an action to another database."""
    settings = StoreSettings.from_params({"DATABASE_URL": "postgresql://evil/"}, {"DATABASE_URL": "postgresql://ours/"})
    assert settings.database_url == "postgresql://ours/"


@pytest.mark.parametrize("url", ["", None, 5, "mysql://secret@host/", "secret"])
def test_a_wrong_url_is_named_and_not_repeated(url: Any) -> None:
    """An error about a URL names the setting and never its value."""
    with pytest.raises(BadSettings, match="DATABASE_URL") as raised:
        StoreSettings.from_params({"DATABASE_URL": url}, {})
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(StoreSettings("postgresql://u:secret@h/d"))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_any_spelling_of_the_scheme_is_one_driver(scheme: str) -> None:
    """Managed databases hand out `postgres://`; SQLAlchemy wants the driver named."""
    url = database_url(f"{scheme}://u:p%40@/pixwhisk?host=/a/socket")
    assert (url.drivername, url.password, url.query["host"]) == ("postgresql+psycopg", "p@", "/a/socket")


def test_a_port_that_is_none_is_a_setting_that_is_none() -> None:
    """What SQLAlchemy cannot read is reported without the password."""
    with pytest.raises(BadSettings) as raised:
        database_url("postgresql://u:secret@host:port/d")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("params", [{}, {"outcomes": None}, {"outcomes": {}}, {"outcomes": ["text"]}])
def test_a_call_without_outcomes_is_a_bad_request(params: dict[str, Any]) -> None:
    """`store` says what it takes."""
    with pytest.raises(BadRequest, match="outcomes"):
        handle(params, {"DATABASE_URL": "postgresql:///nowhere"})


def test_nothing_to_store_needs_no_database() -> None:
    """An event without records is a success that wrote nothing."""
    answer = handle({"outcomes": [], "results": []}, {"DATABASE_URL": "postgresql:///nowhere"})
    assert answer["stored"] == {"written": 0, "stale": 0, "skipped": 0}
