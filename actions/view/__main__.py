"""The entry point of web action `view`: settings, and what is kept between calls."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy
from minio import Minio
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

from actions.boundary import answer
from actions.causes import name_database_cause
from actions.errors import DatabaseUnavailable
from actions.settings import add_options
from actions.view.handler import PICTURE_LIFETIME, Pictures, Row, respond
from actions.view.settings import ViewSettings

# A page that waits longer than this helps nobody, and the database has other work.
TIMEOUT_STATEMENT_MS = 5000


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Answer one web invocation; `DATABASE_URL` (and, for pictures, `AWS_*`) come from `/init` or bound parameters."""
    return answer(_respond, params)


def _respond(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    settings = ViewSettings.from_params(params, environ)
    rows = functools.partial(_rows, _connect(settings.database_url))
    return respond(params, rows, _pictures(settings), settings.endpoint or "")


def preload() -> None:
    """Nothing but the imports above: a stem cell has them done."""


@functools.lru_cache(maxsize=2)
def _connect(url: str) -> Engine:
    options = f"-c statement_timeout={TIMEOUT_STATEMENT_MS} -c default_transaction_read_only=on"
    return create_engine(
        add_options(url, options).replace("postgresql://", "postgresql+psycopg://", 1),
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 5},
    )


def _rows(engine: Engine, statement: sqlalchemy.Select[Any]) -> Sequence[Row]:
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]
    except OperationalError as error:
        named = name_database_cause(error.orig or error)
        raise DatabaseUnavailable(f"the results database does not answer ({named}): see `pixwhisk status`") from None


def _pictures(settings: ViewSettings) -> Pictures | None:
    if not (settings.endpoint and settings.access_key and settings.secret_key):
        return None
    client = _client(settings.endpoint, settings.access_key, settings.secret_key)

    def picture(bucket: str, key: str, version_id: str | None) -> str:
        return client.presigned_get_object(bucket, key, expires=PICTURE_LIFETIME, version_id=version_id)

    return picture


@functools.lru_cache(maxsize=2)
def _client(endpoint: str, access: str, secret: str) -> Minio:
    scheme, _, address = endpoint.rstrip("/").partition("://")
    # A region given here makes signing pure arithmetic: no call to the store.
    return Minio(address, access, secret, secure=scheme == "https", region="us-east-1")
