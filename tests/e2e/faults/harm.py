"""The faults: each is done on entering, for real, and made good again on leaving, however things stand by then.

A kill is not made good: whatever watches the process is to do that.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import psutil
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from urllib3.exceptions import HTTPError

from infra.deployment.record import find_deployment
from infra.services.postgres import Postgres
from tests.e2e.faults.stage import DEFAULT_QUOTAS, Stage
from tests.e2e.faults.uploads import OLD
from tests.fixtures.deployment import Deployment, eventually
from tests.fixtures.lifecycle import set_rule

Fault = Callable[[Stage, Random], AbstractContextManager[None]]
# Long enough for whatever was killed at the same time to be back.
PATIENCE = 60.0
JUMPS = (timedelta(days=-300), timedelta(hours=-1), timedelta(seconds=-2), timedelta(hours=1))


def _killing(name: str) -> Fault:
    @contextlib.contextmanager
    def kill(stage: Stage, _random: Random) -> Iterator[None]:
        if (victim := stage.deployment.service(name)) is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        yield

    return kill


@contextlib.contextmanager
def kill_action(stage: Stage, random: Random) -> Iterator[None]:
    """One of the containers, whatever it is doing."""
    if containers := stage.containers():
        with contextlib.suppress(psutil.NoSuchProcess):
            random.choice(containers).kill()
    yield


@contextlib.contextmanager
def kill_up(stage: Stage, _random: Random) -> Iterator[None]:
    """`up` itself; somebody starts it again."""
    if (leader := stage.deployment.leader()) is not None:
        leader.kill()
    yield
    stage.up()


@contextlib.contextmanager
def kill_everything(stage: Stage, _random: Random) -> Iterator[None]:
    """All processes at once, as if the machine had gone; somebody starts it again."""
    for process in stage.deployment.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    yield
    stage.up()


@contextlib.contextmanager
def cut_connections(stage: Stage, _random: Random) -> Iterator[None]:
    """Everybody loses the connection to Postgres, whatever is under way on it."""
    # Once: to a server that is away just now, nobody has one.
    _administered(stage, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'pixwhisk%'")
    yield


@contextlib.contextmanager
def default_quotas(stage: Stage, random: Random) -> Iterator[None]:
    """From the next start on, OpenWhisk's own quotas; and back again."""
    stage.settings = DEFAULT_QUOTAS
    with kill_up(stage, random):
        pass
    yield
    stage.settings = {}
    with kill_up(stage, random):
        pass


@contextlib.contextmanager
def full_disk(stage: Stage, _random: Random) -> Iterator[None]:
    """Nothing that the host writes, or its containers do, finds room."""
    host = stage.deployment.service("openwhisk")
    _limit_files(host, 1)
    yield
    for process in (host, *stage.containers()):
        _limit_files(process, None)


@contextlib.contextmanager
def read_only_database(stage: Stage, _random: Random) -> Iterator[None]:
    """Postgres refuses every write."""
    _administer(stage, "ALTER SYSTEM SET default_transaction_read_only = on")
    yield
    _administer(stage, "ALTER SYSTEM RESET default_transaction_read_only")


def _freezing(name: str) -> Fault:
    """It accepts connections and does nothing: what one that cannot be reached looks like from a client's side."""

    @contextlib.contextmanager
    def freeze(stage: Stage, _random: Random) -> Iterator[None]:
        service = stage.deployment.service(name)
        # Of Postgres, those who answer are its children; of OpenWhisk they are containers, which go on.
        below = service.children() if service and name == "postgres" else []
        processes = [service, *below]
        for process in processes:
            _signal(process, signal.SIGSTOP)
        try:
            yield
        finally:
            # Even if the run has failed: what is stopped cannot end.
            for process in processes:
                _signal(process, signal.SIGCONT)

    return freeze


@contextlib.contextmanager
def revoked_credentials(stage: Stage, _random: Random) -> Iterator[None]:
    """MinIO refuses `classify` whatever it asks for."""
    user = find_deployment(stage.deployment.data, {}).reader.access_key
    _administer_store(stage, lambda administration: administration.user_disable(user))
    yield
    _administer_store(stage, lambda administration: administration.user_enable(user))


@contextlib.contextmanager
def hanging_hooks(stage: Stage, _random: Random) -> Iterator[None]:
    """The trigger's endpoint accepts hooks and never answers."""
    stage.post.become("hanging")
    yield
    stage.post.become("lossy")


@contextlib.contextmanager
def refusing_hooks(stage: Stage, _random: Random) -> Iterator[None]:
    """The trigger's endpoint answers 503 to every hook."""
    stage.post.become("refusing")
    yield
    stage.post.become("lossy")


@contextlib.contextmanager
def wrong_clock(stage: Stage, random: Random) -> Iterator[None]:
    """MinIO's clock jumps, by seconds or months, back or ahead; and back again."""
    with stage.clock.wrong(random.choice(JUMPS)):
        yield


