"""The database's schema, brought up to date: Alembic under one lock, then what each role may touch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from actions.messages import ModelReference
from actions.settings import add_options
from actions.statements import statements
from infra.database.address import database_place, read_schema
from infra.database.vectors import index_embeddings
from infra.errors import OperatorError
from infra.paths import ROOT

MIGRATIONS = ROOT / "actions" / "store" / "migrations"
_ADD_MODELS = """
INSERT INTO models (name, digest, active)
SELECT *, false FROM unnest(%(names)s::text[], %(digests)s::text[]) ON CONFLICT DO NOTHING
"""
# The very first model owes everything; a later one what comes from now on, for others have answered the rest.
_SWITCH_MODELS = """
UPDATE models SET active = NOT active,
    active_since = CASE WHEN active OR NOT EXISTS (SELECT FROM outcomes) THEN active_since ELSE clock_timestamp() END
WHERE active <> ((name, digest) IN (SELECT * FROM unnest(%(names)s::text[], %(digests)s::text[])))
"""
# Any number no other program is likely to lock.
MIGRATION_LOCK = 0x7069_7877
# Beside another program's `alembic_version`.
OWN_VERSION_TABLE = "pixwhisk_version"
# Waiting behind a long query would queue every other query behind us.
TIMEOUTS = "-c lock_timeout=10s -c statement_timeout=120s"

# All that a grant is about: what was granted by an earlier release, and is not below, is taken back.
GRANTED_ON = (
    *("models", "objects", "outcomes", "inbox", "backbones", "embeddings", "example_labels", "bursts"),
    *("results", "current_results", "work", "current_embeddings", "audits", "subscriptions", "examples"),
)
# Least privilege, role by role. A role that does not exist (one role does all, in somebody's own database) is skipped.
GRANTS: Mapping[str, Sequence[str]] = {
    "pixwhisk_store": (
        "SELECT, INSERT (name, digest) ON models TO {}",
        "SELECT, INSERT, UPDATE ON objects TO {}",
        "SELECT, INSERT, UPDATE, DELETE ON outcomes TO {}",
        "SELECT, INSERT ON backbones TO {}",
        "SELECT, INSERT, UPDATE, DELETE ON embeddings TO {}",
        "SELECT (id, bucket, key, version_id, sequencer, finality, etag, state, received_at) ON inbox TO {}",
        "UPDATE (state, claim, settled_at) ON inbox TO {}",
    ),
    "pixwhisk_view": (
        "SELECT ON models, objects, outcomes, results, current_results, work, audits, subscriptions TO {}",
        "SELECT ON backbones, embeddings, current_embeddings, labels, vocabulary, label_rules TO {}",
        "SELECT ON example_labels, examples TO {}",
    ),
    # MinIO looks whether the table is there; row security shows it no row.
    "pixwhisk_journal": ("INSERT (event_time, event_data), SELECT (event_time) ON inbox TO {}",),
    "pixwhisk_sweep": (
        "SELECT ON models, objects, outcomes, results, current_results, work TO {}",
        "SELECT, UPDATE, DELETE ON inbox TO {}",
        "INSERT (event_time, event_data, lane) ON inbox TO {}",
        "SELECT, INSERT, UPDATE, DELETE ON bursts TO {}",
    ),
}


# Row security of `inbox`: who sees rows. MinIO's role may insert any and sees none, however many there are.
POLICIES: Mapping[str, str] = {
    "pixwhisk_store": "FOR ALL TO {} USING (true)",
    "pixwhisk_journal": "FOR INSERT TO {} WITH CHECK (true)",
    "pixwhisk_sweep": "FOR ALL TO {} USING (true)",
}


class ForeignDatabase(OperatorError):
    """The database holds somebody else's tables, and nobody has said that ours may be made beside them."""


class NewerSchema(OperatorError):
    """A later release has migrated the database: this one does not know its way there."""


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema. Two at once are safe; nothing to do costs milliseconds.

    Raises `NewerSchema` before anything is changed.
    """
    _provide_schema(url)
    with _locked(url) as connection:
        if _known(_revision(connection)) != newest_revision():
            _upgrade(url, _version_table(connection))
        index_embeddings(connection)
        for role in _find_existing(connection, GRANTS):
            _allow(connection, role)


def _provide_schema(url: str) -> None:
    """Make the schema that the URL names, unless it is there. It takes a transaction of its own for the next connection
    to see it.
    """
    schema = read_schema(url)
    if schema is None:
        return
    with _locked(url) as connection:
        if connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone() == (None,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def refuse_foreign(url: str) -> None:
    """Raise `ForeignDatabase` where our tables are not yet, and somebody else's are."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        if _revision(connection) is not None:
            return
        found = [name for (name,) in connection.execute(statements(__file__)["foreign_relations"])]
    if found:
        named = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise ForeignDatabase(
            f"the database {database_place(url)} holds tables of another program ({named}): name another in"
            " DATABASE_URL, have ours in a schema of their own (PIXWHISK_SCHEMA), or say --use-database once to have"
            " them beside these"
        )


