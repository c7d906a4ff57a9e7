"""Several deployments on one MinIO: each has targets of its own, and nobody takes another's."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from skimage import data as samples

from infra.services.minio import JournalTarget, WebhookTarget
from tests.fixtures.deployment import Deployment, environment_of, eventually, free_ports, pixwhisk
from tests.fixtures.minio import RunningMinio, running_minio

TOLD = "SELECT key FROM inbox WHERE key = %s AND lane = 'journal'"
COFFEE = (Path(samples.__file__).parent / "coffee.png").read_bytes()


@pytest.fixture
def data() -> Iterator[Path]:
    """A directory for another deployment, which is down afterwards."""
    made = Path(tempfile.mkdtemp(prefix="px-"))
    yield made
    pixwhisk("down", "--data", str(made), check=False)
    shutil.rmtree(made, ignore_errors=True)


def store_of(deployment: Deployment) -> dict[str, str]:
    """What names a deployment's MinIO to another."""
    return {name: value for name, value in deployment.environment.items() if name.startswith("AWS_")}


def arguments(data: Path, bucket: str) -> list[str]:
    (port,) = free_ports(1)
    return ["up", "--detach", "--data", str(data), "--api-port", str(port), "--bucket", bucket]


def start_on(store: Mapping[str, str], data: Path, bucket: str) -> Deployment:
    pixwhisk(*arguments(data, bucket), env={**os.environ, **store})
    return Deployment(data, environment_of(pixwhisk("env", "--data", str(data)).stdout), 0, 0)


@contextmanager
def documents_kept(deployment: Deployment) -> Iterator[None]:
    """The session's deployment gets its subscription back."""
    s3 = deployment.s3()
    kept = s3.get_bucket_notification_configuration(Bucket=deployment.bucket)["QueueConfigurations"]
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(
            Bucket=deployment.bucket, NotificationConfiguration={"QueueConfigurations": kept}
        )


def entries(deployment: Deployment, bucket: str) -> dict[str, str]:
    """Each subscription's target, by its id."""
    document = deployment.s3().get_bucket_notification_configuration(Bucket=bucket)
    return {each["Id"]: each["QueueArn"] for each in document["QueueConfigurations"]}


def status(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(deployment.pixwhisk("status", "--json", check=False).stdout)
    return found


@pytest.mark.timeout(180)
def test_two_deployments_on_one_minio_both_get_their_events(deployment: Deployment, data: Path) -> None:
    """Even of one bucket, by either lane; and each says that its subscription is as it should be."""
    with documents_kept(deployment):
        second = start_on(store_of(deployment), data, deployment.bucket)
        deployment.s3().put_object(Bucket=deployment.bucket, Key="for both.png", Body=COFFEE)
        for each in (deployment, second):
            eventually(partial(each.rows, "for both.png"), "a row")
            eventually(partial(each.query, TOLD, "for both.png"), "a row of the journal")
            said = status(each)
            assert (said["healthy"], said["subscription"]) == (True, "ok"), said
        mark = json.loads((data / "deployment.json").read_text())["mark"]
        found = entries(deployment, deployment.bucket)
        assert found["pixwhisk:guest/image-uploaded#webhook"].endswith(":FAST:webhook")
        assert found[f"pixwhisk:{mark}:guest/image-uploaded#webhook"].endswith(f":FAST_{mark}:webhook")
        assert found[f"pixwhisk:{mark}:guest/image-uploaded#journal"].endswith(f":JOURNAL_{mark}:postgresql")
        second.pixwhisk("down")
        deployment.s3().put_object(Bucket=deployment.bucket, Key="meanwhile.png", Body=COFFEE)
        again = start_on(store_of(deployment), data, deployment.bucket)
        eventually(lambda: again.rows("meanwhile.png"), "the row of what came while it was down")
        assert entries(deployment, deployment.bucket) == found


@pytest.fixture
def occupied(tmp_path: Path) -> Iterator[RunningMinio]:
    """Somebody's MinIO, whose `FAST` posts to somebody else's OpenWhisk, and whose `JOURNAL` writes elsewhere, too."""
    theirs = WebhookTarget("FAST", "http://127.0.0.1:9/api/v1/namespaces/_/triggers/image-uploaded", "id:hush")
    journal = JournalTarget("JOURNAL", "host=/nowhere dbname=theirs", tmp_path / "queue")
    with running_minio(tmp_path, targets=[theirs, journal]) as minio:
        minio.client().make_bucket(bucket_name="images")
        yield minio


@pytest.mark.parametrize(
    ("mark", "why"), [(None, "has no webhook target FAST_"), ("", "which is not this deployment's")]
)
def test_nobody_s_target_is_taken(occupied: RunningMinio, data: Path, mark: str | None, why: str) -> None:
    """`up` says whose it is and what to declare, and subscribes nothing."""
    store = {
        "AWS_ENDPOINT_URL_S3": occupied.endpoint,
        "AWS_ACCESS_KEY_ID": occupied.access_key,
        "AWS_SECRET_ACCESS_KEY": occupied.secret_key,
        **({} if mark is None else {"PIXWHISK_DEPLOYMENT": mark}),
    }
    refused = pixwhisk(*arguments(data, "images"), env={**os.environ, **store}, check=False)
    assert refused.returncode == 1
    assert why in refused.stderr
    assert "PIXWHISK_DEPLOYMENT" in refused.stderr
    assert "hush" not in refused.stderr
    assert not occupied.client().get_bucket_notification(bucket_name="images").queue_config_list
