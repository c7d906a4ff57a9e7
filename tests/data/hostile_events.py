"""Events that mean harm, or look as if they did, each with what it comes to."""

from __future__ import annotations

from typing import Any

Event = tuple[str, dict[str, Any], list[str]]


def record(
    key: str, bucket: str = "no-such-bucket", event: str = "s3:ObjectCreated:Put", **more: Any
) -> dict[str, Any]:
    return {"eventName": event, "s3": {"bucket": {"name": bucket}, "object": {"key": key, **more}}}


def without(*path: str) -> dict[str, Any]:
    """A good record that lacks one field."""
    good = record("k")
    target = good
    for name in path[:-1]:
        target = target[name]
    del target[path[-1]]
    return good


def nested(depth: int) -> Any:
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


def _bad_records() -> list[tuple[str, Any]]:
    return [
        ("null", None),
        ("number", 7),
        ("text", "record"),
        ("list", []),
        ("empty", {}),
        ("no-name", without("eventName")),
        ("no-s3", without("s3")),
        ("no-bucket", without("s3", "bucket")),
        ("no-bucket-name", without("s3", "bucket", "name")),
        ("no-object", without("s3", "object")),
        ("no-key", without("s3", "object", "key")),
        ("name-is-a-number", record("k") | {"eventName": 3}),
        ("s3-is-text", record("k") | {"s3": "images/k"}),
        ("key-is-a-number", record(7)),  # type: ignore[arg-type]
        ("key-is-empty", record("")),
        ("key-of-2000-bytes", record("k" * 2000)),
        ("key-of-a-megabyte", record("k" * 900_000)),
        ("key-holds-nul", record("a%00b")),
        ("key-holds-plain-nul", record("a\0b")),
        ("key-holds-half-a-character", record("\ud800")),
        ("key-holds-escaped-half-a-character", record("%ED%A0%80")),
        ("key-is-not-utf-8", record("%FF%FE")),
        ("key-escape-is-cut-off", record("%E6%97")),
        ("bucket-is-a-path", record("k", "../../etc")),
        ("bucket-is-an-address", record("k", "http://elsewhere/")),
        ("bucket-is-empty", record("k", "")),
        ("bucket-holds-nul", record("k", "a\0b")),
        ("bucket-holds-a-line", record("k", "a\r\nHost: b")),
        ("size-is-negative", record("k", size=-1)),
        ("size-is-beyond-all", record("k", size=2**63)),
        ("size-is-text", record("k", size="7")),
        ("size-is-true", record("k", size=True)),
        ("etag-is-a-list", record("k", eTag=["x"])),
        ("etag-holds-a-line", record("k", eTag='x"\r\nX-Evil: 1')),
        ("sequencer-is-no-number", record("k", sequencer="not hex")),
        ("sequencer-is-signed", record("k", sequencer="-1F")),
        ("sequencer-is-long", record("k", sequencer="F" * 33)),
        ("version-is-a-path", record("k", versionId="../../x")),
        ("version-holds-a-query", record("k", versionId="x&acl")),
        ("version-is-a-number", record("k", versionId=7)),
        ("time-is-a-number", record("k") | {"eventTime": 7}),
        ("time-is-unprintable", record("k") | {"eventTime": "\x1b[2J"}),
    ]


def _odd_keys() -> list[tuple[str, str]]:
    """Keys that look dangerous and are nothing but names."""
    return [
        ("sql", "'%3B+DROP+TABLE+outcomes%3B--"),
        ("html", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
        ("path", "..%2F..%2Fetc%2Fpasswd"),
        ("absolute-path", "%2Fetc%2Fpasswd"),
        ("format", "%25s%25n%7B0%7D%7B%7D"),
        ("shell", "%24(reboot)%60reboot%60"),
        ("percent-without-digits", "100%"),
        ("percent-with-other-letters", "%zz"),
        ("line-breaks", "a%0D%0AHost%3A+elsewhere"),
        ("escape-sequence", "%1B%5B2J"),
        ("right-to-left", "%E2%80%AEgpj.exe"),
        ("log-forgery", "x%0Arecord%3A+%22images%2Fy%22+classified"),
        ("of-1024-bytes", "k" * 1024),
        ("spaces-only", "+++"),
    ]


EVENTS: list[Event] = [
    *((f"record-{name}", {"Records": [value]}, ["bad-event"]) for name, value in _bad_records()),
    *((f"key-{name}", {"Records": [record(key)]}, ["object-gone"]) for name, key in _odd_keys()),
    *(
        (f"removed-{name}", {"Records": [record(key, event="s3:ObjectRemoved:Delete")]}, ["deleted"])
        for name, key in _odd_keys()
    ),
    ("nothing", {}, ["bad-request"]),
    ("records-null", {"Records": None}, ["bad-request"]),
    ("records-text", {"Records": "x"}, ["bad-request"]),
    ("records-object", {"Records": {"0": record("k")}}, ["bad-request"]),
    ("records-none", {"Records": []}, []),
    ("records-nested-500-deep", {"Records": nested(500)}, ["bad-event"]),
    ("field-nested-500-deep", {"Records": [record("k") | {"s3": nested(500)}]}, ["bad-event"]),
    ("records-of-another-kind", {"Records": [record("k", event="s3:ObjectAccessed:Get")]}, []),
    ("unknown-fields", {"Records": [record("k", unknown=nested(50)) | {"more": nested(50)}]}, ["object-gone"]),
    ("image-and-records", {"image": "AAAA", "Records": []}, ["bad-request"]),
    ("image-of-a-megabyte-of-zeros", {"image": "AAAA" * 250_000}, ["unsupported-format"]),
    ("image-is-nested", {"image": nested(500)}, ["bad-request"]),
    ("image-claims-a-data-url", {"image": "data:" + "x" * 900_000}, ["bad-request"]),
    ("topk-huge", {"image": "AAAA", "topk": 10**30}, ["bad-request"]),
    (
        "settings-in-the-payload",
        {"image": "AAAA", "PIXWHISK_MODEL": "/etc", "LIMIT_PIXELS": "1"},
        ["unsupported-format"],
    ),
    ("settings-of-the-wrong-kind", {"image": "AAAA", "LIMIT_BYTES": [1]}, ["bad-settings"]),
    ("5000-removals", {"Records": [record(f"{n}", event="s3:ObjectRemoved:Delete") for n in range(5000)]}, ["deleted"]),
    ("2000-broken-records", {"Records": [{}] * 2000}, ["bad-event"]),
    ("300-missing-objects", {"Records": [record(f"{n}") for n in range(300)]}, ["object-gone"]),
]
