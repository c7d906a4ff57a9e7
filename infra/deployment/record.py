"""One deployment: which services it uses, where, and with which secrets; kept in its data directory.

`DATA/deployment.json` says what is not secret, `DATA/secrets/` (files 0600) what is. A service named in the environment
(`DATABASE_URL`, `AWS_ENDPOINT_URL_S3`, `WSK_APIHOST`) is used instead of the embedded one.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from infra import paths
from infra.openwhisk.client import base_url
from infra.services import minio_binary
from infra.services.minio import Credentials, JournalTarget, MinioServer, WebhookTarget
from infra.services.openwhisk import OpenWhiskHost
from infra.services.postgres import Postgres
from infra.services.service import Service

API_PORT, S3_PORT, BUCKET = 3233, 9000, "images"
TRIGGER = "image-uploaded"
FAST, JOURNAL = "FAST", "JOURNAL"


class NoDeployment(Exception):
    """There is nothing in the data directory, and the environment does not name the service either."""


class BadEnvironment(Exception):
    """Variables that need each other are not all set."""


@dataclass(frozen=True, slots=True)
class External:
    """Services of somebody's own, from the environment; None where the embedded one serves.

    `trigger_apihost` is OpenWhisk's URL as MinIO reaches it, where that is another than ours.
    """

    database_url: str | None = dataclasses.field(default=None, repr=False)
    endpoint: str | None = None
    credentials: Credentials | None = None
    apihost: str | None = None
    auth: str | None = dataclasses.field(default=None, repr=False)
    trigger_apihost: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> External:
        """Raises `BadEnvironment` naming what is missing beside what is set, or what is no address."""
        get = {name: environ.get(name) or None for name in _NAMES}.__getitem__
        endpoint, access, secret = get("AWS_ENDPOINT_URL_S3"), get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")
        apihost, auth = get("WSK_APIHOST"), get("WSK_AUTH")
        if endpoint and not (access and secret):
            raise BadEnvironment("AWS_ENDPOINT_URL_S3 is set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY as well")
        if apihost and not auth:
            raise BadEnvironment("WSK_APIHOST is set: set WSK_AUTH as well")
        for name in ("AWS_ENDPOINT_URL_S3", "WSK_APIHOST", "PIXWHISK_TRIGGER_APIHOST"):
            if "@" in environ.get(name, ""):
                raise BadEnvironment(f"{name}: addresses are shown, so there must be no user or password in one")
        return cls(
            database_url=named_database_url(environ),
            endpoint=endpoint,
            credentials=Credentials(access, secret) if endpoint and access and secret else None,
            apihost=base_url(apihost) if apihost else None,
            auth=auth if apihost else None,
            trigger_apihost=base_url(trigger) if (trigger := environ.get("PIXWHISK_TRIGGER_APIHOST")) else None,
        )


def named_database_url(environ: Mapping[str, str]) -> str | None:
    """`DATABASE_URL`. Raises `BadEnvironment`, without repeating it, for one that libpq would not read as it was meant:
    of a password with characters that end something in a URL, libpq's own words hold the rest.
    """
    url = environ.get("DATABASE_URL")
    if url and not _is_database_url(url):
        raise BadEnvironment(
            "DATABASE_URL: expected postgresql://user:password@host:port/database, with escapes in the password "
            "(%40 for @, %2F for /, %3A for :, %25 for %)"
        )
    return url or None


def _is_database_url(url: str) -> bool:
    found = re.match(r"postgres(?:ql)?://(?:[^@/?#]*@)?([^@/?#]*)(?:[/?][^@#]*)?$", url, re.ASCII)
    if not found:
        return False
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        return False
    return all(re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d*)?", place) for place in found[1].split(","))


# Which variables name a service, each with those that it takes along.
_GROUPS = (
    ("DATABASE_URL",),
    ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("WSK_APIHOST", "WSK_AUTH"),
)
_NAMES = tuple(name for group in _GROUPS for name in group)
# What `up` was told, and the next one need not be told again.
_RECORDED = ("api_port", "s3_port", "bucket", "model")


@dataclass(frozen=True)
class Deployment:
    """Ports, bucket and models as recorded; everything else follows from them, the secrets, and `external`."""

    data: Path
    api_port: int = API_PORT
    s3_port: int = S3_PORT
    bucket: str = BUCKET
    # As `PIXWHISK_MODEL` has it; empty: the default model.
    model: str = ""
    external: External = External()
    # False where nothing was ever started here: then only `external` services can be meant.
    embedded: bool = True

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.data)

    @property
    def host(self) -> OpenWhiskHost:
        return OpenWhiskHost(self.data / "host", self.api_port, self._auth_file, self.model_setting)

    @property
    def model_setting(self) -> str:
        """`PIXWHISK_MODEL` of the embedded host and of `classify` there."""
        return self.model or str(paths.default_model())

    @property
    def minio(self) -> MinioServer:
        """The embedded server, with both lanes' targets."""
        hook = f"{self.trigger_apihost}/api/v1/namespaces/_/triggers/{TRIGGER}"
        home = self.data / "minio"
        journal = self.external.database_url or self.postgres.keywords("pixwhisk_journal")
        targets = (WebhookTarget(FAST, hook, self.auth), JournalTarget(JOURNAL, journal, home / "journal"))
        return MinioServer(home, minio_binary.find(), self.s3_port, self._credentials("root"), targets)

    def services(self) -> Sequence[Service]:
        """The embedded ones, slowest to start first."""
        embedded: list[Service] = []
        if not self.external.database_url:
            embedded.append(self.postgres)
        if not self.external.apihost:
            embedded.append(self.host)
        if not self.external.endpoint:
            embedded.append(self.minio)
        return embedded

    @property
    def database_url(self) -> str:
        return self.external.database_url or self._own("DATABASE_URL").postgres.database_url()

    @property
    def sweep_database_url(self) -> str:
        """Of the sweep: it may read rows and work through the inbox."""
        return self.external.database_url or self._role("sweep")

    @property
    def endpoint(self) -> str:
        return self.external.endpoint or f"http://127.0.0.1:{self._own('AWS_ENDPOINT_URL_S3').s3_port}"

    @property
    def credentials(self) -> Credentials:
        """Of the store, for people and for making buckets: the embedded MinIO's root, or the operator's."""
        return self.external.credentials or self._credentials("root")

    @property
    def reader(self) -> Credentials:
        """Of `classify` and `view`."""
        return self.external.credentials or self._credentials("classify")

    @property
    def feeder(self) -> Credentials:
        """Of the feed."""
        return self.external.credentials or self._credentials("feed")

    @property
    def apihost(self) -> str:
        return self.external.apihost or f"http://127.0.0.1:{self._own('WSK_APIHOST').api_port}"

    @property
    def trigger_apihost(self) -> str:
        """Where MinIO fires triggers."""
        return self.external.trigger_apihost or self.apihost

    @property
    def auth(self) -> str:
        if self.external.auth:
            return self.external.auth
        return _kept(self._auth_file, lambda: f"{uuid.uuid4()}:{secrets.token_urlsafe(48)}")

    @property
    def namespace(self) -> str:
        return "_" if self.external.apihost else "guest"

    @property
    def page(self) -> str:
        """Where a browser finds the results."""
        return f"{self.apihost}/api/v1/web/guest/pixwhisk/view"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def wskprops(self) -> Path:
        """`WSK_CONFIG_FILE`, written when asked for; 0600."""
        path = self.data / "wskprops"
        write_private(path, f"APIHOST={self.apihost}\nAUTH={self.auth}\nNAMESPACE={self.namespace}\n")
        return path

    def record(self) -> None:
        """Write down what later commands need to know."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain = {name: getattr(self, name) for name in _RECORDED}
        write_private(self.data / "deployment.json", json.dumps(plain, indent=1))
        used = (self.external.database_url, self.external.endpoint, self.external.apihost)
        names = [name for group, service in zip(_GROUPS, used, strict=True) if service for name in group]
        outside = {name: value for name, value in self.exported().items() if name in names}
        (self.data / "secrets").mkdir(mode=0o700, exist_ok=True)
        write_private(self.data / "secrets" / "external.json", json.dumps(outside))

    def exported(self) -> dict[str, str]:
        """What `pixwhisk env` exports, apart from `WSK_CONFIG_FILE`."""
        return {
            "WSK_APIHOST": self.apihost,
            "WSK_AUTH": self.auth,
            "DATABASE_URL": self.database_url,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_key,
            "PIXWHISK_BUCKET": self.bucket,
        }

    def variables(self) -> dict[str, str]:
        """The manifest's variables: least privilege where the services are ours."""
        outside = self.external.database_url
        store, view = outside or self._role("store"), outside or self._role("view")
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "PIXWHISK_CLASSIFY_ACCESS_KEY_ID": self.reader.access_key,
            "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY": self.reader.secret_key,
            "PIXWHISK_FEED_ACCESS_KEY_ID": self.feeder.access_key,
            "PIXWHISK_FEED_SECRET_ACCESS_KEY": self.feeder.secret_key,
            "PIXWHISK_STORE_DATABASE_URL": store,
            "PIXWHISK_VIEW_DATABASE_URL": view,
            "PIXWHISK_SWEEP_DATABASE_URL": self.sweep_database_url,
            "PIXWHISK_TRIGGER_APIHOST": self.trigger_apihost,
            "PIXWHISK_JOURNAL_TARGET": JOURNAL,
            # Restarting somebody else's MinIO is not ours to do.
            "PIXWHISK_DECLARE_TARGETS": "" if self.external.endpoint else "on",
            "PIXWHISK_BUCKET": self.bucket,
            # Somebody else's OpenWhisk has the model in its image.
            **({} if self.external.apihost else {"PIXWHISK_MODEL": self.model_setting}),
        }

    def _own(self, variable: str) -> Deployment:
        if not self.embedded:
            raise NoDeployment(f"{variable} is not set, and {self.data} holds no deployment: set it, or `pixwhisk up`")
        return self

    def _role(self, name: str) -> str:
        return self._own("DATABASE_URL").postgres.database_url(f"pixwhisk_{name}")  # type: ignore[arg-type]  # three of `Role`'s names

    def _credentials(self, name: str) -> Credentials:
        made = Credentials.random()
        text = _kept(self.data / "secrets" / f"minio-{name}", lambda: f"{made.access_key}:{made.secret_key}")
        access_key, _, secret_key = text.partition(":")
        return Credentials(access_key, secret_key)

    @property
    def _auth_file(self) -> Path:
        return self.data / "secrets" / "openwhisk-guest"


