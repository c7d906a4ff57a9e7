"""A deployment's two notification targets in MinIO, by whose settings its events come."""

from __future__ import annotations

from pathlib import Path

from infra.deployment.record import TRIGGER, Deployment
from infra.services.minio import JournalTarget, WebhookTarget


def make_targets(deployment: Deployment, queue: Path) -> tuple[WebhookTarget, JournalTarget]:
    """The fast lane's and the safe lane's, which keeps its events in `queue`, a directory of MinIO's machine."""
    names = deployment.targets
    journal = deployment.external.database_url or deployment.postgres.keywords("pixwhisk_journal")
    return (
        WebhookTarget(names.fast, trigger_endpoint(deployment), deployment.auth),
        JournalTarget(names.journal, journal, queue),
    )


def trigger_endpoint(deployment: Deployment) -> str:
    """Where MinIO fires the trigger."""
    return f"{deployment.trigger_apihost}/api/v1/namespaces/_/triggers/{TRIGGER}"
