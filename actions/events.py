"""MinIO's event JSON → `ObjectEvent`s: pure, and the only place that knows the event's shape.

Also read here, because they differ only in detail: RustFS (same JSON), AWS S3 (no `s3:` prefix in `eventName`)
and Ceph RGW (keys not escaped).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote_plus

from actions.errors import BadEvent

# Exact names: `s3:ObjectCreated:*` would include tagging, retention and legal hold, which change no byte of the object.
CREATED = ("Put", "Post", "Copy", "CompleteMultipartUpload")
# By whomever: a client, or a lifecycle rule. Which of them it was, and at which end of a delete marker, is no matter of
# names, which MinIO uses loosely; the store is asked.
REMOVED = (
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "ObjectRemoved:DeleteAllVersions",
    "LifecycleDelMarkerExpiration:Delete",
)
SUBSCRIBED = tuple([f"s3:ObjectCreated:{name}" for name in CREATED] + [f"s3:{name}" for name in REMOVED])
# AWS S3's names for what a lifecycle rule removes.
REMOVED_ELSEWHERE = ("LifecycleExpiration:Delete", "LifecycleExpiration:DeleteMarkerCreated")

# S3's own ceiling for a key, in bytes of UTF-8.
LIMIT_KEY_BYTES = 1024

Kind = Literal["created", "removed", "ignored"]


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """One thing that happened to one object version.

    `key` is the raw key, unescaped. `version_id` is None in a bucket without versioning. `sequencer` orders events of
    one key (compare with `sequence_number`); it is None where the caller named an object without an event. `etag` and
    `size` are None on removals and where the caller gave none. `revision` is which row about the version was stored
    when a sweep took the event up; None elsewhere.
    """

    kind: Kind
    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sequencer: str | None = None
    event_time: str | None = None
    delete_marker: bool = False
    revision: str | None = None


def sequence_number(sequencer: str | None) -> int:
    """A sequencer as a number (MinIO: modification time in ns); -1 for none, which loses against any."""
    return int(sequencer, 16) if sequencer else -1


def parse_record(record: object) -> ObjectEvent:
    """One element of `Records`. Raises `BadEvent` naming the first field that is missing or of the wrong type."""
    if not isinstance(record, Mapping):
        raise BadEvent("record: expected an object")
    name = _text(record, "eventName").removeprefix("s3:")
    s3 = _object(record, "s3")
    described = _object(s3, "object", path="s3.object")
    escaped = not str(record.get("eventSource", "")).startswith("ceph:")
    key = _check_key(_text(described, "key", path="s3.object.key"), escaped=escaped)
    kind = _kind(name)
    return ObjectEvent(
        kind="ignored" if kind == "created" and is_folder_marker(key, described.get("size")) else kind,
        bucket=_check_bucket(_text(_object(s3, "bucket", path="s3.bucket"), "name", path="s3.bucket.name")),
        key=key,
        version_id=version_id(described.get("versionId")),
        etag=_optional_text(described, "eTag", path="s3.object.eTag"),
        size=_optional_size(described),
        sequencer=_check_sequencer(described.get("sequencer")),
        event_time=_optional_text(record, "eventTime", path="eventTime"),
        delete_marker=name == "ObjectRemoved:DeleteMarkerCreated",
        revision=_optional_text(record, "revision", path="revision"),
    )


def is_folder_marker(key: str, size: object) -> bool:
    """Whether this is what consoles make of an empty folder: a name that ends in `/`, and no bytes.

    MinIO's events leave a size of 0 out.
    """
    return key.endswith("/") and size in (None, 0)


def read_named_object(bucket: object, key: object, version: object = None) -> ObjectEvent:
    """The event a caller means who names an object instead of sending one: `{bucket, key[, versionId]}`."""
    if not isinstance(bucket, str):
        raise BadEvent("bucket: expected text")
    if not isinstance(key, str):
        raise BadEvent("key: expected text")
    return ObjectEvent("created", _check_bucket(bucket), _check_key(key, escaped=False), version_id(version))


def version_id(value: object) -> str | None:
    """A version as S3 means it: absent, empty and the word `null` are all "no version"."""
    if value is None or value in ("", "null"):
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,128}", value, re.ASCII):
        raise BadEvent("versionId: expected up to 128 letters, digits, '.', '_' or '-'")
    return value


def _kind(name: str) -> Kind:
    group, _, detail = name.partition(":")
    if group == "ObjectCreated" and detail in CREATED:
        return "created"
    if name in REMOVED or name in REMOVED_ELSEWHERE:
        return "removed"
    return "ignored"


def _check_bucket(name: str) -> str:
    # Looser than S3's rule on purpose: it keeps paths and control characters out; the store knows which buckets exist.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,254}", name, re.ASCII):
        raise BadEvent("bucket: not a bucket's name")
    return name


def _check_key(text: str, *, escaped: bool) -> str:
    try:
        key = unquote_plus(text, errors="strict") if escaped else text
        size = len(key.encode())
    except UnicodeError:
        raise BadEvent("key: not UTF-8") from None
    if not 1 <= size <= LIMIT_KEY_BYTES:
        raise BadEvent(f"key: {size} bytes, expected 1 to {LIMIT_KEY_BYTES}")
    if "\0" in key:
        raise BadEvent("key: holds a NUL")
    return key


def _check_sequencer(value: object) -> str | None:
    if value is None or value == "":
        return None
    # 32 digits hold any known store's; Python's int() alone would also take signs, spaces and underscores.
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Fa-f]{1,32}", value):
        raise BadEvent("s3.object.sequencer: expected hexadecimal digits")
    return value


def _object(of: Mapping[str, Any], name: str, path: str | None = None) -> Mapping[str, Any]:
    value = of.get(name)
    if not isinstance(value, Mapping):
        raise BadEvent(f"{path or name}: expected an object")
    return value


def _text(of: Mapping[str, Any], name: str, path: str | None = None) -> str:
    value = of.get(name)
    if not isinstance(value, str):
        raise BadEvent(f"{path or name}: expected text")
    return value


def _optional_text(of: Mapping[str, Any], name: str, path: str) -> str | None:
    value = of.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 1024 or not value.isprintable():
        raise BadEvent(f"{path}: expected printable text")
    return value.strip('"')


def _optional_size(described: Mapping[str, Any]) -> int | None:
    value = described.get("size")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise BadEvent("s3.object.size: expected bytes")
    return value
