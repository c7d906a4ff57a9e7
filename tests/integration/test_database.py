"""The schema as the migrations make it, and what each role may do with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from actions.causes import name_database_cause
from actions.errors import DatabaseUnavailable
from actions.store.__main__ import main as store
from actions.store.results import database_url as sqlalchemy_url
from actions.store.schema import Base
from infra.database import migrations as schema
from infra.database.refusal import is_refused
from infra.database.vectors import INDEX
from infra.services.postgres import Role
from tests.fixtures.outcomes import outcome
from tests.fixtures.postgres import Database, Server
from triggers.sweep.inbox import opened


def test_migrations_and_schema_agree(database: Database) -> None:
    """What the migrations made is what `actions.store.schema` describes: nothing more, nothing less."""
    engine = create_engine(sqlalchemy_url(database.url()), poolclass=NullPool)
    with engine.connect() as connection:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            # Made where the server has pgvector.
            "include_object": lambda _object, name, *_: name != INDEX,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_newest_revision_is_read_off_the_files() -> None:
    """The quick look at the files' names agrees with Alembic, which has one head and a straight line to it."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.newest_revision()]


def test_migrating_again_changes_nothing(database: Database) -> None:
    """`migrate` may be called at every start."""
    schema.migrate(database.url())
    with database.connect() as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert found == [(schema.newest_revision(),)]


def test_a_schema_of_a_later_release_is_left_alone(database: Database) -> None:
    """An older program says so and changes nothing, whether it was to migrate or only to look."""
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for touch in (schema.migrate, schema.revision):
        with pytest.raises(schema.NewerSchema, match="schema is 9999"):
            touch(database.url())


def test_a_server_that_refuses_is_told_from_one_that_is_away(database: Database) -> None:
    """A wrong password and a missing database are a refusal; nobody at the socket is not, nor a server that ends."""
    wrong_password = make_conninfo(database.url(), password="wrong")
    for refusing in (wrong_password, make_conninfo(database.url(), dbname="nowhere")):
        with pytest.raises(psycopg.OperationalError) as refusal:
            psycopg.connect(refusing)
        assert is_refused(refusal.value)
    with pytest.raises(psycopg.OperationalError) as absence:
        psycopg.connect(make_conninfo(wrong_password, port=1))
    assert not is_refused(absence.value)
    with database.connect() as connection, pytest.raises(psycopg.OperationalError) as ending:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert not is_refused(ending.value)


def test_why_no_connection_came_about_keeps_its_name(database: Database, postgres_server: Server) -> None:
    """Of too many connections, above all: libpq has no code for it, and the actions do not hand its words on."""
    limit = "ALTER ROLE pixwhisk_sweep CONNECTION LIMIT {}"
    url = database.url("pixwhisk_sweep")
    postgres_server.administer(sql.SQL(limit).format(sql.Literal(0)))
    try:
        with (
            pytest.raises(DatabaseUnavailable, match="53300 too_many_connections"),
            opened(url, timedelta(seconds=1)),
        ):
            pass
        refused = store({"outcomes": [outcome("a", "1")], "DATABASE_URL": url})["error"]
        assert "53300 too_many_connections" in refused["message"]
        assert "pixwhisk_sweep" not in refused["message"]
    finally:
        postgres_server.administer(sql.SQL(limit).format(sql.Literal(-1)))
    for wrong, named in (
        (make_conninfo(database.url(), password="wrong"), "28P01: our key is refused"),
        ("host=127.0.0.1 port=1", "connection refused"),
        ("host=nowhere.invalid", "its host's name is not known"),
    ):
        with pytest.raises(psycopg.OperationalError) as failure:
            psycopg.connect(wrong)
        assert name_database_cause(failure.value) == named


def test_a_lock_that_is_held_is_a_refusal(database: Database) -> None:
    """`migrate` gives up waiting for one, and then says so, not that Postgres is away."""
    with database.connect() as holder, database.connect() as waiter, holder.transaction():
        holder.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
        waiter.execute("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.OperationalError) as gave_up:
            waiter.execute("SELECT 1 FROM inbox")
    assert is_refused(gave_up.value)


def test_two_migrations_at_once_take_turns(postgres_server: Server) -> None:
    """Both return with the database migrated."""
    name = "test_two_at_once"
    postgres_server.administer(sql.SQL("CREATE DATABASE {} OWNER pixwhisk").format(sql.Identifier(name)))
    url = postgres_server.postgres.database_url(database=name)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(schema.migrate, url) for _ in range(2)]:
            done.result()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (0,)
    postgres_server.administer(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("pixwhisk_store", "DELETE FROM objects"),
        ("pixwhisk_store", "SELECT event_data FROM inbox"),
        ("pixwhisk_store", "INSERT INTO inbox (event_data) VALUES ('')"),
        ("pixwhisk_store", "DELETE FROM inbox"),
        ("pixwhisk_store", "UPDATE models SET active = false"),
        ("pixwhisk_store", "INSERT INTO models (name, digest, active) VALUES ('a', 'b', true)"),
        ("pixwhisk_store", "INSERT INTO models (id, name, digest) OVERRIDING SYSTEM VALUE VALUES (1, 'a', 'b')"),
        ("pixwhisk_store", "UPDATE inbox SET event_data = ''"),
        ("pixwhisk_view", "DELETE FROM outcomes"),
        ("pixwhisk_view", "INSERT INTO objects (bucket, key) VALUES ('a', 'b')"),
        ("pixwhisk_view", "SELECT * FROM inbox"),
        ("pixwhisk_journal", "SELECT event_data FROM inbox"),
        ("pixwhisk_journal", "SELECT * FROM results"),
        ("pixwhisk_journal", "INSERT INTO inbox (event_data, state) VALUES ('', 'settled')"),
        ("pixwhisk_journal", "UPDATE inbox SET event_time = now()"),
        ("pixwhisk_journal", "DELETE FROM inbox"),
        ("pixwhisk_sweep", "DELETE FROM objects"),
        ("pixwhisk_sweep", "INSERT INTO outcomes (object_id, model_id, status) VALUES (1, 1, 'deleted')"),
        ("pixwhisk_store", "DROP TABLE inbox"),
        ("pixwhisk_store", "DELETE FROM alembic_version"),
    ],
)
def test_a_role_may_not_do_more_than_its_work(database: Database, role: Role, statement: str) -> None:
    """Least privilege: each role is refused what it has no need of."""
    with database.connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


