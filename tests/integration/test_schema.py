"""All that is ours in a schema of its own, in a database where another program has `public`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from minio.notificationconfig import NotificationConfig, QueueConfig
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from actions.events import SUBSCRIBED
from actions.messages import ModelReference
from actions.settings import place_in_schema
from actions.store.results import database_url as sqlalchemy_url
from actions.store.schema import Base
from actions.view.__main__ import main as view
from infra.database import migrations
from infra.database.vectors import INDEX
from infra.deployment.external import read_database_url
from infra.services.minio import JournalTarget
from infra.services.postgres import OWNER, Role
from tests.fixtures.deployment import pixwhisk
from tests.fixtures.minio import RunningMinio, running_minio, until
from tests.fixtures.postgres import Database
from tests.integration.test_sweep import StandIn, run
from triggers.sweep.inbox import opened
from triggers.sweep.settings import SweepSettings

SCHEMA = "pixwhisk"
# Names that are ours as well, and what is not ours in the place where Alembic notes revisions.
OF_ANOTHER = """
CREATE TABLE customers (name text); CREATE TABLE objects (id int); CREATE TABLE models (id int);
CREATE TABLE inbox (event_time timestamptz, event_data text);
CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0003');
"""
IN_PUBLIC = """
SELECT 'relation', relname, relkind::text, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'function', oid::regprocedure::text, prosrc, proacl::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'revision', version_num, '', '' FROM public.alembic_version
UNION ALL SELECT 'event', event_data, '', '' FROM public.inbox
UNION ALL SELECT 'schema', nspname, '', nspacl::text FROM pg_namespace WHERE nspname = 'public'
"""


@pytest.fixture
def shared(database: Database) -> Iterator[Database]:
    """A database that another program filled, in which nothing has changed in the end."""
    with database.connect() as connection:
        empty = sql.SQL("DROP OWNED BY {} CASCADE; CREATE SCHEMA IF NOT EXISTS public")
        connection.execute(empty.format(sql.Identifier(OWNER)))
        connection.execute(OF_ANOTHER)
        before = sorted(map(str, connection.execute(IN_PUBLIC)))
        yield database
        assert sorted(map(str, connection.execute(IN_PUBLIC))) == before


def url_in_schema(database: Database, role: Role = OWNER) -> str:
    """As the variables of an operator name it."""
    found = read_database_url({"DATABASE_URL": database.url(role), "PIXWHISK_SCHEMA": SCHEMA})
    assert found is not None
    return found


def test_a_schema_of_its_own_is_made_with_all_that_is_ours(shared: Database) -> None:
    """What is in `public` is no reason to refuse; the tables agree with their description, and again is nothing."""
    url = url_in_schema(shared)
    migrations.refuse_foreign(url)
    assert migrations.revision(url) is None
    migrations.migrate(url)
    migrations.migrate(url)
    assert migrations.revision(url) == migrations.newest_revision()
    with create_engine(sqlalchemy_url(url), poolclass=NullPool).connect() as connection:
        options = {"include_object": lambda _object, name, *_: name != INDEX}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []
    with psycopg.connect(url) as connection:
        named = "SELECT proname FROM pg_proc WHERE pronamespace = %s::regnamespace AND proconfig::text LIKE %s"
        assert connection.execute(named, (SCHEMA, "%public%")).fetchall() == []
        assert connection.execute(named, (SCHEMA, f"%{SCHEMA}%")).fetchall() != []


def test_from_an_upload_to_a_clean_audit(shared: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MinIO's journal, the sweep, `store`, `view` and `audit`, each by its own role, all find the schema."""
    url = url_in_schema(shared)
    migrations.migrate(url)
    migrations.activate_models(url, [ModelReference("lite0", "sha256:aa")])
    journal = JournalTarget(
        "JOURNAL", f"{url_in_schema(shared, 'pixwhisk_journal')}&sslmode=disable", tmp_path / "queue"
    )
    with running_minio(tmp_path, targets=[journal]) as minio:
        upload(minio, "a.jpg")
        with psycopg.connect(url, autocommit=True) as connection:
            until(lambda: connection.execute("SELECT key FROM inbox").fetchone(), "MinIO did not reach the inbox")
        sweep(shared)
        monkeypatch.setenv("DATABASE_URL", shared.url("pixwhisk_view"))
        monkeypatch.setenv("PIXWHISK_SCHEMA", SCHEMA)
        assert '"a.jpg"' in json.dumps(view({"format": "json"}))
        environ = {
            **os.environ,
            "PIXWHISK_DATA": str(tmp_path / "none"),
            "DATABASE_URL": shared.url(),
            "AWS_ENDPOINT_URL_S3": minio.endpoint,
            "AWS_ACCESS_KEY_ID": minio.access_key,
            "AWS_SECRET_ACCESS_KEY": minio.secret_key,
        }
        audited: dict[str, Any] = json.loads(
            pixwhisk("audit", "--json", "--grace", "0", env=environ, check=False).stdout
        )
        # The subscription is half of what it should be: there is no OpenWhisk.
        assert (audited["differences"], audited["listed"], audited["settled"]) == ([], 1, 1), audited
        assert "nothing to change" in pixwhisk("migrate", env=environ).stdout
        assert "a.jpg" in pixwhisk("results", "--json", env=environ).stdout


def upload(minio: RunningMinio, key: str) -> None:
    """Into a bucket of which MinIO's journal hears."""
    client = minio.client()
    client.make_bucket(bucket_name="images")
    queue = QueueConfig(queue="arn:minio:sqs::JOURNAL:postgresql", events=list(SUBSCRIBED))
    client.set_bucket_notification(bucket_name="images", config=NotificationConfig(queue_config_list=[queue]))
    client.fput_object(bucket_name="images", object_name=key, file_path=__file__)


def sweep(database: Database) -> None:
    """All that is due, and what was settled long ago is pruned."""
    environ = {"DATABASE_URL": database.url("pixwhisk_sweep"), "PIXWHISK_SCHEMA": SCHEMA}
    settings = SweepSettings.from_params({}, environ | {"WSK_APIHOST": "http://127.0.0.1:9", "WSK_AUTH": "u:k"})
    runs = StandIn(url_in_schema(database, "pixwhisk_store"))
    with opened(settings.database_url, settings.lease) as inbox:
        with psycopg.connect(url_in_schema(database), autocommit=True) as connection:
            connection.execute("UPDATE inbox SET next_at = now()")
        assert run(inbox, runs, settings).done == 1
        inbox.prune()
    runs.forget()


def test_a_url_keeps_what_it_asks_of_its_sessions() -> None:
    """Ours comes last; saying it again changes nothing."""
    asked = "postgresql://u:p%40@h/d?options=-c%20work_mem%3D8MB&sslmode=require"
    placed = place_in_schema(asked, "own")
    assert psycopg.conninfo.conninfo_to_dict(placed) == {
        **psycopg.conninfo.conninfo_to_dict(asked),
        "options": "-c work_mem=8MB -c search_path=own",
    }
    assert place_in_schema(placed, "own") == placed
