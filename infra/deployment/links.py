"""Whether MinIO tells this deployment of its bucket's uploads: subscription and targets, compared with what they should
be.

Another tool that writes the bucket's notification document, or a bucket that was made again, ends it without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minio.notificationconfig import QueueConfig
from urllib3.exceptions import HTTPError

from actions.events import SUBSCRIBED
from actions.minio_client import MinioException, S3Error
from infra.deployment.feeding import feeder_client, restore_feed
from infra.deployment.record import TRIGGER, Deployment
from infra.deployment.target_names import TargetNames
from triggers.feed import subscription
from triggers.feed.subscription import journal_arn, webhook_arn

MENDED_BY = "`pixwhisk audit --repair` or `pixwhisk up` subscribes it again"
MENDED_BY_DEPLOY = "`pixwhisk deploy` subscribes it again"


@dataclass(frozen=True, slots=True)
class SeenSubscription:
    """`state` is `ok`, or what is wrong and what mends that; None where our keys may not see it.

    `document` describes what it should be. With a prefix or a suffix, MinIO tells of no other keys.
    """

    state: str | None
    document: str = ""
    prefix: str = ""
    suffix: str = ""


def examine_subscription(deployment: Deployment) -> str | None:
    """The state alone."""
    return see_subscription(deployment).state


def see_subscription(deployment: Deployment) -> SeenSubscription:
    """Compare what MinIO says with what it should say."""
    try:
        document = feeder_client(deployment).get_bucket_notification(bucket_name=deployment.bucket)
    except S3Error as error:
        gone = error.code == "NoSuchBucket"
        return SeenSubscription(f"bucket {deployment.bucket} does not exist" if gone else None)
    except (MinioException, HTTPError, OSError):
        return SeenSubscription(None)
    faults = list(_faults(document.queue_config_list, deployment.targets))
    if deployment.external.endpoint and (fault := _examine_targets(deployment)):
        faults.append(fault)
    mended = MENDED_BY_DEPLOY if deployment.external.apihost else MENDED_BY
    state = f"bucket {deployment.bucket}: {'; '.join(faults)}: {mended}" if faults else "ok"
    hook = _find_entry(document.queue_config_list, deployment.targets, subscription.WEBHOOK)
    prefix, suffix = subscription.read_filter(hook) if hook else ("", "")
    wanted = (deployment.targets.fast, deployment.targets.journal, prefix, suffix, *SUBSCRIBED)
    return SeenSubscription(state, json.dumps(wanted), prefix, suffix)


def restore_subscription(deployment: Deployment) -> bool:
    """Subscribe the bucket as it should be, keeping its prefix and suffix. False where only `deploy` can."""
    if deployment.external.apihost:
        return False
    restore_feed(deployment, TRIGGER, target=deployment.targets.fast, journal=True, events=list(SUBSCRIBED))
    return True


def _examine_targets(deployment: Deployment) -> str | None:
    # Late: MinIO's administration is slow to import, and only asked where MinIO is not our own.
    from infra.deployment.sharing import examine_targets

    return examine_targets(deployment)


def _faults(entries: Sequence[QueueConfig], names: TargetNames) -> Iterator[str]:
    lanes = {subscription.WEBHOOK: webhook_arn(names.fast), subscription.JOURNAL: journal_arn(names.journal)}
    for lane, arn in lanes.items():
        found = _find_entry(entries, names, lane)
        if arn is None:
            continue
        if found is None:
            yield f"not subscribed to the {lane}"
        elif subscription.without_region(found.queue or "") != arn:
            yield f"subscribed to another target ({found.queue}) than our {lane}"
        elif missing := [name for name in SUBSCRIBED if name not in found.events]:
            yield f"not subscribed to {', '.join(missing)} by the {lane}"


def _find_entry(entries: Sequence[QueueConfig], names: TargetNames, lane: str) -> QueueConfig | None:
    """Whatever the namespace is called there."""
    ours = re.compile(rf"pixwhisk:{names.mark and f'{names.mark}:'}[^:/]+/{TRIGGER}#{lane}")
    return next((each for each in entries if ours.fullmatch(each.config_id or "")), None)
