"""The entry point of feed action `bucket`: settings from `/init` (they win) or bound parameters, then one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from actions.boundary import answer
from actions.errors import BadSettings
from actions.settings import SettingsReader
from triggers.feed.handler import Feed, handle
from triggers.feed.request import parse_request
from triggers.feed.subscription import journal_arn


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """`journal` is the name or ARN of MinIO's PostgreSQL target, empty for none; `apihost` is OpenWhisk's URL.

    `declare` lets the feed add webhook targets to MinIO's configuration, which restarts MinIO for each new one. `mark`
    is the deployment's, where several share that MinIO.
    """

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    journal: str
    apihost: str | None
    declare: bool = False
    mark: str = ""

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> FeedSettings:
        """Raises `BadSettings` naming every setting that is missing or wrong."""
        read = SettingsReader(params, environ)
        settings = cls(
            endpoint=read.endpoint("AWS_ENDPOINT_URL_S3", required=True) or "",
            access_key=read.text("AWS_ACCESS_KEY_ID", required=True) or "",
            secret_key=read.text("AWS_SECRET_ACCESS_KEY", required=True) or "",
            journal=read.text("PIXWHISK_JOURNAL_TARGET") or "",
            apihost=read.text("PIXWHISK_TRIGGER_APIHOST", "__OW_API_HOST"),
            declare=read.flag("PIXWHISK_DECLARE_TARGETS"),
            mark=read.text("PIXWHISK_DEPLOYMENT") or "",
        )
        read.finish()
        return settings


def main(params: dict[str, Any]) -> dict[str, Any]:
    """Answer one lifecycle event; any error is the activation's `error`, as the feed contract wants it."""
    return answer(_handle, params)


def _handle(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    settings = FeedSettings.from_params(params, environ)
    request = parse_request(params, environ.get("__OW_NAMESPACE") or "_", settings.mark)
    return handle(connect(settings), request)


def connect(settings: FeedSettings) -> Feed:
    """A feed on the settings' store; nothing is asked of the store yet."""
    address = urlsplit(settings.endpoint)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise BadSettings("AWS_ENDPOINT_URL_S3: expected a URL such as http://127.0.0.1:9000")
    secure = address.scheme == "https"
    # The library's own default waits five minutes and tries five times: a feed call has a minute in all.
    web = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=10), retries=urllib3.Retry(total=0))
    provider = StaticProvider(settings.access_key, settings.secret_key)
    administration = MinioAdmin(endpoint=address.netloc, secure=secure, credentials=provider, http_client=web)
    return Feed(
        store=Minio(address.netloc, secure=secure, credentials=provider, http_client=web),
        administration=administration if settings.declare else None,
        journal=journal_arn(settings.journal),
        apihost=settings.apihost,
    )
