"""The real MinIO server on this machine: how it is started, with which notification targets, and whether it answers."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from infra.services.probe import ask_status
from infra.services.service import Command

LOOPBACK = "127.0.0.1"

# Journal events wait on disk while Postgres is away; MinIO refuses further ones beyond this (its own default).
LIMIT_QUEUE = 100_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """An S3 access key and its secret; the secret stays out of `repr`."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def random(cls) -> Credentials:
        """Fresh ones, as long as MinIO allows to be typed by hand."""
        return cls(secrets.token_hex(10), secrets.token_urlsafe(30))


class Target(Protocol):
    """Something MinIO notifies, as the settings that declare it: in its environment, or in its configuration."""

    @property
    def name(self) -> str: ...

    @property
    def subsystem(self) -> str:
        """In MinIO's configuration."""

    def settings(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """The fast lane: one attempt an event, no queue. `key` is an OpenWhisk key, `uuid:secret`."""

    name: str
    endpoint: str
    key: str = field(repr=False)
    subsystem: str = "notify_webhook"

    def settings(self) -> dict[str, str]:
        return {"enable": "on", "endpoint": self.endpoint, "auth_token": basic_authorization(self.key)}


@dataclass(frozen=True, slots=True)
class JournalTarget:
    """The safe lane: each event is a file in `queue` until it is a row of `table`."""

    name: str
    connection: str = field(repr=False)
    queue: Path
    table: str = "inbox"
    subsystem: str = "notify_postgres"

    def settings(self) -> dict[str, str]:
        return {
            "enable": "on",
            "connection_string": self.connection,
            "table": self.table,
            "format": "access",
            "queue_dir": str(self.queue),
            "queue_limit": str(LIMIT_QUEUE),
        }


@dataclass(frozen=True, slots=True)
class MinioServer:
    """A single-drive MinIO on loopback below `directory`. Restarting it with other targets is how targets change."""

    directory: Path
    binary: Path
    port: int
    root: Credentials
    targets: Sequence[Target] = ()
    name: str = "minio"

    @property
    def endpoint(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("data", "certs"):
            (self.directory / name).mkdir(mode=0o700, exist_ok=True)
        for target in self.targets:
            if isinstance(target, JournalTarget):
                target.queue.mkdir(mode=0o700, parents=True, exist_ok=True)
                set_torn_aside(target.queue, self.directory / "torn")

    def command(self) -> Command:
        address = f"{LOOPBACK}:{self.port}"
        arguments = ["server", "--quiet", "--address", address, "--certs-dir", str(self.directory / "certs")]
        return Command(
            [str(self.binary), *arguments, str(self.directory / "data")], self._environment(), self.directory
        )

    def ready(self) -> bool:
        """Whether it takes requests: drive, bucket metadata and users are all loaded."""
        return ask_status(self.endpoint, "/minio/health/cluster") == 200

    def _environment(self) -> dict[str, str]:
        environment = {
            "HOME": str(self.directory),
            "MINIO_ROOT_USER": self.root.access_key,
            "MINIO_ROOT_PASSWORD": self.root.secret_key,
            # An upload is acknowledged only once each of its events is in its target's hands.
            "MINIO_API_SYNC_EVENTS": "on",
            # Otherwise it takes uploads before it has read which targets and subscriptions there are, and tells nobody.
            "MINIO_SYNC_BOOT": "on",
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            "MINIO_CALLHOME_ENABLE": "off",
        }
        for target in self.targets:
            environment |= make_variables(target)
        return environment


def set_torn_aside(queue: Path, aside: Path) -> None:
    """Take half-written events out of a queue while its MinIO is down.

    MinIO would try to read the first of them for ever and send nothing behind it. A crash leaves one, or a full disk
    does; either way its upload was never acknowledged, so `audit` is what finds it.
    """
    for event in queue.glob("*/*.event"):
        try:
            json.loads(event.read_bytes())
        except ValueError:
            aside.mkdir(mode=0o700, exist_ok=True)
            event.rename(aside / event.name)


def basic_authorization(key: str) -> str:
    """An OpenWhisk key as the `Authorization` header that MinIO's webhook sends verbatim (because it has two words)."""
    return "Basic " + base64.b64encode(key.encode()).decode()


def make_variables(target: Target) -> dict[str, str]:
    """What declares a target in the environment of a MinIO that starts."""
    prefix = f"MINIO_{target.subsystem.upper()}"
    return {f"{prefix}_{name.upper()}_{target.name}": value for name, value in target.settings().items()}