def chosen(data: Path, environ: Mapping[str, str] = os.environ, **flags: Any) -> Deployment:
    """The deployment to start: `flags` (None: not given) over what is recorded over the defaults.

    What `pixwhisk env` printed for this very deployment names its embedded services, not somebody's own.
    """
    settings = _recorded(data) | {name: value for name, value in flags.items() if value is not None}
    return Deployment(data, **settings, external=External.from_env(_outside(data, environ)))


def existing(data: Path, environ: Mapping[str, str] = os.environ) -> Deployment:
    """The deployment that was started here, for commands that start nothing. Raises `NoDeployment` if there is none
    and the environment names no service either.
    """
    recorded = _recorded(data)
    external = External.from_env({**_json(data / "secrets" / "external.json"), **_outside(data, environ)})
    if not recorded and not (external.database_url or external.endpoint or external.apihost):
        raise NoDeployment(f"{data} holds no deployment: start one with `pixwhisk up`, or name another with --data")
    named = {"bucket": environ["PIXWHISK_BUCKET"]} if environ.get("PIXWHISK_BUCKET") else {}
    return Deployment(data, **(recorded or named), external=external, embedded=bool(recorded))


def write_private(path: Path, text: str) -> None:
    """Write a 0600 file as a whole: a reader sees the old text or the new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.rename(path)


def _outside(data: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that name services of somebody's own, and how MinIO reaches ours."""
    named = {name: environ[name] for name in (*_NAMES, "PIXWHISK_TRIGGER_APIHOST") if environ.get(name)}
    if not (recorded := _recorded(data)):
        return named
    ours = Deployment(data, **recorded)
    for group in _GROUPS:
        if named.get(group[0]) == ours.exported()[group[0]]:
            named = {name: value for name, value in named.items() if name not in group}
    return named


def _recorded(data: Path) -> dict[str, Any]:
    found = _json(data / "deployment.json")
    return {name: found[name] for name in _RECORDED if name in found}


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}


def _kept(path: Path, make: Any) -> str:
    """A secret, made on first use."""
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()
