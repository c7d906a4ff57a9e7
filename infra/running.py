"""`up`: services started and watched; schema, users, bucket and entities as they should be; and a clean end."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from minio import Minio
from minio.error import MinioAdminException, MinioException, S3Error
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from actions.messages import ModelReference
from infra import database, deploy, places
from infra.deployment import Deployment
from infra.services import lock, sweeper
from infra.services.minio import LOOPBACK
from infra.services.minio_users import FEED, READER, User, provide
from infra.services.service import Service
from infra.services.supervisor import Supervisor, stopping_on_signals
from infra.whisk import Whisk

Report = Callable[[str], None]

# What a killed `up` left behind ends by itself, and its ports are free soon after.
TIMEOUT_PORT = 6.0
_PAUSE = 0.05


class NotSetUp(Exception):
    """Something that set-up makes is not there."""


class PortTaken(Exception):
    """Somebody else listens where a service should."""


class StoreFailed(Exception):
    """The object store does not answer, or refuses."""


@contextlib.contextmanager
def running(deployment: Deployment, report: Report) -> Iterator[Supervisor]:
    """Everything up and ready inside; everything ended outside. Raises what `lock.held` and the services raise."""
    model = model_in_use()
    deployment.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.held(deployment.data), stopping_on_signals():
        check_ports(deployment)
        deployment.record()
        supervisor = Supervisor(services(deployment), deployment.logs, report)
        try:
            supervisor.start()
            furnish(deployment, model, report)
            yield supervisor
        finally:
            supervisor.stop()


def services(deployment: Deployment) -> Sequence[Service]:
    """All that `up` keeps running."""
    found = list(deployment.services())
    if sweeper.available():
        found.append(sweeper.Sweeper(deployment.data))
    return found


def furnish(deployment: Deployment, model: ModelReference, report: Report) -> None:
    """Database and store as the actions need them, side by side; then the actions."""
    with ThreadPoolExecutor(2) as workers:
        tasks = [workers.submit(_furnish_database, deployment, model), workers.submit(_furnish_store, deployment)]
        for task in tasks:
            task.result()
    with Whisk(deployment.apihost, deployment.auth) as whisk:
        wanted, state = deploy.prepare(whisk, deployment.variables())
        deploy.apply(whisk, deployment.auth, deploy.plan(wanted, state), report)


def model_in_use(directory: Path | None = None) -> ModelReference:
    """The default model's name and digest, from its card. Raises `NotSetUp` when it is not there."""
    try:
        card = json.loads(((directory or places.default_model()) / "card.json").read_bytes())
        return ModelReference(card["name"], card["digest"])
    except (OSError, ValueError, KeyError):
        raise NotSetUp("the model is not built yet: run `make setup`") from None


def check_ports(deployment: Deployment) -> None:
    """Raises `PortTaken` naming port and flag; services that are just ending are given time to leave."""
    wanted: list[tuple[str, int]] = []
    if not deployment.external.apihost:
        wanted.append(("--api-port", deployment.api_port))
    if not deployment.external.endpoint:
        wanted.append(("--s3-port", deployment.s3_port))
    for flag, port in wanted:
        if not _becomes_free(port, deployment.data):
            raise PortTaken(
                f"port {port} is taken{_listener_words(port)}: stop what listens there, or choose another with {flag}"
            )


def free_port(preferred: int) -> int:
    """`preferred` if nobody listens there, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((LOOPBACK, port))
                return int(probe.getsockname()[1])
    raise PortTaken("this machine has no free port on loopback")


def store_client(deployment: Deployment) -> Minio:
    """A client with the deployment's own credentials, which gives up within seconds."""
    scheme, _, address = deployment.endpoint.partition("://")
    web = PoolManager(timeout=Timeout(connect=3, read=30), retries=Retry(total=0))
    keys = deployment.credentials
    return Minio(address, keys.access_key, keys.secret_key, secure=scheme == "https", http_client=web)


def _furnish_database(deployment: Deployment, model: ModelReference) -> None:
    if not deployment.external.database_url:
        deployment.postgres.provision()
    database.migrate(deployment.database_url)
    database.use_models(deployment.database_url, [model])


def _furnish_store(deployment: Deployment) -> None:
    try:
        if not deployment.external.endpoint:
            _make_users(deployment)
        client = store_client(deployment)
        if not client.bucket_exists(bucket_name=deployment.bucket):
            client.make_bucket(bucket_name=deployment.bucket)
    except S3Error as error:
        raise StoreFailed(
            f"MinIO at {deployment.endpoint} refuses bucket {deployment.bucket}: {error.message}"
        ) from None
    except (MinioException, MinioAdminException, HTTPError, OSError) as error:
        raise StoreFailed(f"MinIO at {deployment.endpoint} does not answer: {type(error).__name__}") from None
    except ValueError as error:
        raise StoreFailed(f"bucket {deployment.bucket}: {error}; choose another with --bucket") from None


def _make_users(deployment: Deployment) -> None:
    users = (
        User("pixwhisk-classify", READER, deployment.reader),
        User("pixwhisk-feed", FEED, deployment.feeder),
    )
    provide(deployment.endpoint, deployment.credentials, users, deployment.data / "minio" / "users")


def _becomes_free(port: int, data: Path) -> bool:
    deadline = time.monotonic() + TIMEOUT_PORT
    while not _is_free(port):
        if time.monotonic() > deadline or not _is_leftover(port, data):
            return False
        time.sleep(_PAUSE)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _is_leftover(port: int, data: Path) -> bool:
    """Whether whoever listens works in our data directory: a service of an `up` that was killed, about to end."""
    try:
        process = _listener(port)
        return process is not None and Path(process.cwd()).is_relative_to(data)
    except psutil.Error:
        return True  # gone between two looks, or not ours to ask: look again until the deadline


def _listener_words(port: int) -> str:
    try:
        process = _listener(port)
        return f" by process {process.pid} ({process.name()})" if process else ""
    except psutil.Error:
        return ""


def _listener(port: int) -> psutil.Process | None:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return psutil.Process(connection.pid) if connection.pid else None
    return None
