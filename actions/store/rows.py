"""Outcomes → the rows of one call: pure. Decides what is worth no row, and which of several outcomes is the newest."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from actions.errors import BadRequest
from actions.events import LIMIT_KEY_BYTES
from actions.messages import DELETE_MARKER, PRESENT, REMOVED, SUPERSEDED, Embedding, Outcome, make_storable

# A sequencer as stored: lower case, zero-padded, so that text order is number order. Empty: none; loses against any.
SEQUENCER_DIGITS = 32

# Only memory prevents it, for now.
NO_OUTCOME_YET = "needs-memory"


@dataclass(frozen=True, slots=True)
class Stored:
    """How many outcomes are now what the database holds, lost to something newer, or were nothing to store."""

    written: int = 0
    stale: int = 0
    skipped: int = 0

    def dump(self) -> dict[str, int]:
        return asdict(self)


def storable(outcome: Outcome) -> bool:
    """False for what names no object version: an unreadable record, or a caller's words for what is not there; and for
    what a larger container has yet to look at, which stays pending.
    """
    if outcome.status != "rejected":
        return True
    unordered, unknown = not outcome.event.sequencer, not outcome.event.etag
    return not (
        outcome.reason in ("bad-event", NO_OUTCOME_YET)
        or (outcome.reason in SUPERSEDED and unordered)
        # Of a removal that could not be looked into: it may be there, with bytes that nobody can name.
        or (outcome.reason == "object-unreadable" and unknown)
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows to write, and for each outcome the `position` of the row that stands for it; None if it lost."""

    rows: Sequence[Mapping[str, Any]]
    positions: Sequence[int | None]


def prepare(outcomes: Sequence[Outcome]) -> Prepared:
    """One row per object version and model: the newest of each version; equal ones are deliveries of the same event."""
    given = [row(outcome) for outcome in outcomes]
    newest = {_version(each): _order(each) for each in sorted(given, key=_order)}
    # A later delivery stands for an earlier one; should two models have seen different bytes, the later bytes count.
    bytes_of = {_version(each): each["etag"] for each in given if _order(each) == newest[_version(each)]}
    chosen = {
        (*_version(each), each["model"], each["model_digest"]): each
        for each in given
        if (_order(each), each["etag"]) == (newest[_version(each)], bytes_of[_version(each)])
    }
    numbered = {name: position for position, name in enumerate(chosen)}
    return Prepared(
        rows=[each | {"position": numbered[name]} for name, each in chosen.items()],
        positions=[
            numbered[*_version(each), each["model"], each["model_digest"]]
            if (_order(each), each["etag"]) == (newest[_version(each)], bytes_of[_version(each)])
            else None
            for each in given
        ],
    )


def row(outcome: Outcome) -> dict[str, Any]:
    """The columns of one outcome. Raises `BadRequest` for what no database could hold."""
    event, picture = outcome.event, outcome.picture
    best = outcome.classifications[0] if outcome.classifications else None
    deleted = outcome.status == "deleted"
    return {
        "bucket": event.bucket,
        "key": _check_key(event.key),
        "version_id": event.version_id or "",
        "sequencer": pad_sequencer(event.sequencer),
        "finality": (DELETE_MARKER if event.delete_marker else REMOVED) if deleted else PRESENT,
        "etag": "" if deleted else event.etag or "",
        "size": picture.size if picture.size is not None else event.size,
        "event_time": moment(event.event_time),
        "model": outcome.model.name,
        "model_digest": outcome.model.digest,
        "status": outcome.status,
        "label": best and best.label,
        "probability": best and best.probability,
        "labels": [
            {"label": each.label, "className": each.class_name, "index": each.index, "probability": each.probability}
            for each in outcome.classifications
        ],
        "reason": outcome.reason,
        "detail": outcome.detail,
        "sha256": picture.sha256,
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "receipt": outcome.receipt,
        "revision": event.revision or "",
        **(_dump_embedding(outcome.embedding) if outcome.embedding else {}),
    }


def _dump_embedding(embedding: Embedding) -> dict[str, Any]:
    return {
        "backbone": embedding.backbone,
        "numbers": base64.b64encode(embedding.values).decode(),
        "scale": embedding.scale,
        "zero_point": embedding.zero_point,
        "signature": signature(embedding.values),
    }


def signature(numbers: bytes) -> str:
    """A bit a number, whether it is above their mean: pictures that are alike differ in few."""
    mean = sum(numbers) / max(1, len(numbers))
    return numbers.translate(bytes(48 + (level > mean) for level in range(256))).decode()


def pad_sequencer(sequencer: str | None) -> str:
    """A sequencer such that the order of text is the order of numbers; empty for none."""
    if not sequencer:
        return ""
    if not re.fullmatch(rf"[0-9A-Fa-f]{{1,{SEQUENCER_DIGITS}}}", str(sequencer)):
        raise BadRequest("outcome: sequencer: expected hexadecimal digits")
    return sequencer.lower().zfill(SEQUENCER_DIGITS)


def moment(text: str | None) -> str | None:
    """An event's time as Postgres reads it. None if it is none: a time is no reason to lose a row."""
    try:
        found = datetime.fromisoformat(text or "")
    except (ValueError, TypeError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def as_json(each: Sequence[Mapping[str, Any]]) -> str:
    """Rows as JSON that Postgres takes: it has no text with NUL or half a surrogate pair. Raises `BadRequest`."""
    try:
        dumped = json.dumps(each, allow_nan=False)
    except (ValueError, TypeError):
        raise BadRequest("outcomes: not JSON") from None
    if "\\u0000" in dumped or "\\ud" in dumped:
        dumped = json.dumps(_clean(each), allow_nan=False)
    return dumped


def _version(each: Mapping[str, Any]) -> tuple[str, str, str]:
    return each["bucket"], each["key"], each["version_id"]


def _order(each: Mapping[str, Any]) -> tuple[bool, str, int]:
    """What was seen in the object store comes after what only was not there to be seen."""
    return each["reason"] not in SUPERSEDED, each["sequencer"], each["finality"]


def _check_key(key: object) -> str:
    if not isinstance(key, str) or "\0" in key:
        raise BadRequest("outcome: key: expected text without NUL")
    try:
        size = len(key.encode())
    except UnicodeError:
        raise BadRequest("outcome: key: not UTF-8") from None
    if not 1 <= size <= LIMIT_KEY_BYTES:
        raise BadRequest(f"outcome: key: {size} bytes, expected 1 to {LIMIT_KEY_BYTES}")
    return key


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return make_storable(value)
    if isinstance(value, Mapping):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each) for each in value]
    return value
