"""Objects from MinIO: exactly the version and the bytes that an event names, or a typed reason why not."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import urllib3

from actions.causes import name_cause
from actions.classify.encodings import Unpacking
from actions.classify.fetched import Fetched, Removed, Unfetched
from actions.classify.settings import ClassifySettings
from actions.errors import (
    BadSettings,
    EmptyObject,
    ObjectChanged,
    ObjectGone,
    ObjectStoreRefused,
    ObjectStoreUnreachable,
    ObjectUnreadable,
    PixwhiskError,
    Rejected,
    TooManyBytes,
)
from actions.events import ObjectEvent
from actions.minio_client import InvalidResponseError, Minio, MinioException, S3Error, ServerError

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

Headers = dict[str, str | list[str] | tuple[str]]

_PIECE = 2**18
_TIMEOUT = urllib3.Timeout(connect=3, read=15)

_GONE = {
    "InvalidArgument",  # MinIO's answer to a version that is not even a UUID
    "InvalidBucketName",
    "KeyTooLongError",
    "MethodNotAllowed",  # the version is a delete marker
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchVersion",
    "XMinioInvalidObjectName",
}
_REFUSED = {"AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


# Answers that say the store is failing, or busy, rather than something about this object.
_PASSING = (408, 429)


class ObjectStore:
    """A client of one MinIO, safe to use from several threads; its connections stay open between calls."""

    def __init__(self, settings: ClassifySettings) -> None:
        if settings.endpoint is None:
            raise BadSettings("AWS_ENDPOINT_URL_S3: missing; bind it as a parameter of the package or action")
        endpoint = urlsplit(settings.endpoint)
        self._limit = settings.limit_bytes
        self._client = Minio(
            endpoint=endpoint.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            secure=endpoint.scheme == "https",
            region=settings.region,  # named, so that no request is spent on asking
            http_client=_pool(secure=endpoint.scheme == "https"),
        )

    def fetch(self, event: ObjectEvent, in_memory: int) -> Fetched | Removed | Unfetched:
        """Read the object that `event` names; one larger than `in_memory` bytes goes to a temporary file.

        Of a removal the store is asked first: what is there all the same is read like what was put. Raises
        `ActionError` where the store is at fault.
        """
        try:
            if event.kind == "removed":
                event = self._look(event)
                if event.kind == "removed":
                    return Removed(event)
            return self._fetch(event, in_memory)
        except Rejected as rejection:
            return Unfetched(event, rejection.without_traceback())

    def _fetch(self, event: ObjectEvent, in_memory: int) -> Fetched:
        self._check_told_size(event)
        with closing(self._get(event)) as response:
            completed = _complete(event, response)
            self._check_size(completed.size)
            fetched = _read(completed, response, self._limit, in_memory)
            response.release_conn()
        return fetched

    def _look(self, removal: ObjectEvent) -> ObjectEvent:
        """What is there of a version said to be removed. MinIO gives one name to both ends of a delete marker, and to
        lifecycle rules' markers that of a removal; an event may also be older than what came after it.
        """
        try:
            answer = self._head(removal)
        except ObjectGone as gone:
            return replace(removal, delete_marker=gone.delete_marker)
        there = replace(removal, kind="created", delete_marker=False, etag=None, size=None)
        return replace(there, etag=answer.headers.get("ETag", "").strip('"') or None)

    def _check_told_size(self, event: ObjectEvent) -> None:
        """Spare the bytes what an event says of their number; but only if it is still about what is there."""
        try:
            self._check_size(event.size)
        except Rejected:
            self._head(event)
            raise

    def _head(self, event: ObjectEvent) -> BaseHTTPResponse:
        with _naming_failures(event):
            return self._client.head_object(
                bucket_name=event.bucket,
                object_name=event.key,
                version_id=_version(event),
                headers=_condition(event),
            )

    def _check_size(self, size: int | None) -> None:
        if size == 0:
            raise EmptyObject("it has no bytes; upload it again from its source")
        if size is not None and size > self._limit:
            raise TooManyBytes(f"{size} bytes, at most {self._limit}; make it smaller")

    def _get(self, event: ObjectEvent) -> BaseHTTPResponse:
        get = self._client.get_object if event.key.strip() else self._client.get_blank_object
        with _naming_failures(event):
            return get(
                bucket_name=event.bucket,
                object_name=event.key,
                version_id=_version(event),
                request_headers=_condition(event),
            )


def _version(event: ObjectEvent) -> str | None:
    """An event without a version is about the one that has none, even below later ones; a caller means the newest."""
    return event.version_id or ("null" if event.sequencer else None)


def _condition(event: ObjectEvent) -> Headers:
    return {"If-Match": f'"{event.etag}"'} if event.etag else {}


@contextmanager
def _naming_failures(event: ObjectEvent) -> Iterator[None]:
    """Whatever the client raises, as one of ours."""
    try:
        yield
    except MinioException as error:
        raise _name_failure(error, event) from None
    except ValueError as error:
        # The client itself refuses names that its signature could not carry, such as `a/../b`.
        raise ObjectGone(f"no object can have this name: {error}") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(error) from None


def _pool(*, secure: bool) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        timeout=_TIMEOUT,
        maxsize=8,
        # A second try bridges a restart of the store; waiting longer is for whoever calls the action again.
        retries=urllib3.Retry(
            total=2, redirect=0, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), raise_on_status=False
        ),
        **(_certificates() if secure else {}),
    )


def _certificates() -> dict[str, Any]:
    """As the client's own pool has them."""
    import certifi  # late: only https needs it

    return {"cert_reqs": "CERT_REQUIRED", "ca_certs": os.environ.get("SSL_CERT_FILE") or certifi.where()}


