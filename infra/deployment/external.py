"""Services of somebody's own, which are used instead of the embedded ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from actions.settings import SCHEMA_EXPECTED, api_url, is_schema_name, place_in_schema
from infra.errors import Misconfigured
from infra.services.minio import Credentials

# Which variables name a service, each with those that it takes along.
GROUPS = (
    ("DATABASE_URL", "PIXWHISK_SCHEMA"),
    ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("WSK_APIHOST", "WSK_AUTH"),
)
NAMES = tuple(name for group in GROUPS for name in group)


class BadEnvironment(Misconfigured):
    """Variables that need each other are not all set."""


@dataclass(frozen=True, slots=True)
class External:
    """Services named in the environment; None where the embedded one serves.

    `trigger_apihost` is OpenWhisk's URL as MinIO reaches it, where that is another than ours.
    """

    database_url: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    credentials: Credentials | None = None
    apihost: str | None = None
    auth: str | None = field(default=None, repr=False)
    trigger_apihost: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> External:
        """Raises `BadEnvironment` naming what is missing beside what is set, or what is no address."""
        get = {name: environ.get(name) or None for name in NAMES}.__getitem__
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
            database_url=read_database_url(environ),
            endpoint=endpoint,
            credentials=Credentials(access, secret) if endpoint and access and secret else None,
            apihost=api_url(apihost) if apihost else None,
            auth=auth if apihost else None,
            trigger_apihost=api_url(trigger) if (trigger := environ.get("PIXWHISK_TRIGGER_APIHOST")) else None,
        )

    def dump(self) -> dict[str, str]:
        """The variables that name these services, keys included: for a 0600 file."""
        keys = self.credentials
        values = {
            "DATABASE_URL": self.database_url,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": keys.access_key if keys else None,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key if keys else None,
            "WSK_APIHOST": self.apihost,
            "WSK_AUTH": self.auth,
        }
        return {name: value for name, value in values.items() if value}


def leave_out_services(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for a deployment that has its services: what names others is not in it, all else is."""
    return {name: value for name, value in environ.items() if name not in NAMES}


def without_services(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for what must only use services of its own: others are not named in it."""
    ours = {"PIXWHISK_CACHE", "PIXWHISK_MODEL"}
    foreign = ("AWS_", "PG", "PIXWHISK_", "WSK_")
    return {
        name: value
        for name, value in environ.items()
        if name in ours or not (name == "DATABASE_URL" or name.startswith(foreign))
    }


def read_database_url(environ: Mapping[str, str]) -> str | None:
    """`DATABASE_URL`. Raises `BadEnvironment`, without repeating it, for one that libpq would not read as it was meant:
    of a password with characters that end something in a URL, libpq's own words hold the rest.
    """
    url = environ.get("DATABASE_URL")
    if url and not _is_database_url(url):
        raise BadEnvironment(
            "DATABASE_URL: expected postgresql://user:password@host:port/database, with escapes in the password "
            "(%40 for @, %2F for /, %3A for :, %25 for %)"
        )
    return place_where_named(url, environ) if url else None


def place_where_named(url: str, environ: Mapping[str, str]) -> str:
    """The URL of a database of somebody's own, in the schema that `PIXWHISK_SCHEMA` names. Raises `BadEnvironment`."""
    schema = environ.get("PIXWHISK_SCHEMA")
    if schema and not is_schema_name(schema):
        raise BadEnvironment(SCHEMA_EXPECTED)
    return place_in_schema(url, schema) if schema else url


def _is_database_url(url: str) -> bool:
    found = re.match(r"postgres(?:ql)?://(?:[^@/?#]*@)?([^@/?#]*)(?:[/?][^@#]*)?$", url, re.ASCII)
    if not found:
        return False
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        return False
    return all(re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d*)?", place) for place in found[1].split(","))
