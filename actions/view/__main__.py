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
from actions.errors import BadSettings, DatabaseUnavailable
from actions.view.handler import PICTURE_LIFETIME, Pictures, Row, respond

# A page that waits longer than this helps nobody, and the database has other work.
TIMEOUT_STATEMENT_MS = 5000


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Answer one web invocation; `DATABASE_URL` (and, for pictures, `AWS_*`) come from `/init` or bound parameters."""
    return answer(_responded, params)


def _responded(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    settings = {**params, **environ}
    endpoint = str(settings.get("AWS_ENDPOINT_URL_S3", ""))
    return respond(params, functools.partial(_rows, _engine(settings)), _pictures(settings, endpoint), endpoint)


def preload() -> None:
    """Nothing but the imports above: a stem cell has them done."""


def _engine(settings: Mapping[str, Any]) -> Engine:
    url = settings.get("DATABASE_URL")
    if not isinstance(url, str) or "://" not in url:
        raise BadSettings("DATABASE_URL is not set: deploy with `pixwhisk deploy`")
    return _connected(url.partition("://")[2])


@functools.lru_cache(maxsize=2)
def _connected(address: str) -> Engine:
    options = f"-c statement_timeout={TIMEOUT_STATEMENT_MS} -c default_transaction_read_only=on"
    return create_engine(
        f"postgresql+psycopg://{address}",
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"options": options, "connect_timeout": 5},
    )


def _rows(engine: Engine, statement: sqlalchemy.Select[Any]) -> Sequence[Row]:
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]
    except OperationalError:
        raise DatabaseUnavailable("the results database does not answer: see `pixwhisk status`") from None


def _pictures(settings: Mapping[str, Any], endpoint: str) -> Pictures | None:
    access, secret = settings.get("AWS_ACCESS_KEY_ID"), settings.get("AWS_SECRET_ACCESS_KEY")
    if not (endpoint and access and secret):
        return None
    client = _client(endpoint, str(access), str(secret))

    def picture(bucket: str, key: str, version_id: str | None) -> str:
        return client.presigned_get_object(bucket, key, expires=PICTURE_LIFETIME, version_id=version_id)

    return picture


@functools.lru_cache(maxsize=2)
def _client(endpoint: str, access: str, secret: str) -> Minio:
    scheme, _, address = endpoint.rstrip("/").partition("://")
    # A region given here makes signing pure arithmetic: no call to the store.
    return Minio(address, access, secret, secure=scheme == "https", region="us-east-1")
