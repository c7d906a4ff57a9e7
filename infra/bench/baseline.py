"""The baseline as it would be run: a MinIO with a webhook and nothing else, and the one process behind it."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minio import Minio
from minio.notificationconfig import NotificationConfig, QueueConfig

from infra import paths
from infra.bench.clients import Failed, Uploader
from infra.deployment.record import Deployment
from infra.deployment.variables import manifest_variables
from infra.host.containers.members import ENVIRONMENT
from infra.services import minio_binary
from infra.services.minio import LOOPBACK, Credentials, MinioServer, WebhookTarget
from infra.services.ports import free_port
from infra.services.service import Command

BUCKET = "pixwhisk-bench-inline"
TIMEOUT_START = 30.0


@contextmanager
def running(deployment: Deployment, directory: Path) -> Iterator[Uploader]:
    """Uploads to it become rows of the deployment's database, under its own bucket's name."""
    credentials = Credentials.random()
    port = free_port(deployment.s3_port + 10)
    with (
        _receiver(deployment, credentials, port) as hook,
        _minio(directory, credentials, port, hook) as server,
        Uploader(server.endpoint, credentials, BUCKET) as uploader,
    ):
        _subscribe(uploader.client)
        yield uploader


@contextmanager
def _receiver(deployment: Deployment, credentials: Credentials, port: int) -> Iterator[str]:
    """The process, and the URL of its webhook."""
    variables = manifest_variables(deployment)
    environment = {
        **ENVIRONMENT,
        "PATH": os.environ.get("PATH", os.defpath),
        "PIXWHISK_MODEL": variables["PIXWHISK_MODEL"],
        "DATABASE_URL": variables["PIXWHISK_STORE_DATABASE_URL"],
        "AWS_ENDPOINT_URL_S3": f"http://{LOOPBACK}:{port}",
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
    }
    command = paths.module_command("infra.bench.inline")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            while line and not line.strip().isdigit():
                line = process.stdout.readline()
            if not line:
                raise Failed(f"the inline baseline ended with status {process.wait()}")
            yield f"http://{LOOPBACK}:{line.strip()}/"
        finally:
            process.kill()


@contextmanager
def _minio(directory: Path, credentials: Credentials, port: int, hook: str) -> Iterator[MinioServer]:
    target = WebhookTarget("INLINE", hook, "bench:bench")
    server = MinioServer(directory, minio_binary.find(), port, credentials, (target,))
    server.prepare()
    command = _without_durability(server.command())
    with (directory / "minio.log").open("ab") as log:
        process = subprocess.Popen(
            command.arguments, env=dict(command.environment), cwd=command.directory, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + TIMEOUT_START
        while not server.ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the baseline's MinIO did not start: see {directory}/minio.log")
            time.sleep(0.02)
        yield server
    finally:
        process.kill()
        process.wait()


def _without_durability(command: Command) -> Command:
    """As MinIO is by itself: an upload is acknowledged whatever becomes of its event."""
    ours = ("MINIO_API_SYNC_EVENTS", "MINIO_SYNC_BOOT")
    environment = {name: value for name, value in command.environment.items() if name not in ours}
    return dataclasses.replace(command, environment=environment)


def _subscribe(client: Minio) -> None:
    client.make_bucket(bucket_name=BUCKET)
    queue = QueueConfig(queue="arn:minio:sqs::INLINE:webhook", events=["s3:ObjectCreated:Put"], config_id="inline")
    client.set_bucket_notification(bucket_name=BUCKET, config=NotificationConfig(queue_config_list=[queue]))
