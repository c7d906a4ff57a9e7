"""Subscriptions as entries of a bucket's notification document: made, found and merged, never touching foreign ones.

Every trigger owns up to two entries, by their ids: `pixwhisk:<namespace>/<trigger>#webhook` and, unless it was told not
to, one ending in `#journal`. Where several deployments share a MinIO, the mark of each comes before its namespace. So
any number of triggers share a bucket, and whoever else wrote entries keeps them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig, SuffixFilterRule

from actions.errors import BadRequest
from actions.events import SUBSCRIBED
from triggers.feed.request import FedTrigger, FeedParameters

WEBHOOK, JOURNAL = "webhook", "journal"
_ENTRY = re.compile(r"pixwhisk:(?:(?P<mark>[^:/]*):)?[^:/]+/[^/#]+#(?:webhook|journal)")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one trigger hears of one bucket. `target` and `journal` are ARNs; no `journal`: the fast lane only."""

    trigger: str
    bucket: str
    target: str
    journal: str | None = None
    prefix: str = ""
    suffix: str = ""
    events: tuple[str, ...] = SUBSCRIBED

    def dump(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "events": list(self.events)}


def entry_prefix(trigger: str) -> str:
    return f"pixwhisk:{trigger}#"


def entries(subscription: Subscription) -> list[QueueConfig]:
    """The entries that make MinIO serve a subscription."""
    lanes = {WEBHOOK: subscription.target, JOURNAL: subscription.journal}
    return [
        QueueConfig(
            events=list(subscription.events),
            config_id=entry_prefix(subscription.trigger) + lane,
            prefix_filter_rule=PrefixFilterRule(subscription.prefix) if subscription.prefix else None,
            suffix_filter_rule=SuffixFilterRule(subscription.suffix) if subscription.suffix else None,
            queue=arn,
        )
        for lane, arn in lanes.items()
        if arn
    ]


def subscription(document: NotificationConfig, trigger: str, bucket: str) -> Subscription | None:
    """What a bucket's document says of a trigger; None if it does not listen there."""
    owned = {entry.config_id: entry for entry in document.queue_config_list if _is_owned(entry, trigger)}
    hook = owned.get(entry_prefix(trigger) + WEBHOOK)
    if hook is None:
        return None
    journal = owned.get(entry_prefix(trigger) + JOURNAL)
    prefix, suffix = read_filter(hook)
    return Subscription(
        trigger=trigger,
        bucket=bucket,
        target=hook.queue or "",
        journal=journal.queue if journal else None,
        prefix=prefix,
        suffix=suffix,
        events=tuple(name for name in SUBSCRIBED if name in hook.events),
    )


def merge(document: NotificationConfig, trigger: str, wanted: Sequence[QueueConfig]) -> NotificationConfig:
    """The document with exactly `wanted` as the trigger's entries, everybody else's as they were."""
    foreign = [entry for entry in document.queue_config_list if not _is_owned(entry, trigger)]
    return dataclasses.replace(document, queue_config_list=[*foreign, *wanted])


def holds(document: NotificationConfig, trigger: str, wanted: Sequence[QueueConfig]) -> bool:
    """Whether the trigger's entries already are exactly `wanted`, in whatever order MinIO lists them."""
    owned = [entry for entry in document.queue_config_list if _is_owned(entry, trigger)]
    return sorted(map(_comparable, owned)) == sorted(map(_comparable, wanted))


def find_other_owner(document: NotificationConfig, wanted: Subscription, mark: str) -> str | None:
    """The mark of another deployment whose entries already use a target of `wanted`; None if there is none."""
    targets = {without_region(arn) for arn in (wanted.target, wanted.journal) if arn}
    for entry in document.queue_config_list:
        found = _ENTRY.fullmatch(entry.config_id or "")
        if found and (found["mark"] or "") != mark and without_region(entry.queue or "") in targets:
            return found["mark"] or ""
    return None


def resolve_subscription(
    trigger: FedTrigger, parameters: FeedParameters, before: Subscription | None, journal: str | None
) -> Subscription:
    """The subscription that parameters describe, over what was there `before`; `journal` is the journal's ARN."""
    bucket = parameters.bucket or (before.bucket if before else None)
    if not bucket:
        raise BadRequest("bucket: say which bucket to watch, for example -p bucket images")
    base = before or Subscription(str(trigger), bucket, webhook_arn(own_target(trigger)), journal)
    return Subscription(
        trigger=str(trigger),
        bucket=bucket,
        target=webhook_arn(parameters.target) if parameters.target else base.target,
        journal=base.journal if parameters.journal is None else (journal if parameters.journal else None),
        prefix=base.prefix if parameters.prefix is None else parameters.prefix,
        suffix=base.suffix if parameters.suffix is None else parameters.suffix,
        events=base.events if parameters.events is None else parameters.events,
    )


def own_target(trigger: FedTrigger) -> str:
    """The webhook target the feed keeps for a trigger that names none: readable, and different for each trigger."""
    digest = hashlib.sha256(str(trigger).encode()).hexdigest()[:8]
    return f"PIXWHISK_{re.sub(r'[^A-Za-z0-9]+', '_', trigger.name)[:40]}_{digest}".upper()


def webhook_arn(target: str) -> str:
    """A webhook target's ARN, from its name or from the ARN itself."""
    return target if target.startswith("arn:") else f"arn:minio:sqs::{target}:webhook"


def journal_arn(target: str) -> str | None:
    """A PostgreSQL target's ARN, from its name or from the ARN itself; none for no name."""
    if not target:
        return None
    return target if target.startswith("arn:") else f"arn:minio:sqs::{target}:postgresql"


def read_filter(entry: QueueConfig) -> tuple[str, str]:
    """What keys must begin and end with to be told of; empty: any."""
    prefix, suffix = entry.prefix_filter_rule, entry.suffix_filter_rule
    return prefix.value if prefix else "", suffix.value if suffix else ""


def without_region(arn: str) -> str:
    """MinIO answers with its own region in an ARN, even where none was given."""
    return re.sub(r"^(arn:minio:sqs):[^:]*:", r"\1::", arn)


def _is_owned(entry: QueueConfig, trigger: str) -> bool:
    return entry.config_id in (entry_prefix(trigger) + WEBHOOK, entry_prefix(trigger) + JOURNAL)


def _comparable(entry: QueueConfig) -> tuple[str, ...]:
    arn = without_region(entry.queue or "")
    return (entry.config_id or "", arn, *read_filter(entry), *sorted(entry.events))
