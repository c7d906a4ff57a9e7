"""The listener against a real MinIO: what is uploaded is heard of at once, and what is not subscribed to is not."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from minio import Minio
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig

from actions.events import SUBSCRIBED
from infra.services.minio import Credentials, WebhookTarget
from infra.services.minio_users import LISTENER, User, provide
from tests.fixtures.minio import RunningMinio, free_port, running_minio, until
from triggers.sweep import hearing
from triggers.sweep.hearing import Listener, ListenSettings

BUCKET = "images"


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMinio]:
    """With a subscription for keys below `in/`, and a target that nobody answers at."""
    target = WebhookTarget("FAST", f"http://127.0.0.1:{free_port()}/hook", "u:k")
    with running_minio(tmp_path_factory.mktemp("hearing"), targets=[target]) as running:
        running.client().make_bucket(bucket_name=BUCKET)
        subscribe(running.client(), "in/")
        yield running


def subscribe(client: Minio, prefix: str) -> None:
    entry = QueueConfig(
        events=list(SUBSCRIBED),
        config_id="pixwhisk:guest/image-uploaded#webhook",
        prefix_filter_rule=PrefixFilterRule(prefix),
        queue="arn:minio:sqs::FAST:webhook",
    )
    client.set_bucket_notification(bucket_name=BUCKET, config=NotificationConfig(queue_config_list=[entry]))


class Ear:
    """A listener, and what it heard and said."""

    def __init__(self, store: RunningMinio, keys: Credentials) -> None:
        self.heard: list[str] = []
        self.said: list[str] = []
        settings = ListenSettings(store.endpoint, keys.access_key, keys.secret_key, BUCKET)
        self.listener = Listener(settings, self.take, self.said.append)

    def take(self, record: Mapping[str, Any]) -> None:
        self.heard.append(record["s3"]["object"]["key"])


@contextlib.contextmanager
def listening(store: RunningMinio, keys: Credentials) -> Iterator[Ear]:
    ear = Ear(store, keys)
    ear.listener.hurry(True)
    try:
        yield ear
    finally:
        ear.listener.close()


def put(store: RunningMinio, key: str) -> None:
    store.client().put_object(bucket_name=BUCKET, object_name=key, data=io.BytesIO(b"x" * 99), length=99)


def hears(store: RunningMinio, ear: Ear, key: str, escaped: str) -> None:
    """Puts the object until it is heard of: a stream may not have been open for the first."""

    def heard() -> bool:
        put(store, key)
        return escaped in ear.heard

    until(heard, f"{key} was not heard of")


def test_what_is_subscribed_to_is_heard_of(store: RunningMinio) -> None:
    """With the keys of a user who may do nothing else; the last of a few uploads, too, which MinIO would keep back."""
    keys = Credentials.random()
    provide(store.endpoint, store.server.root, (User("listener", LISTENER, keys),), store.server.directory / "mark")
    with listening(store, keys) as ear:
        hears(store, ear, "in/a b.jpg", "in%2Fa+b.jpg")
        put(store, "out/c.jpg")
        put(store, "in/last.jpg")
        until(lambda: "in%2Flast.jpg" in ear.heard, "the last one was not heard of")
        assert not [key for key in ear.heard if key.startswith("out")]
        assert ear.said == []


def test_a_subscription_that_changes_is_followed(store: RunningMinio) -> None:
    """Soon, though not at once."""
    with listening(store, store.server.root) as ear:
        hears(store, ear, "in/a.jpg", "in%2Fa.jpg")
        subscribe(store.client(), "out/")
        hears(store, ear, "out/b.jpg", "out%2Fb.jpg")


def test_who_may_not_listen_says_so_once(store: RunningMinio, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on with the journal alone; a policy that comes later helps."""
    monkeypatch.setattr(hearing, "PAUSE_REFUSED", 0.1)
    keys = Credentials.random()
    deaf = {**LISTENER, "Statement": [{"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": ["*"]}]}
    provide(store.endpoint, store.server.root, (User("deaf", deaf, keys),), store.server.directory / "deaf")
    with listening(store, keys) as ear:
        until(lambda: ear.said, "it does not say so")
        provide(store.endpoint, store.server.root, (User("deaf", LISTENER, keys),), store.server.directory / "deaf")
        hears(store, ear, "in/a.jpg", "in%2Fa.jpg")
        assert ear.said == ["sweep: hears of uploads by the journal alone: AccessDenied"]


def test_a_minio_that_was_killed_is_heard_again(store: RunningMinio) -> None:
    """As soon as it is back."""
    with listening(store, store.server.root) as ear:
        hears(store, ear, "in/a.jpg", "in%2Fa.jpg")
        store.process.kill()
        store.process.wait()
        until(lambda: ear.said, "nothing was said")
        with restarted(store):
            hears(store, ear, "in/b.jpg", "in%2Fb.jpg")


@contextlib.contextmanager
def restarted(store: RunningMinio) -> Iterator[None]:
    command = store.server.command()
    process = subprocess.Popen(command.arguments, env=dict(command.environment), cwd=command.directory)
    try:
        until(store.server.ready, "MinIO did not come back")
        yield
    finally:
        process.kill()
        process.wait()
