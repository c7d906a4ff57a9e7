"""Each lane alone brings every upload to its row: without the trigger, and without any event at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.e2e.faults.form import LONG, seed
from tests.e2e.faults.gallery import Picture
from tests.e2e.faults.stage import Stage, audited, staged
from tests.fixtures.deployment import eventually

# How long MinIO waits for a webhook's answer, in s.
MINIO_PATIENCE = 60


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged(seed()) as made:
        yield made


def put(stage: Stage, key: str, body: bytes) -> str:
    """Upload, as patiently as one must be; the ETag."""
    answer = stage.deployment.s3().put_object(Bucket=stage.deployment.bucket, Key=key, Body=body)
    return str(answer["ETag"].strip('"'))


def replace_sweep(stage: Stage) -> None:
    """A sweep believes for a second what it has read of a subscription, and hears of uploads by it; a new one reads."""
    victim = stage.deployment.service("sweep")
    assert victim is not None
    victim.kill()

    def is_replaced() -> bool:
        found = stage.deployment.service("sweep")
        return found is not None and found.pid != victim.pid

    eventually(is_replaced, "another sweep")


def become_rows(stage: Stage, uploaded: Mapping[str, Picture]) -> None:
    """Wait until each key has one row, and that is about its picture."""

    def right(key: str, picture: Picture) -> bool:
        found = [(row["status"], row["label"] or row["reason"]) for row in stage.deployment.rows(key)]
        return found == [(picture.status, picture.prediction)]

    for key, picture in uploaded.items():
        eventually(partial(right, key, picture), f"the right row for {key}")


def test_a_hanging_trigger_delays_uploads_and_loses_none(stage: Stage, pictures: Sequence[Picture]) -> None:
    """The upload waits for its answer, but its row is there before the answer is."""
    stage.post.become("hanging")
    wanted = {f"hanging/{picture.name}": picture for picture in pictures}
    with ThreadPoolExecutor(len(wanted)) as clients:
        uploads = [clients.submit(put, stage, key, picture.body(key)) for key, picture in wanted.items()]
        become_rows(stage, wanted)
        assert not any(upload.done() for upload in uploads)
        stage.post.become("faithful")
        assert all(upload.result(30) for upload in uploads)


@pytest.mark.skipif(not LONG, reason="`make chaos` runs it: it takes a minute")
def test_minio_gives_a_hanging_trigger_up(stage: Stage, pictures: Sequence[Picture]) -> None:
    """After a minute the upload is acknowledged all the same."""
    stage.post.become("hanging")
    began = time.monotonic()
    with ThreadPoolExecutor(1) as clients:
        upload = clients.submit(put, stage, "given up", pictures[0].body("given up"))
        assert upload.result(MINIO_PATIENCE + 60)
    assert time.monotonic() - began > MINIO_PATIENCE - 5
    stage.post.become("faithful")


def test_without_the_trigger_the_journal_and_the_sweep_do_it(stage: Stage, pictures: Sequence[Picture]) -> None:
    """With nobody at the trigger's endpoint uploads are as quick as ever, and become rows."""
    stage.post.close()
    wanted = {f"down/{picture.name}": picture for picture in pictures}
    for key, picture in wanted.items():
        put(stage, key, picture.body("down"))
    become_rows(stage, wanted)
    stage.post.open()


def test_without_any_event_the_audit_does_it(stage: Stage, pictures: Sequence[Picture]) -> None:
    """Trigger and journal both off: `audit` says what is missing; `audit --repair` brings it, and both lanes."""
    deployment = stage.deployment
    s3, overwritten, deleted = deployment.s3(), "overwritten", "deleted"
    put(stage, overwritten, pictures[0].body("first"))
    put(stage, deleted, pictures[0].body("first"))
    become_rows(stage, {overwritten: pictures[0], deleted: pictures[0]})
    eventually(lambda: audited(stage, deployment.bucket)["clean"], "a clean audit before")
    subscribed = s3.get_bucket_notification_configuration(Bucket=deployment.bucket)["QueueConfigurations"]
    s3.put_bucket_notification_configuration(Bucket=deployment.bucket, NotificationConfiguration={})
    replace_sweep(stage)
    wanted = {f"silent/{picture.name}": picture for picture in pictures}
    for key, picture in wanted.items():
        put(stage, key, picture.body("silent"))
    put(stage, overwritten, pictures[1].body("silently overwritten"))
    s3.delete_object(Bucket=deployment.bucket, Key=deleted)
    found = audited(stage, deployment.bucket, "--repair")
    assert found["counts"] == {"missing": len(pictures), "stale": 1, "orphaned": 1, "hidden": 0}
    eventually(lambda: audited(stage, deployment.bucket)["clean"], "a clean audit")
    become_rows(stage, wanted | {overwritten: pictures[1]})
    assert [row["status"] for row in deployment.rows(deleted)] == ["deleted"]
    restored = s3.get_bucket_notification_configuration(Bucket=deployment.bucket)["QueueConfigurations"]
    assert sorted(each["QueueArn"] for each in restored) == sorted(each["QueueArn"] for each in subscribed)
