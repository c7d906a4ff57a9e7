"""The feed's pure parts: requests read and checked, documents merged."""

from __future__ import annotations

import contextlib
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig
from minio.xml import marshal

from actions.errors import BadRequest
from actions.events import CREATED, SUBSCRIBED
from triggers.feed.request import FedTrigger, FeedParameters, parse_request
from triggers.feed.subscription import (
    Subscription,
    entries,
    holds,
    merge,
    own_target,
    resolve_subscription,
    subscription,
    webhook_arn,
)
from triggers.feed.targets import trigger_url

NAMES = st.text("abc-_ @.&", min_size=1, max_size=8)
FILTERS = st.text("abc/.é ", max_size=6)
ARN = "arn:minio:sqs::FAST:webhook"

subscriptions = st.builds(
    Subscription,
    trigger=st.builds("{}/{}".format, NAMES, NAMES),
    bucket=st.just("images"),
    target=st.just(ARN),
    journal=st.sampled_from([None, "arn:minio:sqs::JOURNAL:postgresql"]),
    prefix=FILTERS,
    suffix=FILTERS,
    events=st.sets(st.sampled_from(SUBSCRIBED), min_size=1).map(
        lambda chosen: tuple(name for name in SUBSCRIBED if name in chosen)
    ),
)
foreigners = st.lists(
    st.builds(
        QueueConfig,
        queue=st.just(ARN),
        events=st.just(["s3:ObjectAccessed:Get"]),
        config_id=st.none() | st.sampled_from(["theirs", "pixwhisk", "pixwhisk:other/one#webhook"]),
        prefix_filter_rule=st.none() | FILTERS.filter(bool).map(PrefixFilterRule),
    ),
    max_size=3,
)


@given(foreigners, subscriptions, subscriptions)
def test_a_merge_keeps_everybody_elses_entries(
    foreign: list[QueueConfig], old: Subscription, new: Subscription
) -> None:
    """Merging twice leaves foreign entries in order and the trigger's own as last given, whatever was there."""
    document = merge(NotificationConfig(queue_config_list=foreign), old.trigger, entries(old))
    document = merge(document, old.trigger, entries(new) if new.trigger == old.trigger else entries(old))
    assert document.queue_config_list[: len(foreign)] == foreign
    assert holds(document, old.trigger, document.queue_config_list[len(foreign) :])


@given(foreigners, subscriptions)
def test_a_subscription_is_read_back_as_it_was_written(foreign: list[QueueConfig], wanted: Subscription) -> None:
    """Through the XML that MinIO stores, a subscription comes out as it went in; taking it away leaves no trace."""
    before = NotificationConfig(queue_config_list=foreign)
    after = merge(before, wanted.trigger, entries(wanted))
    stored = NotificationConfig.fromxml(ET.fromstring(marshal(after)))
    assert subscription(stored, wanted.trigger, "images") == wanted
    assert merge(after, wanted.trigger, []) == before


def test_two_triggers_on_one_bucket_do_not_touch_each_other() -> None:
    """One trigger's name may begin with another's."""
    one, other = (Subscription(f"guest/{name}", "images", ARN) for name in ("a", "a#webhook"))
    document = merge(NotificationConfig(), one.trigger, entries(one))
    document = merge(document, other.trigger, entries(other))
    assert subscription(merge(document, one.trigger, []), other.trigger, "images") == other


FIELDS = st.sampled_from(["triggerName", "authKey", "bucket", "prefix", "suffix", "events", "target", "journal"])
VALUES = st.none() | st.text() | st.integers() | st.lists(st.text()) | st.just("/_/t") | st.just("u:p")


@given(st.dictionaries(FIELDS, VALUES))
def test_whatever_is_asked_is_read_or_refused(params: dict[str, Any]) -> None:
    """No parameters raise anything but `BadRequest`."""
    with contextlib.suppress(BadRequest):
        parse_request(params | {"lifecycleEvent": "CREATE"}, "guest")


def asked(**params: Any) -> FeedParameters:
    base = {"lifecycleEvent": "CREATE", "triggerName": "/_/t", "authKey": "u:p"}
    return parse_request(base | params, "guest").parameters


def test_a_wildcard_of_events_becomes_exact_names() -> None:
    """`s3:ObjectCreated:*` would include tagging; the feed subscribes to what changes bytes."""
    assert asked(events="s3:ObjectCreated:*").events == SUBSCRIBED[: len(CREATED)]


def test_the_namespace_of_an_underscore_is_the_callers() -> None:
    """`wsk` sends `/_/t`, wskdeploy `/guest/t`: both mean the same trigger."""
    names = [
        parse_request({"lifecycleEvent": "READ", "triggerName": name, "authKey": "u:p"}, "guest").trigger
        for name in ("/_/t", "/guest/t")
    ]
    assert names[0] == names[1] == FedTrigger("guest", "t", "u:p")


def test_a_key_is_not_shown() -> None:
    """A printed trigger does not hold its key."""
    assert "hush" not in repr(FedTrigger("guest", "t", "u:hush"))


def test_own_targets_differ_and_are_names_minio_takes() -> None:
    """Triggers whose names differ only in what a target cannot hold get different targets."""
    names = {own_target(FedTrigger("guest", name, "u:p")) for name in ("a b", "a-b", "a.b", "A b")}
    assert len(names) == 4
    assert all(name.replace("_", "").isalnum() for name in names)


def test_trigger_urls_are_escaped() -> None:
    """A space or `=` in a trigger's name cannot spill into MinIO's configuration line."""
    url = trigger_url("http://h:1/", FedTrigger("guest", "a b=c", "u:p"))
    assert url == "http://h:1/api/v1/namespaces/guest/triggers/a%20b%3Dc"


def test_journal_may_be_declined_and_asked_for_again() -> None:
    """`journal false` drops the safe lane, an update without it keeps that, `journal true` brings it back."""
    trigger, journal = FedTrigger("guest", "t", "u:p"), "arn:minio:sqs::JOURNAL:postgresql"
    first = resolve_subscription(trigger, asked(bucket="b", journal="false"), None, journal)
    second = resolve_subscription(trigger, asked(prefix="in/"), first, journal)
    third = resolve_subscription(trigger, asked(journal=True), second, journal)
    assert (first.journal, second.journal, third.journal) == (None, None, journal)
    assert first.target == webhook_arn(own_target(trigger))


@pytest.mark.parametrize("name", ["", "t", "/a/b/c", "a//b"])
def test_a_trigger_name_needs_a_namespace(name: str) -> None:
    """Anything but /namespace/trigger is refused."""
    with pytest.raises(BadRequest, match="triggerName"):
        parse_request({"lifecycleEvent": "READ", "triggerName": name, "authKey": "u:p"}, "guest")