def _name_failure(error: MinioException, event: ObjectEvent) -> PixwhiskError:
    # A HEAD's refusal has no body that would tell: without its header, any web server's 404 would be a removal.
    if isinstance(error, S3Error) and "x-amz-request-id" in error.response.headers:
        return _s3_error(error, event)
    if isinstance(error, S3Error | ServerError | InvalidResponseError):
        return ObjectStoreUnreachable(
            "the object store answers, but not as S3; see that AWS_ENDPOINT_URL_S3 is MinIO's S3 port"
        )
    return ObjectStoreUnreachable(f"the object store failed: {type(error).__name__}")


def _s3_error(error: S3Error, event: ObjectEvent) -> PixwhiskError:
    status, headers = error.response.status, error.response.headers
    code = headers.get("x-minio-error-code") or error.code or "no code"
    if status == 412:
        return ObjectChanged(f"it was overwritten: its ETag is no longer {event.etag}; a newer event has it")
    if code == "NoSuchBucket":
        return ObjectGone(f"the bucket {event.bucket} does not exist")
    if code in _GONE:
        marker = headers.get("x-amz-delete-marker") == "true"
        return ObjectGone(f"the store has no such object or version ({code})", delete_marker=marker)
    if code in _REFUSED:
        return ObjectStoreRefused(
            f"the object store refuses our credentials ({code}); see AWS_ACCESS_KEY_ID and its policy"
        )
    if status >= 500 or status in _PASSING:
        return ObjectStoreUnreachable(f"the object store failed ({status} {code}); see its log")
    return ObjectUnreadable(
        f"the object store refuses to read it ({status} {code}): encrypted with a key of its owner's? put it without"
    )


def _unreachable(error: Exception) -> ObjectStoreUnreachable:
    return ObjectStoreUnreachable(
        f"the store cannot be reached ({name_cause(error)}); see that MinIO runs and AWS_ENDPOINT_URL_S3"
    )


def _complete(event: ObjectEvent, response: BaseHTTPResponse) -> ObjectEvent:
    """The event with what the response says; what it said itself stays, apart from a size of nobody's knowledge.

    An object that was merely named gets a sequencer as MinIO makes them, from its modification time, which HTTP tells
    to the second: any event of this very version orders the same or later.
    """
    version = response.headers.get("x-amz-version-id")
    named = event.sequencer is None or event.event_time is None
    modified = _parse_modified(response.headers.get("Last-Modified")) if named else None
    length = response.headers.get("Content-Length", "")
    return replace(
        event,
        version_id=event.version_id or (None if version in (None, "null") else version),
        etag=event.etag or response.headers.get("ETag", "").strip('"') or None,
        size=int(length) if length.isdecimal() else None,
        sequencer=event.sequencer or (f"{int(modified.timestamp()) * 10**9:X}" if modified else None),
        event_time=event.event_time or (modified.strftime("%Y-%m-%dT%H:%M:%S.000Z") if modified else None),
    )


def _parse_modified(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header or "").astimezone(UTC)
    except ValueError:
        return None


def _read(event: ObjectEvent, response: BaseHTTPResponse, limit: int, in_memory: int) -> Fetched:
    """Read on to the end, or one piece past the limit; never more."""
    unpacking = Unpacking(response.headers.get("Content-Encoding", ""), limit)
    large = event.size is None or event.size > in_memory or unpacking.is_needed
    file: BinaryIO = tempfile.TemporaryFile(prefix="pixwhisk-") if large else io.BytesIO()  # noqa: SIM115 (handed over)
    digest, size = hashlib.sha256(), 0
    try:
        for piece in _pieces(response):
            digest.update(piece)
            size += len(piece)
            _check_read(size, limit)
            file.writelines(unpacking.take(piece))
        unpacking.end()
    except BaseException:
        file.close()
        raise
    if size == 0:
        raise EmptyObject("it has no bytes; upload it again from its source")
    file.seek(0)
    return Fetched(replace(event, size=size), file, size, digest.hexdigest())


def _check_read(size: int, limit: int) -> None:
    if size > limit:
        raise TooManyBytes(f"more than {limit} bytes; make it smaller")


def _pieces(response: BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(_PIECE, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _unreachable(error) from None