def _allow(connection: psycopg.Connection, role: str) -> None:
    """Say what the role may do, and no more, whether or not it has been said before."""
    relations = sql.SQL(", ").join(map(sql.Identifier, GRANTED_ON))
    connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(relations, sql.Identifier(role)))
    for grant in GRANTS[role]:
        connection.execute(sql.SQL("GRANT " + grant).format(sql.Identifier(role)))
    _open_schema(connection, role)
    seen = "SELECT FROM pg_policies WHERE (schemaname, tablename, policyname) = (current_schema(), 'inbox', %s)"
    if role in POLICIES and connection.execute(seen, (role,)).fetchone() is None:
        policy = sql.SQL("CREATE POLICY {0} ON inbox " + POLICIES[role].format("{0}"))
        connection.execute(policy.format(sql.Identifier(role)))


def _open_schema(connection: psycopg.Connection, role: str) -> None:
    """Let the role look into a schema of our own; into `public` everybody may, or its owner has a reason."""
    closed = """
        SELECT current_schema() WHERE has_schema_privilege(current_schema(), 'USAGE WITH GRANT OPTION')
            AND NOT has_schema_privilege(%s, current_schema(), 'USAGE')
    """
    for (schema,) in connection.execute(closed, (role,)).fetchall():
        grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {}")
        connection.execute(grant.format(sql.Identifier(schema), sql.Identifier(role)))


def revision(url: str) -> str | None:
    """The last migration that the database at `url` has seen; None if it has seen none. Raises `NewerSchema`."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        return _known(_revision(connection))


def newest_revision() -> str:
    """The last migration's revision, from the files' names: importing Alembic costs more than most starts need."""
    revisions = (re.match(r"v(\d{4})_", path.name) for path in (MIGRATIONS / "versions").glob("v*.py"))
    return max(found[1] for found in revisions if found)


def activate_models(url: str, models: Iterable[ModelReference]) -> bool:
    """Make exactly these the active models: each must have an outcome about every object that comes from now on, and
    `current_results` shows theirs. Those unknown so far are added. Whether that changes anything.
    """
    wanted = [(model.name, model.digest) for model in models]
    given = {"names": [name for name, _ in wanted], "digests": [digest for _, digest in wanted]}
    with psycopg.connect(url) as connection:
        added = connection.execute(_ADD_MODELS, given)
        changed = connection.execute(_SWITCH_MODELS, given)
        return added.rowcount + changed.rowcount > 0


@contextmanager
def _locked(url: str) -> Iterator[psycopg.Connection]:
    """A transaction that no other migration runs beside; the lock ends with it."""
    with psycopg.connect(add_options(url, "-c statement_timeout=120s")) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (MIGRATION_LOCK,))
        yield connection


def _version_table(connection: psycopg.Connection) -> str:
    """Where our revision is noted: in Alembic's usual place, unless another program notes its own there."""
    usual = _read_noted(connection, "alembic_version")
    return OWN_VERSION_TABLE if usual and not _is_ours(connection, usual) else "alembic_version"


def _is_ours(connection: psycopg.Connection, revision: str) -> bool:
    journal = connection.execute("SELECT to_regclass('inbox')").fetchone()
    return re.fullmatch(r"\d{4}", revision) is not None and journal is not None and journal[0] is not None


def _revision(connection: psycopg.Connection) -> str | None:
    return _read_noted(connection, _version_table(connection))


def _read_noted(connection: psycopg.Connection, table: str) -> str | None:
    found = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    if found is None or found[0] is None:
        return None
    row = connection.execute(sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(table))).fetchone()
    return row[0] if row else None


def _known(there: str | None) -> str | None:
    newest = newest_revision()
    if there and there > newest:
        raise NewerSchema(f"the database's schema is {there}, this pixwhisk knows up to {newest}: use a newer one")
    return there


def _upgrade(url: str, version_table: str) -> None:
    """All missing steps in one transaction, on a connection of its own while the caller holds the lock."""
    # Late: half a second that only a new schema is worth.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(add_options(url, TIMEOUTS)), poolclass=NullPool
    )
    with engine.begin() as connection:
        config.attributes |= {"connection": connection, "version_table": version_table}
        command.upgrade(config, "head")


def _find_existing(connection: psycopg.Connection, roles: Iterable[str]) -> Sequence[str]:
    """Those of `roles` that the server knows."""
    found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(roles),))
    return sorted(name for (name,) in found)
