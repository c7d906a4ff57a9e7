"""The embedded MinIO."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from minio import Minio, MinioAdmin
from minio.commonconfig import CopySource, Tags
from minio.credentials.providers import StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import MinioAdminException, S3Error
from minio.notificationconfig import NotificationConfig, QueueConfig
from minio.versioningconfig import VersioningConfig

from infra.services.minio import Credentials, JournalTarget, WebhookTarget
from infra.services.minio_users import FEED, READER, User, provide
from tests.fixtures.minio import RunningMinio, free_port, running_minio, until
from tests.fixtures.postgres import Database


def test_it_stores_what_is_put(minio: RunningMinio, bucket: str) -> None:
    """An object put into a fresh bucket can be read back."""
    client = minio.client()
    client.put_object(bucket_name=bucket, object_name="a dir/cat 1.jpg", data=io.BytesIO(b"cat"), length=3)
    with client.get_object(bucket_name=bucket, object_name="a dir/cat 1.jpg") as answer:
        assert answer.read() == b"cat"


def test_secrets_stay_out_of_arguments_and_representations(minio: RunningMinio) -> None:
    """Neither the command line nor a printed server shows a secret."""
    server = minio.server
    shown = " ".join(server.command().arguments) + repr(server)
    hook, journal = (
        WebhookTarget("FAST", "http://h", "id:hush"),
        JournalTarget("JOURNAL", "password=hush", server.directory),
    )
    assert server.root.secret_key not in shown
    assert "hush" not in repr([hook, journal])


def test_both_lanes_get_an_upload(database: Database, tmp_path: Path) -> None:
    """The journal's row is in `inbox` seconds after the PUT, under the insert-only role, though the webhook is down."""
    hook = WebhookTarget("FAST", f"http://127.0.0.1:{free_port()}/nobody", "uuid:secret")
    journal = JournalTarget("JOURNAL", database.keywords(), tmp_path / "journal")
    with running_minio(tmp_path / "minio", targets=[hook, journal]) as running:
        client = running.client()
        client.make_bucket(bucket_name="images")
        document = NotificationConfig(
            queue_config_list=[
                QueueConfig(queue=f"arn:minio:sqs::{target}", events=["s3:ObjectCreated:Put"], config_id=target)
                for target in ("FAST:webhook", "JOURNAL:postgresql")
            ]
        )
        client.set_bucket_notification(bucket_name="images", config=document)
        client.put_object(bucket_name="images", object_name="a b.jpg", data=io.BytesIO(b"x"), length=1)
        with database.connect() as connection:
            until(lambda: connection.execute("SELECT FROM inbox").fetchone() is not None, "no row in the inbox")
            row = connection.execute("SELECT bucket, key FROM inbox").fetchone()
    assert row == ("images", "a b.jpg")


@pytest.fixture
def users(minio: RunningMinio, tmp_path: Path) -> dict[str, Credentials]:
    """The credentials of the two least users."""
    made = (User("reader", READER, Credentials.random()), User("feed", FEED, Credentials.random()))
    provide(minio.endpoint, minio.server.root, made, tmp_path / "mark")
    return {user.policy: user.credentials for user in made}


@pytest.fixture
def provided(minio: RunningMinio, users: dict[str, Credentials]) -> dict[str, Minio]:
    """Clients of theirs."""
    host = minio.endpoint.removeprefix("http://")
    return {name: Minio(host, keys.access_key, keys.secret_key, secure=False) for name, keys in users.items()}


@pytest.fixture
def administrations(minio: RunningMinio, users: dict[str, Credentials]) -> dict[str, MinioAdmin]:
    """The administration, as far as they get."""
    host = minio.endpoint.removeprefix("http://")
    return {
        name: MinioAdmin(endpoint=host, credentials=StaticProvider(keys.access_key, keys.secret_key), secure=False)
        for name, keys in users.items()
    }


def test_the_reader_may_only_read(minio: RunningMinio, bucket: str, provided: dict[str, Minio]) -> None:
    """`classify`'s user reads an object and sees that one is missing; it cannot write, delete or subscribe."""
    put(minio.client(), bucket)
    reader = provided["reader"]
    with reader.get_object(bucket_name=bucket, object_name="a") as answer:
        assert answer.read() == b"x"
    assert refused(lambda: reader.stat_object(bucket_name=bucket, object_name="missing")) == "NoSuchKey"
    assert refused(lambda: put(reader, bucket)) == "AccessDenied"
    assert refused(lambda: reader.remove_object(bucket_name=bucket, object_name="a")) == "AccessDenied"
    empty = NotificationConfig()
    assert refused(lambda: reader.set_bucket_notification(bucket_name=bucket, config=empty)) == "AccessDenied"


