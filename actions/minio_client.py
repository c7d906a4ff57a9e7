"""MinIO's client without the half that administers servers.

Importing `minio` also imports its administration, whose ciphers cost 6 MB and a third of the import's time. Here they
are left out until somebody in this process uses them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlunsplit

_CIPHERS = "minio.crypto"


def _defer(name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(_CIPHERS), name)(*arguments, **options)

    return call


def _import_without_ciphers() -> None:
    stand_in = ModuleType(_CIPHERS)
    stand_in.__dict__.update(encrypt=_defer("encrypt"), decrypt=_defer("decrypt"))
    sys.modules[_CIPHERS] = stand_in
    try:
        importlib.import_module("minio")
    finally:
        del sys.modules[_CIPHERS]


if "minio" not in sys.modules:
    _import_without_ciphers()

from minio import Minio as _Minio  # noqa: E402 (imported above, in its own way)
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError  # noqa: E402
from minio.helpers import check_object_name  # noqa: E402
from minio.signer import presign_v4  # noqa: E402
from minio.time import utcnow  # noqa: E402

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse


class Minio(_Minio):
    """The client, with three more calls."""

    def head_object(
        self, *, bucket_name: str, object_name: str, version_id: str | None, headers: Any = None
    ) -> BaseHTTPResponse:
        """The answer to HEAD of any name, spaces included. Raises as the client does, with the answer in `S3Error`."""
        if object_name.strip():
            # Of names that a signature could not carry, such as `a/../b`, the store would say that our key is wrong.
            check_object_name(object_name)
        return self._execute(
            "HEAD",
            bucket_name,
            object_name,
            headers=headers or {},
            query_params={"versionId": version_id} if version_id else None,
        )

    def get_blank_object(self, *, bucket_name: str, object_name: str, **more: Any) -> BaseHTTPResponse:
        """`get_object` for a name made of spaces alone, which MinIO takes and the client refuses."""
        version, headers = more.get("version_id"), more.get("request_headers")
        return self._execute(
            "GET",
            bucket_name,
            object_name,
            headers=headers or {},
            query_params={"versionId": version} if version else None,
            preload_content=False,
        )

    def sign_listening(self, *, bucket_name: str, events: Sequence[str], expires: int = 300) -> str:
        """A URL, signed for the next `expires` s, at which the store streams what happens in a bucket, a line an event.
        The client's own call reads it a byte at a time, and cannot end it in one direction alone.
        """
        region = self._get_region(bucket_name)
        asked: dict[str, str | list[str] | tuple[str]] = {"events": list(events), "ping": "5"}
        url = self._base_url.build(method="GET", region=region, bucket_name=bucket_name, query_params=asked)
        assert self._provider is not None, "nobody listens without a key"
        credentials = self._provider.retrieve()
        return urlunsplit(
            presign_v4(method="GET", url=url, region=region, credentials=credentials, date=utcnow(), expires=expires)
        )


__all__ = ["InvalidResponseError", "Minio", "MinioException", "S3Error", "ServerError"]
