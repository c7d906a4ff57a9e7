"""Files that mean harm end in the outcome that is written down for each, in a process that lives and stays small."""

from __future__ import annotations

import base64
import io
import os
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from tests.data import hostile
from tests.data.hostile import photo, saved
from tests.data.hostile_events import EVENTS
from tests.fixtures.container import ClassifyContainer, Lived
from tests.fixtures.minio import RunningMinio

# What no file that is let in may take a container beyond, in MiB.
LIMIT_ACCEPTED = 112
TABLE = Path(hostile.__file__).with_suffix(".toml")

# `PIXWHISK_CASES=20000` for the long run.
CASES = int(os.environ.get("PIXWHISK_CASES", "1500"))


def records(minio: RunningMinio, bucket: str) -> list[dict[str, Any]]:
    """Every hostile file as an object, and the record that tells of it."""
    client = minio.client()
    found = []
    for name, body in hostile.cases():
        client.put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(body), length=len(body))
        described = {"key": quote_plus(name), "size": len(body), "sequencer": "1F"}
        found.append({"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": described}})
    return found


def became(lived: Lived) -> dict[str, str]:
    outcomes = [outcome for result in lived.results for outcome in result["outcomes"]]
    return {outcome["key"]: outcome.get("reason") or outcome["status"] for outcome in outcomes}


def test_every_hostile_file_ends_as_written_down(
    minio: RunningMinio, bucket: str, classify_container: ClassifyContainer
) -> None:
    """Each of them, one by one and in batches, has its typed outcome; the process lives within 112 MB."""
    expected = tomllib.loads(TABLE.read_text())
    every = records(minio, bucket)
    assert len(every) >= 100
    one_by_one = classify_container.run({"Records": [each]} for each in every)
    in_batches = classify_container.run({"Records": every[start : start + 50]} for start in range(0, len(every), 50))
    assert became(one_by_one) == expected
    assert became(in_batches) == expected
    assert one_by_one.peak <= LIMIT_ACCEPTED
    assert in_batches.peak <= LIMIT_ACCEPTED


def test_no_damage_to_a_file_does_harm(classify_container: ClassifyContainer) -> None:
    """Whatever is changed in a file at random, it has one outcome, within 112 MB; the process lives."""
    images = (base64.b64encode(each).decode() for each in hostile.damaged(seed=1, count=CASES))
    lived = classify_container.run({"image": each} for each in images)
    outcomes = [outcome for result in lived.results for outcome in result["outcomes"]]
    assert len(outcomes) == CASES
    found = Counter(outcome.get("reason") or outcome["status"] for outcome in outcomes)
    rejected = {"corrupt-image", "empty-object", "too-many-pixels", "truncated-image", "unsupported-format"}
    assert set(found) <= {"classified", *rejected}
    assert min(found["classified"], found["corrupt-image"]) > CASES / 20
    assert lived.peak <= LIMIT_ACCEPTED


def test_what_a_refused_picture_took_is_free_at_once(classify_container: ClassifyContainer) -> None:
    """One that is cut off while 20 MB of it are decoded leaves nothing to the pictures behind it."""
    whole = saved(photo(500, 12_000), "WEBP", quality=80, method=0)
    cut = {"image": base64.b64encode(whole[: len(whole) // 2]).decode()}
    lived = classify_container.run([cut] * 5)
    (outcomes,) = zip(*(result["outcomes"] for result in lived.results), strict=True)
    assert {outcome["reason"] for outcome in outcomes} == {"truncated-image"}
    assert max(outcome["receipt"]["rssMb"] for outcome in outcomes) < lived.peak * 2**20 / 1e6 - 10


def test_every_hostile_event_ends_as_written_down(classify_container: ClassifyContainer) -> None:
    """Each of them is an outcome or a typed refusal, and no container dies of any."""
    lived = classify_container.run(event for _, event, _ in EVENTS)
    assert {name: came_to(result) for (name, _, _), result in zip(EVENTS, lived.results, strict=True)} == {
        name: expected for name, _, expected in EVENTS
    }
    assert lived.peak <= LIMIT_ACCEPTED


def came_to(result: dict[str, Any]) -> list[str]:
    """What an activation came to: its error's code, or what became of its records, each kind once."""
    if "error" in result:
        return [result["error"]["code"]]
    return sorted({each.get("reason") or each["status"] for each in result["outcomes"]})
