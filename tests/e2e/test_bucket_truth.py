"""What object stores do every day and events do not tell rightly: in the end the rows are what the bucket holds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from skimage import data as samples

from tests.fixtures.clock import Clock, go_by
from tests.fixtures.deployment import Deployment, eventually
from tests.fixtures.lifecycle import set_rule

PICTURES = [(Path(samples.__file__).parent / name).read_bytes() for name in ("coffee.png", "chelsea.png")]
KEYS = ("a.png", "b/c d.png")


@dataclass
class Bucket:
    """A bucket that the deployment listens to, with a client that goes by the clock."""

    deployment: Deployment
    name: str
    s3: Any
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        go_by(self.s3, self.clock)

    @contextmanager
    def forcing(self) -> Iterator[None]:
        """What is deleted inside goes with everything that begins so."""

        def force(request: Any, **_: Any) -> None:
            request.headers.add_header("x-minio-force-delete", "true")

        self.s3.meta.events.register("before-sign.s3.DeleteObject", force, unique_id="force")
        try:
            yield
        finally:
            self.s3.meta.events.unregister("before-sign.s3.DeleteObject", unique_id="force")

    def audit(self, *flags: str) -> dict[str, Any]:
        done = self.deployment.pixwhisk("audit", "--bucket", self.name, "--grace", "0", "--json", *flags, check=False)
        assert done.returncode in (0, 1), done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def mended(self) -> bool:
        """Whether a repair finds nothing any more."""
        return bool(self.audit("--repair")["clean"])

    def current(self) -> set[tuple[str, str]]:
        rows = self.deployment.query("SELECT key, etag FROM current_results WHERE bucket = %s", self.name)
        return {(row["key"], row["etag"]) for row in rows}

    def live(self) -> set[tuple[str, str]]:
        listed = self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {(each["Key"], each["ETag"].strip('"')) for each in listed}


@contextmanager
def subscribed(deployment: Deployment, *, versioned: bool) -> Iterator[Bucket]:
    """A new bucket with the deployment's own subscription."""
    s3, name = deployment.s3(), f"truth-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    document = s3.get_bucket_notification_configuration(Bucket=deployment.bucket)
    queues = {"QueueConfigurations": document["QueueConfigurations"]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=queues)
    yield Bucket(deployment, name, s3)


Step = tuple[str, str, int, int]
steps = st.tuples(
    st.sampled_from(["put", "put", "delete"]), st.sampled_from(KEYS), st.integers(0, 1), st.sampled_from([0, 1, 500])
)


@pytest.mark.parametrize("versioned", [False, True])
def test_a_repair_settles_any_history(deployment: Deployment, versioned: bool) -> None:
    """Whatever was put and deleted, by whatever clock, seen or unseen: the audit is clean after a repair or two, and
    each live key has the row of its very bytes.
    """

    @settings(max_examples=4, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
    @given(history=st.lists(steps, min_size=4, max_size=10))
    def settle(history: Sequence[Step]) -> None:
        with subscribed(deployment, versioned=versioned) as bucket:
            for action, key, picture, days in history:
                with bucket.clock.wrong(-timedelta(days=days)):
                    if action == "put":
                        bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=PICTURES[picture])
                    else:
                        bucket.s3.delete_object(Bucket=bucket.name, Key=key)
            eventually(bucket.mended, f"a clean audit after {history}", within=90)
            if not versioned:
                assert bucket.current() == bucket.live()

    settle()


def test_a_clock_that_was_put_back_hides_nothing(deployment: Deployment) -> None:
    """A newer overwrite and a newer delete with older times reach the rows by the sweep alone."""
    with subscribed(deployment, versioned=False) as bucket:
        for key in KEYS:
            bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=PICTURES[0])
        eventually(lambda: bucket.current() == bucket.live(), "rows")
        with bucket.clock.wrong(-timedelta(days=300)):
            bucket.s3.put_object(Bucket=bucket.name, Key=KEYS[0], Body=PICTURES[1])
            bucket.s3.delete_object(Bucket=bucket.name, Key=KEYS[1])
        eventually(lambda: bucket.current() == bucket.live() and len(bucket.current()) == 1, "the newer truth")
        eventually(lambda: bucket.audit()["clean"], "a clean audit")


