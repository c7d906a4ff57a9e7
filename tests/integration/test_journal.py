"""The safe lane for real: MinIO's PostgreSQL target writes the inbox with the role it is given."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.notificationconfig import NotificationConfig, QueueConfig
from minio.versioningconfig import VersioningConfig

from actions.events import SUBSCRIBED
from infra.database.migrations import migrate
from infra.services.minio import JournalTarget
from tests.fixtures.minio import running_minio, until
from tests.fixtures.postgres import Server, running_postgres

KEYS = [
    "plain.jpg",
    "a dir/cat 1+1=2 100%.jpg",
    "ünï/😀&?#.jpg",
    "quote'\"; DROP TABLE inbox --",
    "back\\slash",
    "+",
    "%41",
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Postgres that may be killed."""
    with running_postgres() as running:
        migrate(running.postgres.database_url())
        yield running


@pytest.fixture(scope="module")
def client(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """A MinIO that journals bucket `images`, versioned, and `plain`, not."""
    directory = tmp_path_factory.mktemp("m")
    journal = JournalTarget("JOURNAL", server.postgres.keywords(), directory / "queue")
    with running_minio(directory, targets=[journal]) as minio:
        client = minio.client()
        for bucket in ("images", "plain"):
            client.make_bucket(bucket_name=bucket)
            queue = QueueConfig(queue="arn:minio:sqs::JOURNAL:postgresql", events=list(SUBSCRIBED))
            client.set_bucket_notification(bucket_name=bucket, config=NotificationConfig(queue_config_list=[queue]))
        client.set_bucket_versioning(bucket_name="images", config=VersioningConfig(ENABLED))
        yield client


def put(client: Minio, bucket: str, key: str) -> Any:
    return client.put_object(bucket_name=bucket, object_name=key, data=io.BytesIO(b"bytes"), length=5)


def journalled(server: Server, bucket: str, count: int) -> list[tuple[Any, ...]]:
    """The bucket's rows, once there are that many."""
    found: list[tuple[Any, ...]] = []

    def enough() -> bool:
        with psycopg.connect(server.postgres.database_url()) as connection:
            found[:] = connection.execute(
                "SELECT key, kind, version_id, sequencer, etag, state FROM inbox WHERE bucket = %s"
                " ORDER BY sequencer, finality",
                (bucket,),
            ).fetchall()
        return len(found) >= count

    until(enough, f"fewer than {count} rows for {bucket}")
    return found


def test_every_key_arrives_as_it_was_put(server: Server, client: Minio) -> None:
    """Spaces, plus, percent, unicode, quotes: unescaped exactly once, with ETag, in the order of the uploads."""
    etags = [put(client, "plain", key).etag for key in KEYS]
    found = journalled(server, "plain", len(KEYS))
    assert [row[0] for row in found] == KEYS
    assert [row[4] for row in found] == etags
    assert {row[1:3] + row[5:] for row in found} == {("created", "", "pending")}


def test_versions_markers_and_removals_are_told_apart(server: Server, client: Minio) -> None:
    """Each is an event of its own version, and the end of a version never sorts before its beginning."""
    first, second = put(client, "images", "a").version_id, put(client, "images", "a").version_id
    client.remove_object(bucket_name="images", object_name="a")
    client.remove_object(bucket_name="images", object_name="a", version_id=first)
    found = journalled(server, "images", 4)
    kinds = {(kind, version) for _, kind, version, *_ in found}
    marker = next(version for kind, version in kinds if kind == "marker")
    assert kinds == {("created", first), ("created", second), ("marker", marker), ("removed", first)}
    of_first = [row for row in found if row[2] == first]
    assert [row[1] for row in of_first] == ["created", "removed"]
    client.remove_object(bucket_name="images", object_name="a", version_id=marker)
    found = journalled(server, "images", 5)
    # MinIO's word for both; only the sequencers differ.
    assert [row[1] for row in found if row[2] == marker] == ["marker", "marker"]
    creation, removal = (int(row[3], 16) for row in found if row[2] == marker)
    assert removal > creation


def test_what_is_put_while_postgres_is_away_arrives(server: Server, client: Minio) -> None:
    """MinIO's own queue holds the events; no upload waits, none is lost."""
    before = len(journalled(server, "plain", 0))
    server.kill()
    for number in range(20):
        put(client, "plain", f"away-{number}")
    server.start()
    found = journalled(server, "plain", before + 20)
    assert {f"away-{number}" for number in range(20)} <= {row[0] for row in found}
    with psycopg.connect(server.postgres.database_url()) as connection:
        assert connection.execute("SELECT to_regclass('pixwhisk_journal.inbox')").fetchone() == (None,)
        assert connection.execute("SELECT count(*) FROM inbox WHERE state = 'parked'").fetchone() == (0,)
