"""A bucket's versions and delete markers, as a stream in the order of their keys' bytes.

The MinIO client sorts each page into versions and markers and makes an object of every field; here pages are read in
the order the store sends them, the next one fetched while this one is read, because an audit reads millions of entries.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus, urlsplit

import urllib3
from minio.credentials.credentials import Credentials
from minio.signer import presign_v4

from actions.causes import name_cause
from actions.events import is_folder_marker
from infra.errors import OperatorError, ServiceAway

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

    from infra.deployment.record import Deployment

# One page holds at most 1000 entries, S3's own ceiling.
TIMEOUT_PAGE = urllib3.Timeout(connect=5, read=120)
RETRIES_PAGE = urllib3.Retry(total=5, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504), raise_on_status=False)

FetchPage = Callable[[Mapping[str, str]], bytes]
# One version by its name, None where there is none: the object store has keys that it does not list.
Look = Callable[[str, str | None], "Listed | None"]


class ListingRefused(OperatorError):
    """The store answered, but not with a listing: `code` is S3's word for why (`NoSuchBucket`, `AccessDenied`, …)."""

    def __init__(self, code: str, bucket: str) -> None:
        super().__init__(f"bucket {bucket!r} cannot be listed: {code}")
        self.code = code


class ObjectStoreAway(ServiceAway):
    """Nothing answers at the object store's endpoint."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One object version or delete marker. `version_id` is None without versioning; `modified` is exact to the ms."""

    key: str
    version_id: str | None
    etag: str
    size: int
    modified: datetime
    marker: bool = False


@dataclass(frozen=True, slots=True)
class ListedPage:
    entries: list[Listed]
    following: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class StoreListing:
    """Where to list, and as whom."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def fetcher(self, bucket: str) -> FetchPage:
        """Fetches one page of `?versions` by its query. Raises `ListingRefused` or `ObjectStoreAway`."""
        pool = urllib3.PoolManager(timeout=TIMEOUT_PAGE, retries=RETRIES_PAGE)

        def fetch(query: Mapping[str, str]) -> bytes:
            answer = self._ask(pool, "GET", f"/{bucket}", query)
            if answer.status != 200:
                raise ListingRefused(_error_code(answer.data), bucket)
            return answer.data

        return fetch

    def looker(self, bucket: str) -> Look:
        """Looks at one version by its name. Raises `ObjectStoreAway`."""
        pool = urllib3.PoolManager(timeout=TIMEOUT_PAGE, retries=RETRIES_PAGE)

        def look(key: str, version_id: str | None) -> Listed | None:
            path = f"/{bucket}/{quote(key, safe='/~')}"
            answer = self._ask(pool, "HEAD", path, {"versionId": version_id or "null"})
            headers = answer.headers
            marker = answer.status == 405 and headers.get("x-amz-delete-marker") == "true"
            if answer.status != 200 and not marker:
                return None
            modified = parsedate_to_datetime(headers.get("Last-Modified", "")) if not marker else datetime.now(UTC)
            etag, size = headers.get("ETag", "").strip('"'), int(headers.get("Content-Length") or 0)
            return Listed(key, version_id, etag, size, modified, marker)

        return look

    def _ask(self, pool: urllib3.PoolManager, method: str, path: str, query: Mapping[str, str]) -> BaseHTTPResponse:
        # Signed in the query, because a signature in a header would have to be made anew on every retry.
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in sorted(query.items()))
        url = presign_v4(
            method=method,
            url=urlsplit(f"{self.endpoint.rstrip('/')}{path}?{asked}"),
            region=self.region,
            credentials=Credentials(self.access_key, self.secret_key),
            date=datetime.now(UTC),
            expires=900,
        )
        try:
            return pool.request(method, url.geturl())
        except urllib3.exceptions.HTTPError as error:
            raise ObjectStoreAway(
                f"no object store answers at {self.endpoint} ({name_cause(error)}): is it up? (`pixwhisk status`)"
            ) from None


def find_listing(deployment: Deployment) -> StoreListing:
    """The deployment's, with its own credentials."""
    credentials = deployment.credentials
    return StoreListing(deployment.endpoint, credentials.access_key, credentials.secret_key)


def list_versions(fetch: FetchPage, prefix: str = "", after: str = "") -> Iterator[Listed]:
    """Everything under `prefix` whose key comes after `after`, ordered by key in bytes of UTF-8.

    But for markers of folders, which are no objects to anybody.
    """
    first = {"encoding-type": "url", "max-keys": "1000", "prefix": prefix, "versions": ""}
    with ThreadPoolExecutor(1, thread_name_prefix="list") as ahead:
        coming: Future[bytes] | None = ahead.submit(fetch, first | ({"key-marker": after} if after else {}))
        while coming is not None:
            page = parse_page(coming.result())
            coming = ahead.submit(fetch, first | page.following) if page.following else None
            yield from (each for each in page.entries if each.marker or not is_folder_marker(each.key, each.size))


def parse_page(document: bytes) -> ListedPage:
    """Read one `ListVersionsResult`."""
    entries: list[Listed] = []
    facts: dict[str, str] = {}
    for element in ET.fromstring(document):  # noqa: S314 - the store we audit wrote it; expat bounds expansion
        name = element.tag.rpartition("}")[2]
        if name in ("Version", "DeleteMarker"):
            entries.append(_entry(element, marker=name == "DeleteMarker"))
        else:
            facts[name] = element.text or ""
    following = {"key-marker": unquote_plus(facts.get("NextKeyMarker", ""))}
    if version := facts.get("NextVersionIdMarker"):
        following["version-id-marker"] = version
    return ListedPage(entries, following if facts.get("IsTruncated") == "true" else None)


def sequencer_of(modified: datetime) -> str:
    """A sequencer that a listing's time can stand for: the last ns of its ms, so never older than the event's own."""
    milliseconds = (modified - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return f"{milliseconds * 1_000_000 + 999_999:X}"


def _entry(element: ET.Element, *, marker: bool) -> Listed:
    fields = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    version = fields.get("VersionId", "null")
    return Listed(
        key=unquote_plus(fields["Key"]),
        version_id=None if version in ("null", "") else version,
        etag=fields.get("ETag", "").strip('"'),
        size=int(fields.get("Size") or 0),
        modified=datetime.fromisoformat(fields["LastModified"]),
        marker=marker,
    )


def _error_code(document: bytes) -> str:
    try:
        found = ET.fromstring(document).findtext("Code")  # noqa: S314 - as above
    except ET.ParseError:
        found = None
    return found or "no reason given"
