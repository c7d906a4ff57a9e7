"""Feed request → what the buckets' notification documents should say → MinIO told so, only where it differs.

Nothing is kept here: MinIO's documents are the state. A trigger's subscription is found by looking at every bucket,
because clients name none when they read or delete.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, assert_never

from minio import Minio
from minio.error import MinioException, S3Error
from minio.notificationconfig import NotificationConfig, QueueConfig
from urllib3.exceptions import HTTPError

from actions.causes import name_cause
from actions.errors import ActionError, BadRequest, BadSettings, ObjectStoreRefused, ObjectStoreUnreachable
from triggers.feed import targets
from triggers.feed.request import FedTrigger, FeedParameters, Request
from triggers.feed.subscription import (
    Subscription,
    entries,
    find_other_owner,
    holds,
    merge,
    own_target,
    resolve_subscription,
    subscription,
    webhook_arn,
)

# A document is read, merged and written without a lock: another writer may win in between, so look again.
_ATTEMPTS = 5
# From asking MinIO to restart until it answers again; half a second is usual.
TIMEOUT_RESTART = 20.0
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Feed:
    """The deployment: its store, the journal's ARN (None: no safe lane), and OpenWhisk as MinIO reaches it.

    Without `administration` every trigger must name a webhook target that the operator declared.
    """

    store: Minio
    administration: targets.Administration | None
    journal: str | None
    apihost: str | None


def handle(feed: Feed, request: Request) -> dict[str, Any]:
    """Do what one lifecycle event asks. Raises an `ActionError` that says what to do next."""
    trigger = request.trigger
    with _explaining():
        match request.lifecycle:
            case "CREATE":
                return _subscribe(feed, trigger, request.parameters, update=False)
            case "UPDATE":
                return _subscribe(feed, trigger, request.parameters, update=True)
            case "READ":
                found = _subscriptions(dict(_documents(feed)), str(trigger))
                return {"subscriptions": [each.dump() for each in found]}
            case "DELETE":
                return _unsubscribe(feed, trigger)
            case unknown:
                assert_never(unknown)


def restore(feed: Feed, trigger: FedTrigger, bucket: str, wish: FeedParameters) -> None:
    """Subscribe `bucket` as it should be, with the prefix and suffix it has, and leave alone what other buckets say of
    the trigger: somebody may have subscribed them by hand. Raises as `handle` does.
    """
    with _explaining():
        documents = dict(_documents(feed))
        before = subscription(documents[bucket], str(trigger), bucket) if bucket in documents else None
        _establish(feed, trigger, resolve_subscription(trigger, wish, before, feed.journal), documents)


@contextmanager
def _explaining() -> Iterator[None]:
    """Whatever MinIO answers, or does not, as an `ActionError`."""
    try:
        yield
    except S3Error as error:
        raise explain(error) from None
    except (MinioException, HTTPError, OSError) as error:
        raise ObjectStoreUnreachable(
            f"MinIO does not answer ({name_cause(error)}): check AWS_ENDPOINT_URL_S3, and that it runs"
        ) from None


def explain(error: S3Error) -> ActionError:
    """What the store's refusal means to whoever created the trigger."""
    message = error.message or error.code or "no reason given"
    if error.code == "NoSuchBucket":
        return BadRequest(f"bucket {error.bucket_name} does not exist: create it first, then the trigger")
    if error.code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return ObjectStoreRefused(f"MinIO refuses the feed's credentials ({error.code}): deploy again with valid ones")
    if "destination ARN" in message:
        return BadSettings(
            "MinIO does not know the target: `mc admin info --json` lists the ARNs it knows; pass one as -p target, and"
            " -p journal false if there is no journal; a deployment's own targets end with its PIXWHISK_DEPLOYMENT"
        )
    if "overlap" in message.lower():
        return BadRequest(f"{message} This store lets a key match one subscription only: narrow prefix or suffix")
    return BadRequest(f"MinIO does not take the subscription: {message}")


def _subscribe(feed: Feed, trigger: FedTrigger, parameters: FeedParameters, *, update: bool) -> dict[str, Any]:
    documents = dict(_documents(feed))
    before = list(_subscriptions(documents, str(trigger)))
    wanted = resolve_subscription(trigger, parameters, before[0] if update and before else None, feed.journal)
    _establish(feed, trigger, wanted, documents)
    for old in before:
        if old.bucket != wanted.bucket:
            _write(feed, old.bucket, str(trigger), [])
    return {"subscriptions": [wanted.dump()]}