@contextlib.contextmanager
def expiring_rule(stage: Stage, random: Random) -> Iterator[None]:
    """A lifecycle rule in every bucket expires what users left there a month ago."""
    s3 = stage.deployment.s3()
    buckets = [each["Name"] for each in _patiently(s3.list_buckets)["Buckets"]]
    all_versions = random.random() < 0.5
    for bucket in buckets:
        _patiently(partial(set_rule, s3, bucket, OLD, all_versions=all_versions))
    yield
    for bucket in buckets:
        _patiently(partial(s3.delete_bucket_lifecycle, Bucket=bucket))


@contextlib.contextmanager
def lost_subscription(stage: Stage, _random: Random) -> Iterator[None]:
    """Another tool writes the own bucket's notification document; an audit that looks at no key brings it back."""
    s3, own = stage.deployment.s3(), stage.deployment
    began = time.monotonic()
    _patiently(partial(s3.put_bucket_notification_configuration, Bucket=own.bucket, NotificationConfiguration={}))
    try:
        yield
        eventually(partial(_resubscribed, own), "the subscription restored", within=PATIENCE)
    finally:
        stage.untold.append((began, time.monotonic()))


def _resubscribed(deployment: Deployment) -> bool:
    deployment.pixwhisk("audit", "--repair", "--prefix", "of nobody/", check=False)
    told = deployment.pixwhisk("status", "--json", check=False).stdout
    return bool(told) and json.loads(told)["subscription"] == "ok"


# Over in a moment; any may come on top of another fault.
KILLS: Mapping[str, Fault] = {
    "kill -9 openwhisk": _killing("openwhisk"),
    "kill -9 action": kill_action,
    "kill -9 minio": _killing("minio"),
    "kill -9 postgres": _killing("postgres"),
    "kill -9 sweep": _killing("sweep"),
    "cut connections": cut_connections,
}
# These last a while.
SPELLS: Mapping[str, Fault] = {
    "full disk": full_disk,
    "read-only database": read_only_database,
    "frozen store": _freezing("minio"),
    "frozen database": _freezing("postgres"),
    "frozen openwhisk": _freezing("openwhisk"),
    "frozen sweep": _freezing("sweep"),
    "revoked credentials": revoked_credentials,
    "hanging hooks": hanging_hooks,
    "refusing hooks": refusing_hooks,
    "default quotas": default_quotas,
    "wrong clock": wrong_clock,
    "lifecycle rule": expiring_rule,
    "lost subscription": lost_subscription,
}
# `up` starts anew: nothing else may be broken at that moment, or it would rightly refuse.
RESTARTS: Mapping[str, Fault] = {"kill -9 up": kill_up, "kill -9 everything": kill_everything}

FAULTS: Mapping[str, Fault] = {**KILLS, **SPELLS, **RESTARTS}


def _signal(process: psutil.Process | None, number: signal.Signals) -> None:
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _limit_files(process: psutil.Process | None, size: int | None) -> None:
    """How large a file it may write; None for as large as it ever might."""
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            _, most = process.rlimit(psutil.RLIMIT_FSIZE)
            process.rlimit(psutil.RLIMIT_FSIZE, (most if size is None else size, most))


def _administer(stage: Stage, statement: str) -> None:
    """As the server's superuser, as soon as it is there."""
    eventually(lambda: _administered(stage, statement), statement, within=PATIENCE)


def _administered(stage: Stage, statement: str) -> bool:
    try:
        with psycopg.connect(
            Postgres(stage.deployment.data)._superuser(),
            autocommit=True,
            connect_timeout=2,
            options="-c default_transaction_read_only=off",
        ) as connection:
            connection.execute(statement)
            connection.execute("SELECT pg_reload_conf()")
    except psycopg.OperationalError:
        return False
    return True


def _patiently(ask: Callable[[], Any]) -> Any:
    """What the object store answers, as soon as it is there."""

    def answered() -> list[Any]:
        try:
            return [ask()]
        except (BotoCoreError, ClientError):
            return []

    return eventually(answered, "an answer of the object store", within=PATIENCE)[0]


def _administer_store(stage: Stage, change: Callable[[Any], object]) -> None:
    """As MinIO's root, as soon as it is there."""
    store = find_deployment(stage.deployment.data, {})
    administration = MinioAdmin(
        endpoint=store.endpoint.removeprefix("http://"),
        credentials=StaticProvider(store.credentials.access_key, store.credentials.secret_key),
        secure=False,
    )

    def administered() -> bool:
        try:
            change(administration)
        except (MinioAdminException, HTTPError, OSError, UnboundLocalError):
            # The last: the library trips over an answer that did not come.
            return False
        return True

    eventually(administered, "MinIO's administration", within=PATIENCE)
