"""Audit, repair, backfill and replay as an operator runs them, on a bucket that no event tells of."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from skimage import data as samples

from tests.fixtures.deployment import Deployment, eventually, pixwhisk, start
from tests.fixtures.model import second_word

COFFEE = (Path(samples.__file__).parent / "coffee.png").read_bytes()
CAT = (Path(samples.__file__).parent / "chelsea.png").read_bytes()
KEYS = ["a.png", "a/b c.png", "a-b.png", "ä/+%20.png", "z" * 120 + "/" + "y" * 120]


@pytest.fixture
def silent(deployment: Deployment) -> str:
    """A versioned bucket nobody has subscribed, so that only its listing tells what is there."""
    name = f"silent-{uuid.uuid4().hex[:8]}"
    s3 = deployment.s3()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def audit(deployment: Deployment, bucket: str, *flags: str) -> dict[str, Any]:
    done = deployment.pixwhisk("audit", "--bucket", bucket, "--grace", "0", "--json", *flags, check=False)
    assert done.returncode in (0, 1), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["clean"] == (done.returncode == 0)
    return document


def findings(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["finding"], each["key"]) for each in document["differences"]}


def test_a_backfill_gives_every_old_object_its_outcome(deployment: Deployment, silent: str) -> None:
    """Before it everything is missing, after it the audit is clean and the labels are right, versions included."""
    s3 = deployment.s3()
    for key in KEYS:
        s3.put_object(Bucket=silent, Key=key, Body=COFFEE)
    s3.put_object(Bucket=silent, Key=KEYS[0], Body=CAT)
    s3.delete_object(Bucket=silent, Key=KEYS[1])
    assert findings(audit(deployment, silent)) == {("missing", key) for key in KEYS}
    deployment.pixwhisk("backfill", "--bucket", silent, "--prefix", "a", "--suffix", "b.png")
    assert findings(audit(deployment, silent)) == {("missing", key) for key in KEYS if key != "a-b.png"}
    assert audit(deployment, silent, "--prefix", "a", "--suffix", "b.png")["clean"]
    deployment.pixwhisk("backfill", "--bucket", silent)
    assert audit(deployment, silent)["differences"] == []
    lanes = json.loads(deployment.pixwhisk("status", "--json").stdout)["lanes_last_hour"]
    assert lanes["backfill"] >= len(KEYS) + 2
    rows = deployment.query("SELECT key, label FROM current_results WHERE bucket = %s", silent)
    labels = {row["key"]: row["label"] for row in rows}
    assert labels.keys() == set(KEYS) - {KEYS[1]}
    assert labels[KEYS[2]] == "espresso"
    assert labels[KEYS[0]] != "espresso"


def test_the_last_line_says_which_rows_have_no_object_any_more(deployment: Deployment) -> None:
    """Objects and rows are counted apart: fewer objects than rows is how a bucket with deletions stands."""
    name = f"plain-{uuid.uuid4().hex[:8]}"
    s3 = deployment.s3()
    s3.create_bucket(Bucket=name)
    for key in KEYS[:3]:
        s3.put_object(Bucket=name, Key=key, Body=COFFEE)
    deployment.pixwhisk("backfill", "--bucket", name)
    s3.delete_object(Bucket=name, Key=KEYS[0])
    deployment.pixwhisk("audit", "--bucket", name, "--grace", "0", "--repair", check=False)
    eventually(lambda: audit(deployment, name)["clean"], "a clean audit")
    said = deployment.pixwhisk("audit", "--bucket", name, "--grace", "0").stdout
    assert said.startswith("clean: 2 of 2 objects; 1 row about deleted ones; ")
    assert {key: audit(deployment, name)[key] for key in ("listed", "settled", "rows", "removed")} == {
        "listed": 2,
        "settled": 2,
        "rows": 3,
        "removed": 1,
    }


def test_a_repair_mends_what_events_did_not_tell(deployment: Deployment, silent: str) -> None:
    """An unseen put, delete, marker and version are found with their kind, and gone after the sweep."""
    s3 = deployment.s3()
    first = {key: s3.put_object(Bucket=silent, Key=key, Body=COFFEE)["VersionId"] for key in KEYS}
    deployment.pixwhisk("backfill", "--bucket", silent)
    s3.delete_object(Bucket=silent, Key=KEYS[0], VersionId=first[KEYS[0]])
    marker = s3.delete_object(Bucket=silent, Key=KEYS[1])["VersionId"]
    s3.put_object(Bucket=silent, Key="new.png", Body=CAT)
    found = audit(deployment, silent, "--repair")
    assert findings(found) == {("orphaned", KEYS[0]), ("missing", KEYS[1]), ("missing", "new.png")}
    assert found["repaired"] == 3
    eventually(lambda: audit(deployment, silent)["clean"], "a clean audit")
    s3.delete_object(Bucket=silent, Key=KEYS[1], VersionId=marker)
    assert findings(audit(deployment, silent, "--repair")) == {("orphaned", KEYS[1])}
    eventually(lambda: audit(deployment, silent)["clean"], "a clean audit")
    live = deployment.query("SELECT key FROM current_results WHERE bucket = %s", silent)
    assert {row["key"] for row in live} == {*KEYS[1:], "new.png"}


def test_a_second_model_speaks_about_what_was_there_and_what_comes(model_directory: Path, second_model: Path) -> None:
    """Put to use beside the first, it may speak about what the first has answered; a backfill has it do so."""
    data = Path(tempfile.mkdtemp(prefix="px-"))
    try:
        one = start(data)
        one.s3().put_object(Bucket=one.bucket, Key="old.png", Body=COFFEE)
        eventually(lambda: one.rows("old.png"), "a row")
        assert audit(one, one.bucket)["clean"]
        one.pixwhisk("down")
        both = start(data, "--model", f"{model_directory}:{second_model}")
        assert audit(both, both.bucket)["clean"]
        assert [row["model"] for row in both.rows("old.png")] == [model_directory.name]
        told = "1 objects have an outcome by a former model and none by second: `pixwhisk backfill` fills them"
        assert told in both.pixwhisk("status").stdout
        both.pixwhisk("backfill")
        both.s3().put_object(Bucket=both.bucket, Key="new.png", Body=COFFEE)
        eventually(lambda: len(both.rows("new.png")) == 2, "two rows")
        eventually(lambda: audit(both, both.bucket)["clean"], "a clean audit")
        current = both.query("SELECT key, label FROM current_results")
        words = ("espresso", second_word("espresso"))
        assert {(row["key"], row["label"]) for row in current} == set(itertools.product(("old.png", "new.png"), words))
        models = json.loads(both.pixwhisk("status", "--json").stdout)["models"]
        assert [(each["name"], each["active"], each["outcomes"]) for each in models] == [
            (directory.name, True, {"classified": 2}) for directory in (model_directory, second_model)
        ]
        assert "unanswered" not in both.pixwhisk("status").stdout
        page = httpx.get(f"{both.environment['WSK_APIHOST']}/api/v1/web/guest/pixwhisk/view.json").text
        assert second_word("espresso") in page
    finally:
        pixwhisk("down", "--data", str(data))
    shutil.rmtree(data)


def test_a_stale_row_is_found_and_mended(deployment: Deployment) -> None:
    """In a bucket without versions, an overwrite without an event leaves a row about other bytes."""
    s3, bucket = deployment.s3(), f"plain-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k.png", Body=COFFEE)
    deployment.pixwhisk("backfill", "--bucket", bucket)
    s3.put_object(Bucket=bucket, Key="k.png", Body=CAT)
    assert findings(audit(deployment, bucket, "--repair")) == {("stale", "k.png")}
    eventually(lambda: audit(deployment, bucket)["clean"], "a clean audit")
    assert [row["label"] != "espresso" for row in deployment.rows("k.png", bucket)] == [True]


def test_parked_work_is_shown_and_can_be_replayed(deployment: Deployment) -> None:
    """A journal row that is no event is parked with its reason, counted by `status`, and pending again on request."""
    with psycopg.connect(deployment.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("INSERT INTO inbox (event_time, event_data) VALUES (now(), '{\"Records\": 1}')")
        try:
            assert json.loads(deployment.pixwhisk("status", "--json").stdout)["parked"] == 1
            assert deployment.query("SELECT reason FROM work WHERE state = 'parked'") == [{"reason": "bad-event"}]
            replayed = deployment.pixwhisk("replay", "--reason", "bad-event")
            assert replayed.stdout.startswith("1 ")
            eventually(
                lambda: deployment.query("SELECT FROM work WHERE state = 'parked' AND reason = 'bad-event'"),
                "parked again",
            )
        finally:
            connection.execute("DELETE FROM inbox WHERE event_data = '{\"Records\": 1}'")


@pytest.mark.parametrize("arguments", [["replay"], ["replay", "--all", "--key", "k"], ["audit", "--grace", "-1"]])
def test_wrong_usage_exits_2(deployment: Deployment, arguments: list[str]) -> None:
    """What to say instead is on the last line."""
    done = deployment.pixwhisk(*arguments, check=False)
    assert done.returncode == 2
    assert done.stderr.strip()
