"""The feed's own code, run here and now with the deployment's keys: as an action it would have to start first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from urllib3 import PoolManager, Retry, Timeout

from actions.errors import ActionError
from actions.minio_client import Minio
from infra.deployment.record import Deployment
from infra.deployment.variables import manifest_variables
from infra.errors import ServiceAway
from infra.services.minio import Credentials
from triggers.feed.__main__ import FeedSettings, connect
from triggers.feed.handler import Feed, handle, restore
from triggers.feed.request import Request, parse_request


class ObjectStoreFailed(ServiceAway):
    """The object store does not answer, or refuses."""


def ask_feed(deployment: Deployment, trigger: str, lifecycle: str, **wish: Any) -> Sequence[Mapping[str, Any]]:
    """One lifecycle event of a trigger; its subscriptions. Raises `ObjectStoreFailed` with the feed's own words."""
    feed, request = _prepare(deployment, trigger, {"lifecycleEvent": lifecycle, **wish})
    with _in_words(trigger):
        return list(handle(feed, request)["subscriptions"])


def restore_feed(deployment: Deployment, trigger: str, **wish: Any) -> None:
    """Subscribe the deployment's bucket again. Raises as `ask_feed` does."""
    feed, request = _prepare(deployment, trigger, {"lifecycleEvent": "UPDATE", "bucket": deployment.bucket, **wish})
    with _in_words(trigger):
        restore(feed, request.trigger, deployment.bucket, request.parameters)


def _prepare(deployment: Deployment, trigger: str, asked: Mapping[str, Any]) -> tuple[Feed, Request]:
    variables = manifest_variables(deployment)
    settings = FeedSettings(
        endpoint=deployment.endpoint,
        access_key=deployment.feeder.access_key,
        secret_key=deployment.feeder.secret_key,
        journal=variables["PIXWHISK_JOURNAL_TARGET"],
        apihost=variables["PIXWHISK_TRIGGER_APIHOST"],
        declare=variables["PIXWHISK_DECLARE_TARGETS"] == "on",
        mark=variables["PIXWHISK_DEPLOYMENT"],
    )
    named = {"triggerName": f"/_/{trigger}", "authKey": deployment.auth}
    return connect(settings), parse_request({**named, **asked}, deployment.namespace, settings.mark)


@contextmanager
def _in_words(trigger: str) -> Iterator[None]:
    try:
        yield
    except ActionError as error:
        raise ObjectStoreFailed(f"feed of trigger {trigger}: {error}") from None


def store_client(deployment: Deployment) -> Minio:
    """A client with the deployment's own credentials, which gives up within seconds."""
    return _client(deployment, deployment.credentials)


def feeder_client(deployment: Deployment) -> Minio:
    """One with the feed's, which may see subscriptions."""
    return _client(deployment, deployment.feeder)


def _client(deployment: Deployment, keys: Credentials) -> Minio:
    scheme, _, address = deployment.endpoint.partition("://")
    web = PoolManager(timeout=Timeout(connect=3, read=30), retries=Retry(total=0))
    return Minio(address, keys.access_key, keys.secret_key, secure=scheme == "https", http_client=web)
