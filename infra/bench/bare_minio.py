"""A MinIO with webhooks and nothing else, as people run one behind a service of their own: one bucket a webhook."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from minio import Minio
from minio.notificationconfig import NotificationConfig, QueueConfig

from infra.bench.clients import BenchFailed, Place
from infra.services import minio_binary
from infra.services.minio import LOOPBACK, Credentials, MinioServer, WebhookTarget
from infra.services.ports import free_port
from infra.services.service import Command

TIMEOUT_START = 30.0


def bucket_of(name: str) -> str:
    """The bucket whose uploads the webhook `name` hears of."""
    return f"pixwhisk-bench-{name}"


def choose_address(preferred_port: int) -> Place:
    """Where such a server can listen, with fresh credentials: its webhooks' receivers must know both before it runs."""
    return Place(f"http://{LOOPBACK}:{free_port(preferred_port)}", Credentials.random(), "")


@contextmanager
def serving(address: Place, directory: Path, hooks: Mapping[str, str]) -> Iterator[Mapping[str, Place]]:
    """The bucket of each webhook in `hooks` (URL by name), ready to be uploaded to."""
    targets = tuple(WebhookTarget(name.upper(), url, "bench:bench") for name, url in hooks.items())
    port = int(address.endpoint.rpartition(":")[2])
    server = MinioServer(directory, minio_binary.find(), port, address.credentials, targets)
    server.prepare()
    with _process(server, directory):
        places = {name: dataclasses.replace(address, bucket=bucket_of(name)) for name in hooks}
        for name, place in places.items():
            _subscribe(place.client(), place.bucket, name)
        yield places


@contextmanager
def _process(server: MinioServer, directory: Path) -> Iterator[None]:
    command = _without_durability(server.command())
    with (directory / "minio.log").open("ab") as log:
        process = subprocess.Popen(
            command.arguments, env=dict(command.environment), cwd=command.directory, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + TIMEOUT_START
        while not server.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchFailed(f"the baseline's MinIO did not start: see {directory}/minio.log")
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def _without_durability(command: Command) -> Command:
    """As MinIO is by itself: an upload is acknowledged whatever becomes of its event."""
    ours = ("MINIO_API_SYNC_EVENTS", "MINIO_SYNC_BOOT")
    environment = {name: value for name, value in command.environment.items() if name not in ours}
    return dataclasses.replace(command, environment=environment)


def _subscribe(client: Minio, bucket: str, name: str) -> None:
    client.make_bucket(bucket_name=bucket)
    queue = QueueConfig(queue=f"arn:minio:sqs::{name.upper()}:webhook", events=["s3:ObjectCreated:Put"], config_id=name)
    client.set_bucket_notification(bucket_name=bucket, config=NotificationConfig(queue_config_list=[queue]))