def _establish(
    feed: Feed, trigger: FedTrigger, wanted: Subscription, documents: Mapping[str, NotificationConfig]
) -> None:
    if not feed.store.bucket_exists(bucket_name=wanted.bucket):
        raise BadRequest(f"bucket {wanted.bucket} does not exist: create it first, then the trigger")
    _refuse_foreign(documents, wanted, trigger.mark)
    document = feed.store.get_bucket_notification(bucket_name=wanted.bucket)
    if _declare_own(feed, trigger, wanted):
        write_while_restarting(feed.store, wanted.bucket, merge(document, str(trigger), entries(wanted)))
    _write(feed, wanted.bucket, str(trigger), entries(wanted))


def _unsubscribe(feed: Feed, trigger: FedTrigger) -> dict[str, Any]:
    own = webhook_arn(own_target(trigger))
    for old in _subscriptions(dict(_documents(feed)), str(trigger)):
        _write(feed, old.bucket, str(trigger), [])
        if old.target == own and feed.administration:
            targets.forget(feed.administration, own_target(trigger))
    return {"subscriptions": []}


def _documents(feed: Feed) -> Iterator[tuple[str, NotificationConfig]]:
    """Every bucket's, by its name."""
    for bucket in feed.store.list_buckets():
        try:
            yield bucket.name, feed.store.get_bucket_notification(bucket_name=bucket.name)
        except S3Error as error:
            # Buckets that are not ours to see, or that went meanwhile, hold no subscription of ours.
            if error.code not in ("AccessDenied", "NoSuchBucket"):
                raise


def _subscriptions(documents: Mapping[str, NotificationConfig], trigger: str) -> Iterator[Subscription]:
    for bucket, document in documents.items():
        if found := subscription(document, trigger, bucket):
            yield found


def _refuse_foreign(documents: Mapping[str, NotificationConfig], wanted: Subscription, mark: str) -> None:
    """Events for a target that serves another deployment are rows there, and nobody's here."""
    for bucket, document in documents.items():
        owner = find_other_owner(document, wanted, mark)
        if owner is not None:
            named = " or ".join(arn for arn in (wanted.target, wanted.journal) if arn)
            raise BadSettings(
                f"{named} serves the deployment {owner or 'without a mark'} (bucket {bucket}), and would bring it our"
                " events: declare targets of this deployment's own in MinIO, and name them by PIXWHISK_DEPLOYMENT"
            )


def _declare_own(feed: Feed, trigger: FedTrigger, wanted: Subscription) -> bool:
    if wanted.target != webhook_arn(own_target(trigger)):
        return False
    if not feed.administration:
        raise BadSettings(targets.advice(own_target(trigger), "it may not: PIXWHISK_DECLARE_TARGETS is not on"))
    if not feed.apihost:
        raise BadSettings("PIXWHISK_TRIGGER_APIHOST is not set: deploy again, or pass -p target with a webhook target")
    desired = targets.configuration(targets.trigger_url(feed.apihost, trigger), trigger.key)
    return targets.declare(feed.administration, own_target(trigger), desired)


def _write(feed: Feed, bucket: str, trigger: str, wanted: Sequence[QueueConfig]) -> None:
    for _ in range(_ATTEMPTS):
        document = feed.store.get_bucket_notification(bucket_name=bucket)
        if holds(document, trigger, wanted):
            return
        feed.store.set_bucket_notification(bucket_name=bucket, config=merge(document, trigger, wanted))
    if not holds(feed.store.get_bucket_notification(bucket_name=bucket), trigger, wanted):
        raise ObjectStoreUnreachable(f"the notifications of bucket {bucket} keep changing under the feed: try again")


def write_while_restarting(store: Minio, bucket: str, document: NotificationConfig) -> None:
    """Write what was read and merged before a new target had MinIO restart; returns once it is taken."""
    # The old process answers a little longer, without the new target; then nobody does; then the new one does. It must
    # be given what was read before: until a starting MinIO knows its targets, it leaves their entries out when asked.
    deadline = time.monotonic() + TIMEOUT_RESTART
    while True:
        try:
            store.set_bucket_notification(bucket_name=bucket, config=document)
        except (MinioException, HTTPError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return
