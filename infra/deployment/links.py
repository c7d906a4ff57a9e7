"""Whether MinIO tells this deployment of its bucket's uploads: the subscription, compared with what it should be.

Another tool that writes the bucket's notification document, or a bucket that was made again, ends it without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from minio.notificationconfig import QueueConfig
from urllib3.exceptions import HTTPError

from actions.events import SUBSCRIBED
from actions.minio_client import MinioException, S3Error
from infra.deployment.feeding import ask_feed, feeder_client
from infra.deployment.record import FAST, JOURNAL, TRIGGER, Deployment
from triggers.feed import subscription
from triggers.feed.subscription import journal_arn, webhook_arn

MENDED_BY = "`pixwhisk audit --repair` or `pixwhisk up` subscribes it again"
MENDED_BY_DEPLOY = "`pixwhisk deploy` subscribes it again"


def examine_subscription(deployment: Deployment) -> str | None:
    """`ok`, or what is wrong with it and what mends that; None where our keys may not see it."""
    try:
        document = feeder_client(deployment).get_bucket_notification(bucket_name=deployment.bucket)
    except S3Error as error:
        return f"bucket {deployment.bucket} does not exist" if error.code == "NoSuchBucket" else None
    except (MinioException, HTTPError, OSError):
        return None
    faults = list(_faults(document.queue_config_list, own=not deployment.external.endpoint))
    mended = MENDED_BY_DEPLOY if deployment.external.apihost else MENDED_BY
    return f"bucket {deployment.bucket}: {'; '.join(faults)}: {mended}" if faults else "ok"


def restore_subscription(deployment: Deployment) -> bool:
    """Subscribe the bucket as it should be, keeping its prefix and suffix. False where only `deploy` can."""
    if deployment.external.apihost:
        return False
    ask_feed(
        deployment, TRIGGER, "UPDATE", bucket=deployment.bucket, target=FAST, journal=True, events=list(SUBSCRIBED)
    )
    return True


def _faults(entries: Sequence[QueueConfig], *, own: bool) -> Iterator[str]:
    """`own`: the targets are ours to name."""
    lanes = {subscription.WEBHOOK: webhook_arn(FAST), subscription.JOURNAL: journal_arn(JOURNAL)}
    for lane, arn in lanes.items():
        found = next((each for each in entries if re.search(rf"/{TRIGGER}#{lane}$", each.config_id or "")), None)
        if found is None:
            yield f"not subscribed to the {lane}"
        elif own and subscription.without_region(found.queue or "") != arn:
            yield f"subscribed to another target ({found.queue}) than our {lane}"
        elif missing := [name for name in SUBSCRIBED if name not in found.events]:
            yield f"not subscribed to {', '.join(missing)} by the {lane}"
