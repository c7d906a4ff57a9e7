"""Files that mean harm end in the outcome that is written down for each, in a process that lives and stays small."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.data import hostile
from tests.data.hostile_events import EVENTS
from tests.fixtures.minio import RunningMinio

TABLE = Path(hostile.__file__).with_suffix(".toml")

# The smallest container OpenWhisk sells, in KiB as the kernel tells the peak.
LIMIT_PEAK = 128 * 1024

CONTAINER = textwrap.dedent("""
    import json, re, sys
    from actions.classify.__main__ import main, preload
    preload()
    for line in sys.stdin:
        sys.stdout.write("result " + json.dumps(main(json.loads(line))) + "\\n")
    print("peak", re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
""")


@dataclass(frozen=True, slots=True)
class Lived:
    """What a container answered, activation by activation, and the most memory it ever held, in KiB."""

    results: list[dict[str, Any]]
    peak: int


@dataclass(frozen=True, slots=True)
class Container:
    """A process as the runtime would keep one, with an environment of its own."""

    environment: Mapping[str, str]

    def run(self, activations: list[dict[str, Any]]) -> Lived:
        """Run one activation after the other; the process must survive them all."""
        ran = subprocess.run(
            [sys.executable, "-c", CONTAINER],
            input="".join(json.dumps(each) + "\n" for each in activations),
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=True,
        )
        lines = ran.stdout.splitlines()
        results = [json.loads(line.removeprefix("result ")) for line in lines if line.startswith("result ")]
        return Lived(results, int(lines[-1].removeprefix("peak ")))


@pytest.fixture(scope="module")
def container(minio: RunningMinio, model_directory: Path) -> Container:
    return Container(
        {
            "AWS_ENDPOINT_URL_S3": minio.endpoint,
            "AWS_ACCESS_KEY_ID": minio.access_key,
            "AWS_SECRET_ACCESS_KEY": minio.secret_key,
            "PIXWHISK_MODEL": str(model_directory),
        }
    )


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


def test_every_hostile_file_ends_as_written_down(minio: RunningMinio, bucket: str, container: Container) -> None:
    """Each of them, one by one and in batches, has its typed outcome; the process lives within 128 MB."""
    expected = tomllib.loads(TABLE.read_text())
    every = records(minio, bucket)
    assert len(every) >= 100
    one_by_one = container.run([{"Records": [each]} for each in every])
    in_batches = container.run([{"Records": every[start : start + 50]} for start in range(0, len(every), 50)])
    assert became(one_by_one) == expected
    assert became(in_batches) == expected
    assert one_by_one.peak < LIMIT_PEAK
    assert in_batches.peak < LIMIT_PEAK


def test_every_hostile_event_ends_as_written_down(container: Container) -> None:
    """Each of them is an outcome or a typed refusal, and no container dies of any."""
    lived = container.run([event for _, event, _ in EVENTS])
    assert {name: outcome(result) for (name, _, _), result in zip(EVENTS, lived.results, strict=True)} == {
        name: expected for name, _, expected in EVENTS
    }
    assert lived.peak < LIMIT_PEAK


def outcome(result: dict[str, Any]) -> list[str]:
    """What an activation came to: its error's code, or what became of its records, each kind once."""
    if "error" in result:
        return [result["error"]["code"]]
    return sorted({each.get("reason") or each["status"] for each in result["outcomes"]})
