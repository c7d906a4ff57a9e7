"""Query → rows → a page or JSON, as a web action answers: `{statusCode, headers, body}`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import Environment, select_autoescape

from actions.errors import DatabaseUnavailable
from actions.view.query import LIMIT_COUNT, LIMIT_ROWS, BadQuery, Query, parse_query, select_count, select_rows

Row = Mapping[str, Any]
# Pictures are shown by signed links that outlive a look at the page, not much more.
PICTURE_LIFETIME = timedelta(minutes=15)


# Where rows come from (the read-only database role in service), and a link that a browser may show for a while, made of
# bucket, key and version.
Rows = Callable[[Any], Sequence[Row]]
Pictures = Callable[[str, str, str | None], str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows. `count` is of all pages; beyond `LIMIT_COUNT` it only says that there are more."""

    query: Query
    rows: Sequence[Row]
    more: bool
    count: int

    @property
    def counted(self) -> str:
        """The count in words."""
        if self.count > LIMIT_COUNT:
            return f"more than {LIMIT_COUNT:,} results"
        return f"{self.count:,} {'result' if self.count == 1 else 'results'}"

    @property
    def last(self) -> int:
        """The number of the last page, as far as was counted."""
        return max(1, -(-self.count // LIMIT_ROWS))


def respond(
    params: Mapping[str, Any], rows: Rows, picture: Pictures | None, picture_origin: str = ""
) -> dict[str, Any]:
    """Answer one web invocation. A query that cannot be read is a 400, a database away a 503.

    Another site's script is told nothing (403): OpenWhisk lets every site read what web actions answer, and a page on
    loopback is in reach of whatever its owner's browser has open. A link there still works.
    """
    if asked_by_another_site(params.get("__ow_headers")):
        return _plain_text(403, "open this page by itself: other sites may not read it")
    try:
        query = parse_query(params)
    except BadQuery as error:
        return _plain_text(400, str(error))
    try:
        found, (counted,) = rows(select_rows(query)), rows(select_count(query))
    except DatabaseUnavailable as error:
        return _plain_text(503, str(error))
    page = Page(query, found[:LIMIT_ROWS], more=len(found) > LIMIT_ROWS, count=counted["count"])
    return as_json(page) if query.as_json else as_html(page, picture, picture_origin)


def asked_by_another_site(headers: object) -> bool:
    """What the browser says of who asks, or what an old one gives away; other programs say nothing of the kind."""
    if not isinstance(headers, Mapping):
        return False
    if site := headers.get("sec-fetch-site"):
        return bool(site == "cross-site" and headers.get("sec-fetch-mode") != "navigate")
    origin = headers.get("origin")
    return bool(origin) and _host_name(str(origin)) != _host_name(f"//{headers.get('host', '')}")


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def as_json(page: Page) -> dict[str, Any]:
    rows = [{name: _plain(value) for name, value in row.items()} for row in page.rows]
    return {
        "statusCode": 200,
        "headers": _headers("application/json"),
        "body": {
            "results": rows,
            "page": page.query.page,
            "more": page.more,
            "count": min(page.count, LIMIT_COUNT),
            "count_is_exact": page.count <= LIMIT_COUNT,
        },
    }


def as_html(page: Page, picture: Pictures | None, picture_origin: str) -> dict[str, Any]:
    html = _template().render(
        # For whoever passes the page on without its headers.
        policy=_policy(picture_origin),
        query=page.query,
        page=page,
        first=_link(page.query, 1),
        last=_link(page.query, page.last),
        rows=[{**row, "picture": _picture(row, picture)} for row in page.rows],
        several_models=len({row["model"] for row in page.rows}) > 1,
        previous=_link(page.query, page.query.page - 1) if page.query.page > 1 else None,
        following=_link(page.query, page.query.page + 1) if page.more else None,
    )
    return {"statusCode": 200, "headers": _headers("text/html; charset=utf-8", picture_origin), "body": html}


def _plain_text(status: int, message: str) -> dict[str, Any]:
    return {"statusCode": status, "headers": _headers("text/plain; charset=utf-8"), "body": f"{message}\n"}


def _picture(row: Row, picture: Pictures | None) -> str | None:
    if picture is None or row["status"] != "classified" or not row["bucket"]:
        return None
    return picture(row["bucket"], row["key"], row["version_id"])


def _link(query: Query, page: int) -> str:
    asked = {"q": query.text, "bucket": query.bucket, "status": query.status or "", "page": str(page)}
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def _headers(content_type: str, picture_origin: str = "") -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Content-Security-Policy": f"{_policy(picture_origin)}; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _policy(picture_origin: str) -> str:
    """No script at all, no style but the page's own, no picture but the store's: a key or label that slips through as
    markup still could do nothing.
    """
    pictures = f"img-src data: {_origin(picture_origin)}"
    return f"default-src 'none'; style-src 'unsafe-inline'; {pictures}; form-action 'self'; base-uri 'none'"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


@functools.cache
def _template() -> Any:
    environment = Environment(autoescape=select_autoescape(default=True, default_for_string=True), trim_blocks=True)
    environment.filters["percent"] = lambda probability: f"{100 * (probability or 0):.0f} %"
    environment.filters["bytes"] = _bytes
    environment.filters["time"] = _time
    return environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


def _time(moment: datetime) -> str:
    # As the command line shows it: a server cannot know where its reader is.
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _bytes(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
