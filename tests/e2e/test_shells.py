"""A deployment under any name and in any shell: what a user has there for other programs is not for this one."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.e2e.test_main_job import COFFEE
from tests.fixtures.deployment import PIXWHISK, free_ports, pixwhisk
from tests.fixtures.postgres import Database

LEADING_ELSEWHERE = {
    "PGPORT": "1",
    "PGHOSTADDR": "192.0.2.1",
    "PGSERVICE": "none",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGCHANNELBINDING": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "AWS_SESSION_TOKEN": "somebody's",
    "AWS_PROFILE": "none",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "http_proxy": "http://192.0.2.1:1",
}
# As a user would: the shell's own variables, what `env` prints over them, then clients.
SESSION = """
eval "$("$0" env --data "$1")"
"$2" - <<'PYTHON'
import os, time, boto3, psycopg
boto3.client("s3", region_name="us-east-1").upload_file(os.environ["PHOTO"], "images", "a.png")
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    deadline = time.monotonic() + 60
    while not (found := connection.execute("SELECT label FROM current_results").fetchall()):
        assert time.monotonic() < deadline, "no row"
    print(found[0][0])
PYTHON
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory, and one for temporary files, which must be empty in the end."""
    made = Path(tempfile.mkdtemp(prefix="px-"))
    temporary = Path(tempfile.mkdtemp(prefix="px-"))
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield made
    assert list(temporary.iterdir()) == []
    shutil.rmtree(made)
    temporary.rmdir()


@pytest.mark.parametrize("name", ["My Photos, all", "new\nline", "of a long way down " * 6])
def test_any_directory_works_in_any_shell(home: Path, name: str) -> None:
    """Spaces, commas, newlines, more bytes than a socket may have; variables that lead elsewhere: photos become rows,
    and nothing is left among temporary files.
    """
    data, ports = home / name, free_ports(2)
    environ = {**os.environ, **LEADING_ELSEWHERE, "PHOTO": str(COFFEE)}
    up = ("up", "--detach", "--data", str(data), "--api-port", str(ports[0]), "--s3-port", str(ports[1]))
    try:
        pixwhisk(*up, env=environ)
        python = str(Path(PIXWHISK).with_name("python"))
        session = subprocess.run(
            ["sh", "-c", SESSION, PIXWHISK, str(data), python], env=environ, capture_output=True, text=True, check=False
        )
        assert session.stdout == "espresso\n", session.stderr
        assert pixwhisk("status", "--data", str(data), env=environ).stdout.startswith("healthy")
        assert stat.S_IMODE((data / "secrets").stat().st_mode) == 0o700
    finally:
        pixwhisk("down", "--data", str(data), check=False)


def test_a_backslash_is_refused_in_a_line(home: Path) -> None:
    """MinIO would put its data elsewhere."""
    refused = pixwhisk("up", "--data", str(home / "a\\b"), check=False)
    assert refused.returncode == 2
    assert "backslash" in refused.stderr.splitlines()[-1]
    assert list(home.iterdir()) == []


def test_a_database_of_another_program_is_used_on_request_only(home: Path, database: Database) -> None:
    """With its tables there, and its own `alembic_version`, it is left as it was, until --use-database is said once."""
    with database.connect() as connection:
        schema = sql.SQL("DROP OWNED BY {} CASCADE; CREATE SCHEMA IF NOT EXISTS public")
        connection.execute(schema.format(sql.Identifier("pixwhisk")))
        connection.execute("CREATE TABLE customers (name text)")
        connection.execute(
            "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('af3')"
        )
        before = _tables(connection)
        environ = {**os.environ, "DATABASE_URL": database.url(), "PIXWHISK_DATA": str(home)}
        refused = pixwhisk("migrate", env=environ, check=False)
        assert refused.returncode == 1
        assert "customers" in refused.stderr
        assert "--use-database" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert _tables(connection) == before
        assert "migrated" in pixwhisk("migrate", "--use-database", env=environ).stdout
        assert pixwhisk("migrate", env=environ).stdout == "nothing to change\n"
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [("af3",)]
        assert before < _tables(connection)


def _tables(connection: psycopg.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT relname FROM pg_class WHERE relkind = 'r'")}
