"""The baseline as it would be run: a MinIO with a webhook and nothing else, and the one process behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.bench import bare_minio
from infra.bench.clients import Uploader
from infra.bench.receivers import environment_of, receiving
from infra.deployment.record import Deployment

NAME = "inline"
BUCKET = bare_minio.bucket_of(NAME)


@contextmanager
def running(deployment: Deployment, directory: Path) -> Iterator[Uploader]:
    """Uploads to it become rows of the deployment's database, under its own bucket's name."""
    address = bare_minio.choose_address(deployment.s3_port + 10)
    with (
        receiving("infra.bench.inline", (), environment_of(deployment, address)) as hook,
        bare_minio.serving(address, directory, {NAME: hook}) as places,
        Uploader(places[NAME]) as uploader,
    ):
        yield uploader
