"""Targets in a MinIO that is not the deployment's own: seen whether they are this deployment's, or made so.

Whose a webhook target is, its endpoint says. MinIO tells it to keys that may see its configuration; for others the
names alone speak, and the feed refuses those that another deployment's subscriptions use.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from infra.deployment.feeding import ObjectStoreFailed, feeder_client
from infra.deployment.record import TRIGGER, Deployment, record_mark
from infra.deployment.target_names import FAST
from infra.deployment.targets import make_targets, trigger_endpoint
from infra.errors import OperatorError
from infra.services.minio import Target
from triggers.feed.handler import write_while_restarting
from triggers.feed.request import FedTrigger
from triggers.feed.subscription import Subscription, entries, journal_arn, merge, webhook_arn


class ForeignTargets(OperatorError):
    """The targets by our names are another deployment's, or are not there and not ours to make."""


def examine_targets(deployment: Deployment, *, strictly: bool = False) -> str | None:
    """What is wrong with the webhook target, as far as our key may see it; None for nothing.

    How MinIO reaches an OpenWhisk that is not ours, nobody has to have told us: only `strictly` does another address
    count as wrong then.
    """
    try:
        declared = _read_endpoint(_administer(deployment), deployment.targets.fast)
    except (MinioAdminException, HTTPError, OSError):
        return None
    name = deployment.targets.fast
    if declared is None:
        return f"MinIO has no webhook target {name}"
    external = deployment.external
    unknown = not strictly and external.apihost is not None and external.trigger_apihost is None
    if not (_is_ours(deployment, declared) or (unknown and _fires(declared))):
        return f"MinIO's webhook target {name} posts to {_place(declared)}, which is not this deployment's trigger"
    return None


def settle_mark(deployment: Deployment) -> Deployment:
    """The same deployment, unless MinIO's operator has declared `FAST` for its trigger and nothing by its mark: then
    with the names that have none, from now on.
    """
    administration, names = _administer(deployment), deployment.targets
    try:
        plain = _read_endpoint(administration, FAST) if names.mark else None
        if plain is None or not _is_ours(deployment, plain) or _read_endpoint(administration, names.fast):
            return deployment
    except (MinioAdminException, HTTPError, OSError):
        return deployment
    return record_mark(deployment, "")


def provide_targets(deployment: Deployment, namespace: str, *, may_restart: bool) -> bool:
    """See that both targets are this deployment's, and declare them where MinIO may be restarted for it. Whether that
    was done. Raises `ForeignTargets` where they are somebody else's, or are missing and not ours to declare.
    """
    fault = examine_targets(deployment, strictly=True)
    if fault is None:
        return False
    if not (may_restart and deployment.targets.mark):
        raise ForeignTargets(f"{fault}, so no upload would be told of: {_advise(deployment)}")
    _declare(deployment, namespace)
    return True


def _declare(deployment: Deployment, namespace: str) -> None:
    """Read first what is subscribed: a starting MinIO leaves out what it has no target for yet."""
    bucket, names = deployment.bucket, deployment.targets
    trigger = FedTrigger(namespace, TRIGGER, key="", mark=names.mark)
    wanted = Subscription(str(trigger), bucket, webhook_arn(names.fast), journal_arn(names.journal))
    store, administration = feeder_client(deployment), _administer(deployment)
    document = store.get_bucket_notification(bucket_name=bucket)
    try:
        for target in make_targets(deployment, deployment.data / "journal"):
            _set(administration, target)
        administration.service_restart()
    except MinioAdminException as error:
        raise ObjectStoreFailed(f"MinIO at {deployment.endpoint} does not take our targets: {error}") from None
    write_while_restarting(store, bucket, merge(document, str(trigger), entries(wanted)))


def _set(administration: MinioAdmin, target: Target) -> None:
    quoted = {name: f'"{value}"' for name, value in target.settings().items()}
    administration.config_set(f"{target.subsystem}:{target.name}", quoted)


def _read_endpoint(administration: MinioAdmin, name: str) -> str | None:
    """Where a webhook target posts to, whether MinIO's environment or its configuration says so; None if there is no
    such target. Raises `MinioAdminException` where our key may not see it.
    """
    try:
        told = administration.config_get(f"notify_webhook:{name}")
    except UnboundLocalError as error:
        # The library (7.2.20) turns any refusal into this one: its clean-up trips over the missing answer.
        refused = error.__context__
        if isinstance(refused, MinioAdminException) and "there is no target" in str(refused):
            return None
        raise refused if isinstance(refused, MinioAdminException) else error from None
    in_environment, configured = f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{name}=", "endpoint="
    for line in told.splitlines():
        if in_environment in line:
            return line.partition(in_environment)[2].strip()
    found = [word.removeprefix(configured) for word in told.split() if word.startswith(configured)]
    return found[0].strip('"') if found and found[0] else None


def _is_ours(deployment: Deployment, declared: str) -> bool:
    """Under whatever name of the namespace."""
    here, there = urlsplit(trigger_endpoint(deployment)), urlsplit(declared)
    return (here.scheme, here.netloc.lower()) == (there.scheme, there.netloc.lower()) and _fires(declared)


def _fires(endpoint: str) -> bool:
    """Whether it is a trigger of our name."""
    return urlsplit(endpoint).path.rstrip("/").endswith(f"/triggers/{TRIGGER}")


def _advise(deployment: Deployment) -> str:
    names, mark = deployment.targets, deployment.targets.mark
    if not mark:
        return (
            "have it declared for this deployment, name OpenWhisk as MinIO reaches it in PIXWHISK_TRIGGER_APIHOST, or"
            " give this deployment targets of its own by PIXWHISK_DEPLOYMENT=NAME (FAST_NAME, JOURNAL_NAME)"
        )
    return (
        f"have MinIO's operator declare notify_webhook:{names.fast} with endpoint={trigger_endpoint(deployment)} and"
        f" notify_postgres:{names.journal} with this deployment's database (docs/operations.md, 2. MinIO), or say"
        " PIXWHISK_DEPLOYMENT= if its FAST and JOURNAL are this deployment's"
    )


def _place(endpoint: str) -> str:
    """Without what may be secret in it."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _administer(deployment: Deployment) -> MinioAdmin:
    address, keys = urlsplit(deployment.endpoint), deployment.feeder
    return MinioAdmin(
        endpoint=address.netloc,
        secure=address.scheme == "https",
        credentials=StaticProvider(keys.access_key, keys.secret_key),
        http_client=PoolManager(timeout=Timeout(connect=3, read=30), retries=Retry(total=0)),
    )
