"""What audits found is kept: how long ago all was well is seen before anybody asks the bucket again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from skimage import data as samples

from tests.fixtures.deployment import PIXWHISK, Deployment, eventually, pixwhisk, start

COFFEE = (Path(samples.__file__).parent / "coffee.png").read_bytes()


@pytest.fixture(scope="module")
def fresh() -> Iterator[Deployment]:
    """One that nobody has audited, and that audits itself every few seconds."""
    data = Path(tempfile.mkdtemp(prefix="px-"))
    yield start(data, "--audit-every", "3s")
    pixwhisk("down", "--data", str(data))
    shutil.rmtree(data, ignore_errors=True)


def status(deployment: Deployment, *flags: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(deployment.pixwhisk("status", "--json", *flags, check=False).stdout)
    return found


def audits(deployment: Deployment) -> list[dict[str, Any]]:
    return deployment.query("SELECT * FROM audits ORDER BY id")


def test_it_audits_itself(fresh: Deployment) -> None:
    """Again and again, each in a process of its own; `status` says how long ago it was clean, and since when the
    subscription is as it should be.
    """
    fresh.s3().put_object(Bucket=fresh.bucket, Key="a.png", Body=COFFEE)
    eventually(lambda: fresh.rows("a.png"), "a row")
    eventually(lambda: len([each for each in audits(fresh) if each["versions"] == 1]) >= 2, "two audits of it")
    found = status(fresh)
    assert found["audit"]["clean"] is True
    assert found["audit"]["clean_seconds_ago"] < 120
    assert datetime.fromisoformat(found["audit"]["subscribed_since"]).tzinfo
    assert "  audited     clean " in fresh.pixwhisk("status").stdout
    assert json.loads((fresh.data / "deployment.json").read_text())["audit_every"] == "3s"


def test_a_difference_is_seen_in_status(fresh: Deployment) -> None:
    """With what mends it; and, where a limit is given, a clean audit too long ago is no health."""
    s3 = fresh.s3()
    document = s3.get_bucket_notification_configuration(Bucket=fresh.bucket)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=fresh.bucket, NotificationConfiguration={})
    s3.put_object(Bucket=fresh.bucket, Key="untold.png", Body=COFFEE)
    found = eventually(lambda: _differing(fresh), "an audit that differs")
    assert found["counts"]["missing"] == 1
    assert found["subscribed_since"] is None
    assert "1 missing differed" in fresh.pixwhisk("status", check=False).stdout
    fresh.pixwhisk("audit", "--repair", "--grace", "0", check=False)
    eventually(lambda: status(fresh)["audit"]["clean"], "a clean audit")
    again = s3.get_bucket_notification_configuration(Bucket=fresh.bucket)["QueueConfigurations"]
    assert {each["QueueArn"] for each in again} == {each["QueueArn"] for each in document}
    assert status(fresh, "--audited-within", "1h")["healthy"] is True
    fresh.query("UPDATE audits SET ended_at = ended_at - interval '3 hours' WHERE clean RETURNING 1")
    # It may just have audited itself again.
    late = eventually(lambda: _overdue(fresh), "an audit that is too long ago")
    assert late["healthy"] is False


def _overdue(deployment: Deployment) -> dict[str, Any] | None:
    found = status(deployment, "--audited-within", "1s")
    return found if found["audit"]["overdue"] else None


def _differing(deployment: Deployment) -> dict[str, Any] | None:
    found: dict[str, Any] = status(deployment)["audit"]
    return found if found["clean"] is False else None


def test_an_audit_of_a_part_proves_nothing_of_the_whole(fresh: Deployment) -> None:
    """It is kept, and not what `status` shows."""
    fresh.pixwhisk("audit", "--prefix", "none/", "--grace", "0")
    (found,) = [each for each in audits(fresh) if each["prefix"] == "none/"]
    assert (found["complete"], found["clean"], found["versions"]) == (False, True, 0)


def test_of_what_nobody_is_told_of_an_audit_says_nothing(fresh: Deployment) -> None:
    """A bucket that is subscribed with a prefix is audited by it, and is well when that is; all of it when asked."""
    s3 = fresh.s3()
    document = s3.get_bucket_notification_configuration(Bucket=fresh.bucket)["QueueConfigurations"]
    rules = [{"Name": "prefix", "Value": "in/"}]
    narrow = [{**each, "Filter": {"Key": {"FilterRules": rules}}} for each in document]
    set_document = s3.put_bucket_notification_configuration
    set_document(Bucket=fresh.bucket, NotificationConfiguration={"QueueConfigurations": narrow})
    s3.put_object(Bucket=fresh.bucket, Key="out/b.png", Body=COFFEE)
    found = json.loads(fresh.pixwhisk("audit", "--grace", "0", "--json").stdout)
    assert (found["prefix"], found["clean"]) == ("in/", True)
    assert audits(fresh)[-1]["complete"] is True
    everything = fresh.pixwhisk("audit", "--grace", "0", "--json", "--prefix", "", check=False)
    assert json.loads(everything.stdout)["counts"]["missing"] == 1
    set_document(Bucket=fresh.bucket, NotificationConfiguration={"QueueConfigurations": document})
    fresh.pixwhisk("audit", "--repair", "--grace", "0", check=False)
    eventually(lambda: fresh.rows("out/b.png"), "a row")


def test_every_so_long_it_audits_until_it_is_told_to_end(deployment: Deployment) -> None:
    """At once where there was none lately; Ctrl-C ends it, and what it has begun."""
    deployment.query("DELETE FROM audits RETURNING 1")
    command = [PIXWHISK, "audit", "--every", "1s", "--grace", "0", "--data", str(deployment.data)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ}) as watching:
        eventually(lambda: len(audits(deployment)) >= 2, "two audits")
        watching.terminate()
        assert watching.wait(timeout=30) == 0
    named = [each for each in psutil.process_iter(["cmdline"]) if command[1:] == (each.info["cmdline"] or [])[-7:]]
    assert named == []


@pytest.mark.parametrize("wrong", ["0s", "soon", "-1h"])
def test_what_is_no_length_of_time_is_refused(deployment: Deployment, wrong: str) -> None:
    """With what would be one."""
    for arguments in (("audit", f"--every={wrong}"), ("up", f"--audit-every={wrong}")):
        refused = deployment.pixwhisk(*arguments, check=False)
        assert refused.returncode == 2
        assert "1h" in refused.stderr