@pytest.mark.parametrize("all_versions", [False, True])
def test_what_a_lifecycle_rule_expires_is_no_current_result(deployment: Deployment, all_versions: bool) -> None:
    """Whether it leaves a delete marker, whose making MinIO calls a removal, or removes all versions at once."""
    with subscribed(deployment, versioned=True) as bucket:
        with bucket.clock.wrong(-timedelta(days=30)):
            for picture in PICTURES:
                bucket.s3.put_object(Bucket=bucket.name, Key="old.png", Body=picture)
        eventually(bucket.current, "a row")
        set_rule(bucket.s3, bucket.name, all_versions=all_versions)
        with pytest.raises(bucket.s3.exceptions.ClientError):
            bucket.s3.head_object(Bucket=bucket.name, Key="old.png")  # looked at, it expires
        eventually(lambda: not bucket.current(), "no current result")
        eventually(lambda: bucket.audit()["clean"], "a clean audit")


@pytest.mark.parametrize("versioned", [False, True])
def test_what_went_with_its_prefix_is_found(deployment: Deployment, versioned: bool) -> None:
    """MinIO tells once, or not at all, of a prefix that is deleted by force with all that is below it."""
    with subscribed(deployment, versioned=versioned) as bucket:
        for key in ("p/a.png", "p/q/b.png", "c.png"):
            bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=PICTURES[0])
        eventually(lambda: len(bucket.current()) == 3, "three rows")
        with bucket.forcing():
            bucket.s3.delete_object(Bucket=bucket.name, Key="p/")
        eventually(bucket.mended, "a clean audit")
        assert {key for key, _ in bucket.current()} == {"c.png"}


def test_a_key_that_cannot_be_listed_stops_no_audit(deployment: Deployment) -> None:
    """`a/__XLDIR__` is told of as `a//`, which no listing can be asked for; a repair sees to its row."""
    with subscribed(deployment, versioned=False) as bucket:
        bucket.s3.put_object(Bucket=bucket.name, Key="a/__XLDIR__", Body=PICTURES[0])
        bucket.s3.put_object(Bucket=bucket.name, Key="b.png", Body=PICTURES[0])
        eventually(lambda: deployment.rows("b.png", bucket.name) and deployment.rows("a//", bucket.name), "both rows")
        assert bucket.audit()["unseen"]["unlistable-name"] == 1
        eventually(bucket.mended, "a clean audit")
        assert [key for key, _ in bucket.current()] == ["b.png"]


def test_what_is_hidden_is_never_clean(deployment: Deployment) -> None:
    """While there is an object `a.png`, MinIO lists nothing below it: what a row knows of is found by its name."""
    with subscribed(deployment, versioned=False) as bucket:
        for key in ("a.png", "a.png/b.png"):
            bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=PICTURES[0])
        eventually(lambda: len(bucket.current()) == 2, "two rows")
        found = eventually(lambda: _settled(bucket.audit("--repair")), "only the hidden")
        assert [each["key"] for each in found["differences"]] == ["a.png/b.png"]
        assert (found["clean"], found["counts"]["hidden"], found["repaired"]) == (False, 1, 0)
        assert found["unseen"] == {"behind-an-object": 1, "unlistable-name": 0}
        shown = deployment.pixwhisk("audit", "--bucket", bucket.name, "--grace", "0", check=False).stdout
        assert "1 keys are there that no listing shows, for an object has the name of their folder" in shown
        assert len(bucket.current()) == 2


def _settled(found: dict[str, Any]) -> dict[str, Any] | None:
    return found if {each["finding"] for each in found["differences"]} == {"hidden"} else None


def test_a_lost_subscription_is_seen_and_restored(deployment: Deployment) -> None:
    """Another tool writes the bucket's notification document: `status` and `audit` say so, and a repair brings the
    subscription back as well as what was not told of meanwhile.
    """
    s3 = deployment.s3()
    s3.put_bucket_notification_configuration(Bucket=deployment.bucket, NotificationConfiguration={})
    s3.put_object(Bucket=deployment.bucket, Key="untold.png", Body=PICTURES[0])
    status = deployment.pixwhisk("status", "--json", check=False)
    assert status.returncode == 1
    assert "not subscribed" in json.loads(status.stdout)["subscription"]
    bucket = Bucket(deployment, deployment.bucket, s3)
    found = bucket.audit("--repair")
    assert found["clean"] is False
    assert "not subscribed" in found["subscription"]
    eventually(lambda: deployment.rows("untold.png"), "a row")
    assert json.loads(deployment.pixwhisk("status", "--json").stdout)["subscription"] == "ok"
    s3.put_object(Bucket=deployment.bucket, Key="told.png", Body=PICTURES[0])
    eventually(lambda: deployment.rows("told.png"), "a row by its event")
    eventually(lambda: bucket.audit()["clean"], "a clean audit")
