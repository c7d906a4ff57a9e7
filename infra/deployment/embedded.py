"""The services that a deployment starts itself, as the supervisor takes them."""

from __future__ import annotations

from collections.abc import Sequence

from infra.deployment.record import Deployment
from infra.deployment.targets import make_targets
from infra.services import minio_binary
from infra.services.held_port import HeldPort
from infra.services.minio import MinioServer
from infra.services.openwhisk import OpenWhiskHost
from infra.services.service import Service


def make_embedded_services(deployment: Deployment, held: HeldPort | None = None) -> Sequence[Service]:
    """Those whose place nobody else's takes, slowest to start first. OpenWhisk's takes its connections from `held`.

    Raises `SecretMissing` before `establish`.
    """
    embedded: list[Service] = []
    if not deployment.external.database_url:
        embedded.append(deployment.postgres)
    if not deployment.external.apihost:
        embedded.append(_openwhisk(deployment, held))
    if not deployment.external.endpoint:
        embedded.append(_minio(deployment))
    return embedded


def _openwhisk(deployment: Deployment, held: HeldPort | None) -> OpenWhiskHost:
    key, model = deployment.secrets.auth_file, deployment.model_setting
    return OpenWhiskHost(deployment.data / "host", deployment.api_port, key, model, held=held)


def _minio(deployment: Deployment) -> MinioServer:
    """With both lanes' targets."""
    home = deployment.data / "minio"
    targets = make_targets(deployment, home / "journal")
    return MinioServer(home, minio_binary.find(), deployment.s3_port, deployment.secrets.credentials("root"), targets)