FORBIDDEN_TO_ALL = (
    "CREATE TABLE own (a int)",
    "CREATE TEMPORARY TABLE own (a int)",
    "CREATE SCHEMA own",
    "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE own",
    "CREATE DATABASE own",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SET ROLE pixwhisk",
    "GRANT pixwhisk TO CURRENT_USER",
    "SET session_replication_role = replica",
    "ALTER TABLE inbox DISABLE ROW LEVEL SECURITY",
    "TRUNCATE inbox, objects, outcomes",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'held')",
    "SELECT lo_export(1, '/tmp/pixwhisk-exported')",
    "SELECT lo_get(1)",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/pixwhisk-copied'",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "SELECT pg_reload_conf()",
)


def may(connection: psycopg.Connection, statement: str) -> bool:
    try:
        connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


@pytest.mark.parametrize("role", ["pixwhisk_store", "pixwhisk_view", "pixwhisk_journal", "pixwhisk_sweep"])
def test_no_role_leaves_its_tables(database: Database, role: Role) -> None:
    """None makes anything of its own, gains rights, reads files or runs programs, or becomes another."""
    with database.connect(role) as connection, database.connect("pixwhisk"):
        assert [each for each in FORBIDDEN_TO_ALL if may(connection, each)] == []


def test_not_even_the_owner_leaves_the_database(database: Database) -> None:
    """Who owns the tables, as `pixwhisk env` names it, is no superuser: no files, no programs, no other passwords."""
    beyond = ("ROLE own", "DATABASE", "SUPERUSER", "SYSTEM", "pg_", "lo_import", "COPY")
    with database.connect() as connection, database.connect("pixwhisk_view"):
        statements = [each for each in FORBIDDEN_TO_ALL if any(word in each for word in beyond)]
        assert [each for each in statements if may(connection, each)] == []


def test_a_model_that_is_learnt_is_not_active(database: Database) -> None:
    """Where some are active. Where nobody has said so, all that classify at once are."""
    learn = "INSERT INTO models (name, digest) VALUES ('a', '1'), ('b', '2') RETURNING active"
    later = "INSERT INTO models (name, digest) VALUES ('c', '3') RETURNING active"
    with database.connect("pixwhisk_store") as connection:
        assert connection.execute(learn).fetchall() == [(True,), (True,)]
        assert connection.execute(later).fetchall() == [(False,)]


def test_grants_of_an_earlier_release_are_taken_back(database: Database) -> None:
    """What a role may do is what this release says, not what any ever said."""
    with database.connect() as owner:
        owner.execute("GRANT ALL ON models, inbox TO pixwhisk_view")
        owner.execute("GRANT INSERT ON models TO pixwhisk_store")
        owner.commit()
        schema.migrate(database.url())
        asked = "SELECT has_table_privilege('pixwhisk_view', 'inbox', 'SELECT, INSERT, UPDATE, DELETE'),"
        asked += " has_table_privilege('pixwhisk_store', 'models', 'INSERT')"
        assert owner.execute(asked).fetchone() == (False, False)


def test_settings_that_a_role_gave_itself_end_with_the_next_start(database: Database, postgres_server: Server) -> None:
    """Otherwise a search path, once set for a role, would lead all its later sessions."""
    with database.connect("pixwhisk_view") as connection:
        connection.execute("ALTER ROLE CURRENT_USER SET search_path = pg_temp")
    postgres_server.postgres.provision()
    with database.connect("pixwhisk_view") as connection:
        assert connection.execute("SHOW search_path").fetchone() == ('"$user", public',)


def test_the_page_changes_nothing(database: Database) -> None:
    """The page's role is refused every way to write to every relation there is."""
    with database.connect() as owner:
        found = owner.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace"
        )
        relations = [row[0] for row in found]
    assert {"inbox", "objects", "outcomes", "models", "results", "work"} <= set(relations)
    with database.connect("pixwhisk_view") as connection:
        for relation in relations:
            for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
                asked = connection.execute("SELECT has_table_privilege(%s, %s)", (relation, right)).fetchone()
                assert asked == (False,), (relation, right)


def test_a_role_needs_its_own_password(database: Database, postgres_server: Server) -> None:
    """One role's password opens no other's door, though the socket is the same."""
    address = database.url("pixwhisk_view")
    for role in ("pixwhisk", "pixwhisk_store", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(address.replace("//pixwhisk_view:", f"//{role}:"))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(postgres_server.postgres.database_url("pixwhisk_view", "template1"))


def test_view_reads_what_it_shows(database: Database) -> None:
    """The page's role reads the three views."""
    with database.connect("pixwhisk_view") as connection:
        for view in ("results", "current_results", "work"):
            statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(view))
            assert connection.execute(statement).fetchone() == (0,)


def test_a_database_of_somebodys_own_needs_no_roles_of_ours(postgres_server: Server) -> None:
    """Where the roles do not exist, one role does all."""
    with psycopg.connect(postgres_server.postgres.database_url()) as connection:
        assert schema._find_existing(connection, ["nobody_here", "pixwhisk_view"]) == ["pixwhisk_view"]
