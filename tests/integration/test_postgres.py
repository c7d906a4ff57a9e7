"""The embedded Postgres: started, killed, started again, by whoever runs the tests, root included."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Never

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infra.services import postgres as service
from infra.services.postgres import CONNECTIONS, CONNECTIONS_OF_JOURNAL, ROLES, Postgres
from tests.fixtures.minio import until
from tests.fixtures.postgres import Server, running_postgres, start, wait_until_ready


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_postgres() as running:
        yield running


def test_every_role_connects_by_url_and_by_keywords(server: Server) -> None:
    """libpq takes the URL, and the keyword string names the same place for clients that take no URL."""
    for role in ROLES:
        with psycopg.connect(server.postgres.database_url(role)) as connection:
            found = connection.execute("SELECT current_user, current_database()").fetchone()
        assert found == (role, "pixwhisk")
        keywords = conninfo_to_dict(server.postgres.keywords(role))
        assert keywords.pop("sslmode") == "disable"
        assert keywords == conninfo_to_dict(server.postgres.database_url(role))


def test_no_secret_is_in_a_command_or_readable_by_others(server: Server) -> None:
    """Passwords are in files of mode 0600 and in no argument list; two data directories never share one."""
    secrets = list((server.postgres.data / "secrets").iterdir())
    assert len(secrets) == len(ROLES) + 1
    assert len({path.read_text() for path in secrets}) == len(secrets)
    for path in secrets:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not any(path.read_text() in word for word in server.postgres.command().arguments)
        assert path.read_text() not in server.log.read_text()


def test_nothing_listens_but_the_socket(server: Server) -> None:
    """No port is opened, and the socket is its owner's alone."""
    socket = server.postgres.socket_directory / service.SOCKET_NAME
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    with psycopg.connect(server.postgres.database_url()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_database_compares_text_as_listings_do(server: Server) -> None:
    """UTF-8, in the order of its bytes, with checksums."""
    with psycopg.connect(server.postgres.database_url()) as connection:
        assert connection.execute("SHOW server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("SHOW data_checksums").fetchone() == ("on",)
        assert connection.execute("SELECT 'Z' < 'a', 'a' < 'é', upper('é')").fetchone() == (True, True, "É")


def test_a_wrong_password_is_refused(server: Server) -> None:
    """Being on the same machine is not enough."""
    url = server.postgres.database_url().replace(":", ":wrong", 2).replace(":wrong//", "://")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(url)


def test_a_role_may_not_make_anything(server: Server) -> None:
    """Even temporary tables: a function with the owner's rights must not find them in its way."""
    for role in ROLES[1:]:
        with psycopg.connect(server.postgres.database_url(role), autocommit=True) as connection:
            for statement in ("CREATE TABLE here (a int)", "CREATE TEMP TABLE there (a int)", "CREATE SCHEMA s"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(server.postgres.database_url(role, "postgres"))


def test_whoever_takes_all_connections_keeps_no_other_role_out(server: Server) -> None:
    """An action's role leaves the others theirs; whatever all of them take, MinIO still writes down what it tells."""
    with contextlib.ExitStack() as held:
        for role in ("pixwhisk_store", "pixwhisk_view", "pixwhisk_sweep", "pixwhisk"):
            taken = take_all(server.postgres.database_url(role), held)
            assert taken == CONNECTIONS.get(role, taken) > 1
        for _ in range(CONNECTIONS_OF_JOURNAL):
            held.enter_context(psycopg.connect(server.postgres.keywords()))


def take_all(url: str, held: contextlib.ExitStack) -> int:
    """How many connections there were to have."""
    taken = itertools.count()
    with pytest.raises(psycopg.OperationalError, match="connection"):
        connect_for_ever(url, held, taken)
    return next(taken)


def connect_for_ever(url: str, held: contextlib.ExitStack, taken: itertools.count[int]) -> Never:
    while True:
        held.enter_context(psycopg.connect(url))
        next(taken)


def test_preparing_and_provisioning_again_changes_nothing(server: Server) -> None:
    """A running server is left alone, and passwords stay as they are."""
    before = server.postgres.database_url()
    server.postgres.prepare()
    server.postgres.provision()
    assert server.postgres.database_url() == before
    assert server.postgres.ready()


def test_what_was_committed_outlives_a_kill() -> None:
    """After `kill -9` of the server, with a stale lock file, it recovers and has all that was committed."""
    with running_postgres() as server:
        with psycopg.connect(server.postgres.database_url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS a")
            server.kill()
        assert server.process
        # As after a reboot, or while the killed server has not been waited for: there is a process of that number.
        for lock in (
            server.postgres.cluster / "postmaster.pid",
            server.postgres.socket_directory / ".s.PGSQL.5432.lock",
        ):
            lock.write_text(lock.read_text().replace(str(server.process.pid), "1", 1))
        server.start()
        with psycopg.connect(server.postgres.database_url()) as connection:
            assert connection.execute("SELECT a FROM kept").fetchone() == (1,)


def test_an_interrupted_set_up_starts_over(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a killed initdb left is no cluster."""
    directory = tmp_path_factory.mktemp("p")
    postgres = Postgres(directory)
    (postgres.home / "unfinished" / "base").mkdir(parents=True)
    (postgres.home / "unfinished" / "PG_VERSION").write_text("18")
    postgres.prepare()
    assert (postgres.cluster / "global" / "pg_control").exists()
    assert not (postgres.home / "unfinished").exists()
    assert not (postgres.home / "initdb-password").exists()


def test_a_deep_data_directory_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    """A socket's path is 107 bytes at most; a longer one moves to a private directory, which is found again."""
    postgres = Postgres(tmp_path / ("deep" * 25))
    postgres.prepare()
    made = postgres.socket_directory
    try:
        assert len(str(made / service.SOCKET_NAME)) <= 107
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        assert Postgres(postgres.data).socket_directory == made
        process = start(postgres.command(), tmp_path / "log")
        wait_until_ready(postgres, process, tmp_path / "log")
        postgres.provision()
        psycopg.connect(postgres.database_url()).close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        made.chmod(0o755)
        Postgres(postgres.data).make_secrets()
        moved = Postgres(postgres.data).socket_directory
        assert moved != made
        shutil.rmtree(moved)
    finally:
        shutil.rmtree(made)


def test_the_server_ends_with_who_started_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After `kill -9` of the supervisor no server and no child of one is left."""
    postgres = Postgres(tmp_path_factory.mktemp("p"))
    postgres.prepare()
    supervisor = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *postgres.command().arguments],
        stderr=subprocess.DEVNULL,
    )
    until(postgres.ready, "the server is not ready")
    assert list(service._find_running(postgres.cluster))
    supervisor.kill()
    supervisor.wait()
    until(lambda: not list(service._find_running(postgres.cluster)), "a server is left")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_root_without_user_namespaces_becomes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel forbids namespaces, the server runs as `nobody`, if that can reach its programs and files."""
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        forbidden = Path(directory) / "unprivileged.py"
        forbidden.write_text(service.WRAPPER.read_text().replace("unshare(CLONE_NEWUSER) != 0", "getpid() != 0"))
        forbidden.chmod(0o755)
        monkeypatch.setattr(service, "WRAPPER", forbidden)
        with running_postgres() as server:
            assert server.postgres.cluster.stat().st_uid == server.postgres.home.stat().st_uid == 65534
            server.postgres.prepare()
            assert server.postgres.ready()
            server.kill()
            server.start()
            psycopg.connect(server.postgres.database_url()).close()
