"""After the faults: bucket, rows and promises compared, and everything known about each object that is wrong."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e.faults.stage import Stage
from tests.e2e.faults.truth import Listed, Name, Operation, Truth, broken_promises, ever_there
from tests.fixtures.deployment import Deployment

Row = Mapping[str, Any]

ROWS = """
SELECT objects.bucket, objects.key, objects.version_id, objects.etag, finality, status, label, reason, outcomes.sha256,
       models.name AS model
FROM objects LEFT JOIN outcomes ON outcomes.object_id = objects.id LEFT JOIN models ON models.id = model_id
WHERE objects.bucket = ANY(%s)
"""
LANES = """
SELECT CASE WHEN lane <> 'journal' THEN lane
            WHEN claim IS NULL THEN 'event' ELSE 'sweep' END AS lane, count(*)
FROM inbox WHERE state = 'settled' AND kind <> 'ignored' GROUP BY 1
"""


@dataclass(frozen=True)
class Wrong:
    """One thing that is not as it should be."""

    name: Name
    version: str
    what: str


def judge(stage: Stage, truth: Truth, buckets: Sequence[str]) -> list[Wrong]:
    """Everything that is wrong; nothing, if all is well."""
    listed = [entry for bucket in buckets for entry in listing(stage.deployment, bucket)]
    rows = stage.deployment.query(ROWS, list(buckets))
    broken = [Wrong(name, "", f"broken promise: {what}") for name, what in broken_promises(truth, listed)]
    models = stage.model_names()
    return [
        *broken,
        *wrong_rows(truth, listed, rows, models, untold_names(stage, truth)),
        *wrong_current(stage.deployment, listed, buckets, models),
    ]


def listing(deployment: Deployment, bucket: str) -> Iterator[Listed]:
    """All versions and markers, by an ordinary client."""
    pages = deployment.s3().get_paginator("list_object_versions").paginate(Bucket=bucket)
    for page in pages:
        for marker, entries in ((False, page.get("Versions", [])), (True, page.get("DeleteMarkers", []))):
            for entry in entries:
                version = "" if entry["VersionId"] == "null" else entry["VersionId"]
                etag = entry.get("ETag", "").strip('"')
                yield Listed(bucket, entry["Key"], version, etag, marker, entry["IsLatest"])


def untold_names(stage: Stage, truth: Truth) -> set[Name]:
    """Of whose changes MinIO was to tell nobody, as its bucket was not subscribed then."""
    return truth.untold(stage.deployment.bucket, stage.untold)


def wrong_rows(
    truth: Truth,
    listed: Sequence[Listed],
    rows: Sequence[Row],
    models: Sequence[str],
    untold: Container[Name] = frozenset(),
) -> Iterator[Wrong]:
    """Objects without exactly one right outcome by each model, and rows about what is not there. Of what is `untold` no
    row is wanted once it is gone.
    """
    found: dict[tuple[Name, str], list[Row]] = defaultdict(list)
    for row in rows:
        found[(row["bucket"], row["key"]), row["version_id"]].append(row)
    here = {((entry.bucket, entry.key), entry.version): entry for entry in listed}
    for (name, version), entry in here.items():
        outcomes = [row for row in found[name, version] if row["status"]]
        if Counter(row["model"] for row in outcomes) != Counter(models):
            yield Wrong(name, version, f"outcomes by {[row['model'] for row in outcomes]} instead of {models}")
        yield from (Wrong(name, version, fault) for row in outcomes if (fault := _fault(truth, entry, row)))
    gone = Counter((model, "deleted", 2) for model in models)
    for (name, version), outcomes in found.items():
        said = Counter((row["model"], row["status"], row["finality"]) for row in outcomes)
        if (name, version) not in here and said != gone:
            yield Wrong(name, version, "it is gone, and its row does not say so")
    unnoticed = _never_noticed(truth, listed, {thing for thing, rows in found.items() if rows})
    yield from (wrong for wrong in unnoticed if wrong.name not in untold)


def wrong_current(
    deployment: Deployment, listed: Iterable[Listed], buckets: Sequence[str], models: Sequence[str]
) -> Iterator[Wrong]:
    """Keys about which `current_results` does not say what a GET would find."""
    shown = "SELECT bucket, key, etag, model FROM current_results WHERE bucket = ANY(%s)"
    current = Counter(tuple(row.values()) for row in deployment.query(shown, list(buckets)))
    latest = [entry for entry in listed if entry.latest and not entry.marker]
    live = Counter((entry.bucket, entry.key, entry.etag, model) for entry in latest for model in models)
    for bucket, key, etag, model in current - live:
        yield Wrong((bucket, key), "", f"current_results shows {etag} by {model}, a GET does not")
    for bucket, key, etag, model in live - current:
        yield Wrong((bucket, key), "", f"current_results does not show {etag} by {model}")


def _fault(truth: Truth, entry: Listed, row: Row) -> str | None:
    """What is wrong with the one row about this entry."""
    if entry.marker:
        return None if (row["status"], row["finality"]) == ("deleted", 1) else "a delete marker's row does not say so"
    expected = truth.expected.get(entry.etag)
    if expected is None:
        return f"nobody uploaded bytes with ETag {entry.etag}"
    said = (row["etag"], row["status"], row["label"] or row["reason"], row["sha256"], row["finality"])
    wanted = (entry.etag, expected.status, expected.by(row["model"]), expected.sha256, 0)
    return None if said == wanted else f"the row says {said}, right is {wanted}"


def _never_noticed(truth: Truth, listed: Sequence[Listed], known: set[tuple[Name, str]]) -> Iterator[Wrong]:
    """What came and went, acknowledged, without leaving a row."""
    here: dict[Name, list[Listed]] = defaultdict(list)
    for entry in listed:
        here[entry.bucket, entry.key].append(entry)
    for name, operations in truth.operations.items():
        for version, words in ever_there(operations, here[name]).items():
            if (name, version) not in known and words != "is there":
                yield Wrong(name, version, f"it {words}, and there is no row")


def lanes(stage: Stage) -> dict[str, int]:
    """How many events were settled by whom. The journal comes last: what it finds done, a hook has done."""
    return {row["lane"]: row["count"] for row in stage.deployment.query(LANES)}


def history(stage: Stage, truth: Truth, wrong: Wrong) -> str:
    """All that is known about the key of what is wrong: for people."""
    bucket, key = wrong.name
    query = stage.deployment.query
    about = "WHERE bucket = %s AND key = %s"
    parts: dict[str, Sequence[object]] = {
        "operations": [_plain(each) for each in truth.operations[wrong.name]],
        "listing": [entry for entry in listing(stage.deployment, bucket) if entry.key == key],
        "objects": query(f"SELECT * FROM objects {about}", bucket, key),
        "outcomes": query(
            "SELECT outcomes.* FROM outcomes JOIN objects ON objects.id = object_id"
            " WHERE objects.bucket = %s AND objects.key = %s",
            bucket,
            key,
        ),
        "inbox": query(f"SELECT * FROM inbox {about} ORDER BY id", bucket, key),
    }
    lines = [f"{key!r} in {bucket}, version {wrong.version or 'none'}: {wrong.what}"]
    for title, entries in parts.items():
        lines += [f"  {title}:", *(f"    {_line(entry)}" for entry in entries)]
    return "\n".join(lines)


def _plain(operation: Operation) -> str:
    answer = "refused" if operation.refused else "in doubt" if operation.doubtful else f"until {operation.ended:.3f}"
    what = f"{operation.kind} etag={operation.etag} version={operation.version}"
    return f"{what} from {operation.began:.3f} {answer}"


def _line(entry: object) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    short = {name: value for name, value in entry.items() if name not in ("labels", "receipt") and value is not None}
    return json.dumps(short, default=str)[:1500]
