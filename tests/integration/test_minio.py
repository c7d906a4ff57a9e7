"""The embedded MinIO."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from minio import Minio
from minio.error import S3Error
from minio.notificationconfig import NotificationConfig, QueueConfig

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
def provided(minio: RunningMinio, tmp_path: Path) -> dict[str, Minio]:
    """Clients of the two least users."""
    users = (User("reader", READER, Credentials.random()), User("feed", FEED, Credentials.random()))
    provide(minio.endpoint, minio.server.root, users, tmp_path / "mark")
    host = minio.endpoint.removeprefix("http://")
    return {
        user.policy: Minio(host, user.credentials.access_key, user.credentials.secret_key, secure=False)
        for user in users
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


def put(client: Minio, bucket: str) -> None:
    client.put_object(bucket_name=bucket, object_name="a", data=io.BytesIO(b"x"), length=1)


def refused(attempt: Callable[[], object]) -> str | None:
    with pytest.raises(S3Error) as error:
        attempt()
    return error.value.code
