"""Running a batch: the sequence is invoked through OpenWhisk's REST API, and its answer is read for what it means."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import urllib3

from actions.causes import name_cause
from triggers.sweep.settings import SweepSettings

# OpenWhisk takes 1 MiB, merged with what is bound.
LIMIT_PAYLOAD = 900_000
# A blocking call is answered within 60 s, by 202 if need be.
TIMEOUT = urllib3.Timeout(connect=5, read=75)

# What an action says when a service has failed, or nothing is set up: no record is at fault.
SERVICES = ("object-store-unreachable", "object-store-refused", "database-unavailable", "bad-settings")


@dataclass(frozen=True, slots=True)
class Done:
    """Everything was stored; one outcome per record, in order, which of several models' is all the same to a sweep."""

    outcomes: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Failed:
    """The activation failed. `fault`: of a service (others would fail as well), or of a record in the batch.

    `final`: the same record alone will never succeed.
    """

    reason: str
    detail: str
    fault: Literal["service", "record"]
    final: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """OpenWhisk did not run it: over quota, away, or without the sequence. Nothing can be said of the records.

    `until`: a place is free, which is soon; the next minute; or somebody has mended it.
    """

    reason: str
    detail: str
    until: Literal["place", "minute", "mended"] = "mended"


@dataclass(frozen=True, slots=True)
class Running:
    """It goes on beyond what a blocking call waits for; `store` settles what it stores."""


Answer = Done | Failed | Refused | Running


class Invoker:
    """Invokes the sequence; used by several threads at once."""

    def __init__(self, settings: SweepSettings) -> None:
        self._pool = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=settings.in_flight)
        self._actions = f"{settings.apihost}/api/v1/namespaces/_/actions"
        self._sequence, self._sequence_large = settings.sequence, settings.sequence_large
        self._headers = urllib3.make_headers(basic_auth=settings.auth) | {"Content-Type": "application/json"}

    def close(self) -> None:
        """Close the connections it keeps."""
        self._pool.clear()

    def invoke(self, records: Sequence[Mapping[str, Any]]) -> Answer:
        """Run one batch to its end."""
        return self._invoke(self._sequence, records)

    def warm(self, containers: int) -> None:
        """Run nothing, that often at once, so that OpenWhisk keeps as many containers; whether it works or not."""
        body = payload([])
        url = f"{self._actions}/{self._sequence}?blocking=true"
        connections = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=containers)
        with connections, ThreadPoolExecutor(containers) as pool:
            for _ in range(containers):
                pool.submit(connections.request, "POST", url, body=body, headers=self._headers)

    def invoke_large(self, records: Sequence[Mapping[str, Any]]) -> Answer:
        """Run it where there is more memory."""
        return self._invoke(self._sequence_large, records)

    def _invoke(self, sequence: str, records: Sequence[Mapping[str, Any]]) -> Answer:
        body = payload(records)
        if len(body) > LIMIT_PAYLOAD:
            return Failed("too-large", f"{len(body)} bytes", "record", final=True)
        try:
            answer = self._pool.request(
                "POST", f"{self._actions}/{sequence}?blocking=true", body=body, headers=self._headers
            )
        except urllib3.exceptions.HTTPError as error:
            return Refused("openwhisk-unreachable", name_cause(error))
        return read_answer(answer.status, answer.data, len(records))


def payload(records: Sequence[Mapping[str, Any]]) -> bytes:
    """The event that `classify` takes."""
    return json.dumps({"Records": list(records)}, separators=(",", ":")).encode()


def slim(event_data: str) -> Mapping[str, Any]:
    """The one record of a journal row, with what `classify` reads."""
    return slim_record(json.loads(event_data)["Records"][0])


def slim_record(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record with what `classify` reads: the rest would only fill activation records."""
    described = record["s3"]["object"]
    kept = ("key", "size", "eTag", "versionId", "sequencer")
    return {
        **{name: record[name] for name in ("eventSource", "eventTime", "eventName") if name in record},
        "s3": {
            "bucket": {"name": record["s3"]["bucket"]["name"]},
            "object": {name: described[name] for name in kept if name in described},
        },
    }


def read_answer(status: int, body: bytes, expected: int) -> Answer:
    """What OpenWhisk's answer to a blocking invocation of `expected` records means."""
    if status == 202:
        return Running()
    if status == 413:
        return Failed("too-large", "OpenWhisk refuses the payload", "record", final=True)
    activation = _document(body)
    if status == 200:
        return _done(activation, expected)
    response = activation.get("response")
    if status == 502 and isinstance(response, Mapping):
        return _read_failure(str(response.get("status", "")), response.get("result"))
    return _read_refusal(status, f"{status}: {activation.get('error')}")


def _read_refusal(status: int, words: str) -> Refused:
    if status != 429:
        return Refused("openwhisk-refused", words)
    # Its own words are all that tells a place that will be free in a moment from a minute's quota.
    if "in flight" in words:
        return Refused("too-many-in-flight", words, "place")
    return Refused("over-quota", words, "minute")


def _done(activation: Mapping[str, Any], expected: int) -> Answer:
    result = _object(_object(activation.get("response")).get("result"))
    outcomes = result.get("outcomes")
    if not isinstance(outcomes, list) or not outcomes or len(outcomes) % expected or "stored" not in result:
        return Failed("no-outcome", f"expected {expected} stored outcomes", "record")
    models = len(outcomes) // expected
    return Done([_object(outcome) for outcome in outcomes[::models]])


def _read_failure(status: str, result: object) -> Failed:
    error = _object(result).get("error")
    if isinstance(error, Mapping) and "code" in error:
        code, detail = str(error["code"]), str(error.get("message"))
        if code in SERVICES:
            return Failed(code, detail, "service")
        return Failed(code, detail, "record", final=error.get("retryable") is False)
    text = str(error)
    if "time limits" in text:
        return Failed("timed-out", text, "record")
    return Failed("out-of-memory" if "exhausted its memory" in text else "action-failed", f"{status}: {text}", "record")


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        return _object(json.loads(body))
    except ValueError:
        return {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