def test_the_feed_may_only_subscribe(minio: RunningMinio, bucket: str, provided: dict[str, Minio]) -> None:
    """The feed's user sees buckets and their notifications, and no object."""
    put(minio.client(), bucket)
    feed = provided["feed"]
    assert bucket in [each.name for each in feed.list_buckets()]
    feed.set_bucket_notification(bucket_name=bucket, config=NotificationConfig())
    assert refused(lambda: feed.get_object(bucket_name=bucket, object_name="a")) == "AccessDenied"
    assert refused(lambda: put(feed, bucket)) == "AccessDenied"


@pytest.mark.parametrize("user", ["reader", "feed"])
def test_neither_user_changes_a_bucket_or_what_is_in_it(
    bucket: str, minio: RunningMinio, provided: dict[str, Minio], user: str
) -> None:
    """No object, version, tag, copy, policy or bucket is made, changed or removed with their keys."""
    put(minio.client(), bucket)
    client = provided[user]
    named: dict[str, Any] = {"bucket_name": bucket, "object_name": "a"}
    tags = Tags.new_object_tags()
    tags["a"] = "b"
    attempts: list[Callable[[], object]] = [
        lambda: put(client, bucket),
        lambda: client.remove_object(**named),
        lambda: client.remove_object(**named, version_id=str(uuid.UUID(int=1))),
        lambda: client.copy_object(
            bucket_name=bucket, object_name="b", source=CopySource(bucket_name=bucket, object_name="a")
        ),
        lambda: client.set_object_tags(**named, tags=tags),
        lambda: client.make_bucket(bucket_name="another"),
        lambda: client.remove_bucket(bucket_name=bucket),
        lambda: client.set_bucket_policy(bucket_name=bucket, policy=json.dumps(READER)),
        lambda: client.get_bucket_policy(bucket_name=bucket),
        lambda: client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig("Enabled")),
    ]
    assert {refused(attempt) for attempt in attempts} == {"AccessDenied"}
    removed = list(client.remove_objects(bucket_name=bucket, delete_object_list=[DeleteObject("a")]))
    assert [each.code for each in removed] == ["AccessDenied"]
    with minio.client().get_object(**named) as answer:
        assert answer.read() == b"x"


@pytest.mark.parametrize("user", ["reader", "feed"])
def test_neither_user_gains_rights(
    administrations: dict[str, MinioAdmin], users: dict[str, Credentials], user: str
) -> None:
    """They see and make no user, policy or further keys of their own, not even another secret for themselves."""
    own, administration = users[user], administrations[user]
    attempts: list[Callable[[], object]] = [
        administration.user_list,
        lambda: administration.user_add("intruder", "intruder-secret"),
        lambda: administration.user_add(own.access_key, "another-secret"),
        lambda: administration.policy_set("consoleAdmin", user=own.access_key),
        lambda: administration.policy_add(
            user, policy={**READER, "Statement": [{"Effect": "Allow", "Action": ["s3:*"]}]}
        ),
        lambda: administration.add_service_account(access_key="durable-keys", secret_key="durable-secret"),
        administration.service_stop,
        administration.info,
    ]
    for attempt in attempts:
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            attempt()


def test_the_reader_has_no_say_in_the_configuration(administrations: dict[str, MinioAdmin]) -> None:
    """Of the two only the feed, which declares targets for triggers, has."""
    reader = administrations["reader"]
    attempts: list[Callable[[], object]] = [
        lambda: reader.config_set("notify_webhook:own", {"endpoint": "http://127.0.0.1:9"}),
        reader.service_restart,
    ]
    for attempt in attempts:
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            attempt()
    assert administrations["feed"].config_get("notify_webhook")


def put(client: Minio, bucket: str) -> None:
    client.put_object(bucket_name=bucket, object_name="a", data=io.BytesIO(b"x"), length=1)


def refused(attempt: Callable[[], object]) -> str | None:
    with pytest.raises(S3Error) as error:
        attempt()
    return error.value.code
