"""What a sweep sends, and what it makes of OpenWhisk's answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actions.errors import BadSettings
from actions.events import parse_record
from tests.fixtures.outcomes import event, outcome
from triggers.sweep.invoking import LIMIT_PAYLOAD, Done, Failed, Refused, Running, payload, read_answer, slim
from triggers.sweep.settings import SweepSettings


def activation(result: object, status: str = "success") -> bytes:
    return json.dumps({"activationId": "0" * 32, "response": {"status": status, "result": result}}).encode()


def error(code: str, *, retryable: bool) -> dict[str, Any]:
    return {"error": {"code": code, "message": "words", "retryable": retryable}}


def test_a_record_is_sent_without_what_classify_does_not_read() -> None:
    """Who uploaded, from where and with which metadata stays in the journal; the object is the same."""
    stored = event("a dir/é.jpg", "1A", version="v1", userMetadata={"x-amz-meta-secret": "s" * 2000})
    sent = slim(stored)
    assert parse_record(sent) == parse_record(json.loads(stored)["Records"][0])
    assert "secret" not in json.dumps(sent)


def test_the_largest_batch_fits() -> None:
    """50 records with the longest keys, escaped, are far below OpenWhisk's ceiling."""
    records = [slim(event("é" * 512, "1" * 32, version="v" * 128))] * 50
    assert len(payload(records)) < LIMIT_PAYLOAD / 2


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (202, b'{"activationId": "x"}', Running()),
        (
            429,
            b'{"error": "Too many requests", "code": "1"}',
            Refused("over-quota", "429: Too many requests", "minute"),
        ),
        (
            429,
            b'{"error": "Too many concurrent requests in flight (count: 9, allowed: 8)."}',
            Refused(
                "too-many-in-flight", "429: Too many concurrent requests in flight (count: 9, allowed: 8).", "place"
            ),
        ),
        (404, b'{"error": "gone", "code": "1"}', Refused("openwhisk-refused", "404: gone")),
        (500, b"<html>", Refused("openwhisk-refused", "500: None")),
        (413, b"{}", Failed("too-large", "OpenWhisk refuses the payload", "record", final=True)),
        (502, b"<html>", Refused("openwhisk-refused", "502: None")),
        (
            502,
            activation(error("object-store-unreachable", retryable=True), "application error"),
            Failed("object-store-unreachable", "words", "service"),
        ),
        (
            502,
            activation(error("bad-settings", retryable=False), "application error"),
            Failed("bad-settings", "words", "service"),
        ),
        (
            502,
            activation(error("bad-request", retryable=False), "application error"),
            Failed("bad-request", "words", "record", final=True),
        ),
        (
            502,
            activation(error("internal-error", retryable=True), "application error"),
            Failed("internal-error", "words", "record"),
        ),
        (
            502,
            activation(
                {"error": "The action exceeded its time limits of 60000 milliseconds."}, "action developer error"
            ),
            Failed("timed-out", "The action exceeded its time limits of 60000 milliseconds.", "record"),
        ),
        (
            502,
            activation({"error": "The action exhausted its memory and was aborted."}, "action developer error"),
            Failed(
                "out-of-memory",
                "action developer error: The action exhausted its memory and was aborted.",
                "record",
            ),
        ),
        (
            502,
            activation({"error": "command exited"}, "action developer error"),
            Failed("action-failed", "action developer error: command exited", "record"),
        ),
    ],
)
def test_an_answer_says_who_is_at_fault(status: int, body: bytes, expected: object) -> None:
    """OpenWhisk, a service, or a record of the batch: each is gone about differently."""
    assert read_answer(status, body, 1) == expected


def test_success_is_one_stored_outcome_per_record() -> None:
    """An answer without them, from a sequence that stores nothing, settles nothing."""
    stored: dict[str, Any] = {"outcomes": [outcome("a", "1")], "results": [], "stored": {"written": 1}}
    assert isinstance(read_answer(200, activation(stored), 1), Done)
    lacking: list[object] = [stored | {"outcomes": []}, {"outcomes": stored["outcomes"]}, {}, [], None]
    for result in lacking:
        assert read_answer(200, activation(result), 1) == Failed("no-outcome", "expected 1 stored outcomes", "record")


def test_where_the_key_goes_only_the_environment_says() -> None:
    """Inside OpenWhisk its own address and key serve where none are bound; a caller's payload never redirects."""
    inside = {"__OW_API_HOST": "http://172.17.0.1:3233/", "__OW_API_KEY": "u:k", "DATABASE_URL": "postgres://ours/"}
    payload = {"DATABASE_URL": "postgresql://evil/", "WSK_APIHOST": "https://evil.example", "WSK_AUTH": "v:l"}
    settings = SweepSettings.from_params(payload, inside)
    assert (settings.apihost, settings.auth) == ("http://172.17.0.1:3233", "u:k")
    assert settings.database_url == "postgresql://ours/"
    bound = SweepSettings.from_params(payload, {**inside, "WSK_APIHOST": "openwhisk.example", "WSK_AUTH": "v:l"})
    assert (bound.apihost, bound.auth) == ("https://openwhisk.example", "v:l")
    assert not any(secret in repr(bound) for secret in ("v:l", "ours"))


def test_every_missing_setting_is_named() -> None:
    """All at once, without values."""
    with pytest.raises(BadSettings, match="DATABASE_URL, WSK_APIHOST, WSK_AUTH"):
        SweepSettings.from_params({}, {})
