"""Processes that work outside OpenWhisk with the actions' own code: what they are given, and how they are started."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from infra import paths
from infra.bench.clients import BenchFailed, Place
from infra.deployment.record import Deployment
from infra.deployment.variables import manifest_variables
from infra.host.containers.members import ENVIRONMENT
from infra.services.minio import LOOPBACK


def environment_of(deployment: Deployment, address: Place) -> dict[str, str]:
    """What the actions of `deployment` find in their environment, with the objects of another MinIO."""
    variables = manifest_variables(deployment)
    return {
        **ENVIRONMENT,
        "PATH": os.environ.get("PATH", os.defpath),
        "PIXWHISK_MODEL": variables["PIXWHISK_MODEL"],
        "DATABASE_URL": variables["PIXWHISK_STORE_DATABASE_URL"],
        "AWS_ENDPOINT_URL_S3": address.endpoint,
        "AWS_ACCESS_KEY_ID": address.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": address.credentials.secret_key,
    }


@contextmanager
def receiving(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """The URL of a webhook: that of a Python module which prints the port that it listens on."""
    command = [*paths.module_command(module), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(environment), text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            while line and not line.strip().isdigit():
                line = process.stdout.readline()
            if not line:
                raise BenchFailed(f"{module} ended with status {process.wait()}")
            yield f"http://{LOOPBACK}:{line.strip()}/"
        finally:
            process.kill()
