"""What a visitor asked for: hostile text in, a checked `Query` out, and the one SQL statement it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Select, column, select, table

Status = Literal["classified", "rejected", "deleted"]

# 96 rows of labels stay far below OpenWhisk's 1 MiB result.
LIMIT_ROWS = 96
LIMIT_TEXT = 200

COLUMNS = (
    "bucket", "key", "version_id", "size", "status", "label", "probability", "labels", "reason", "detail", "model",
    "format", "width", "height", "event_time", "stored_at",
)  # fmt: skip
RESULTS = table("current_results", *(column(name) for name in COLUMNS))


class BadQuery(ValueError):
    """The query string asks for something that is not there to ask; the message says what is."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows: `text` is looked for in labels and keys; pages are counted from 1, newest first."""

    text: str = ""
    bucket: str = ""
    status: Status | None = None
    page: int = 1
    as_json: bool = False


def parse_query(params: Mapping[str, Any]) -> Query:
    """Read the query string of a web invocation. Raises `BadQuery`; unknown names are ignored."""
    status = _text(params, "status")
    if status and status not in get_args(Status):
        raise BadQuery(f"status: one of {', '.join(get_args(Status))}")
    return Query(
        text=_text(params, "q"),
        bucket=_text(params, "bucket"),
        status=status or None,  # type: ignore[arg-type]  # checked just above
        page=_page(params.get("page", 1)),
        as_json=_text(params, "format") == "json" or _prefers_json(params.get("__ow_headers")),
    )


def select_rows(query: Query) -> Select[Any]:
    """The rows of one page, and one more that tells whether there is a next page."""
    rows = select(RESULTS).order_by(RESULTS.c.stored_at.desc(), RESULTS.c.key, RESULTS.c.model)
    if query.text:
        pattern = f"%{_escaped(query.text)}%"
        rows = rows.where(RESULTS.c.label.ilike(pattern, escape="\\") | RESULTS.c.key.ilike(pattern, escape="\\"))
    if query.bucket:
        rows = rows.where(RESULTS.c.bucket == query.bucket)
    if query.status:
        rows = rows.where(RESULTS.c.status == query.status)
    return rows.limit(LIMIT_ROWS + 1).offset((query.page - 1) * LIMIT_ROWS)


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name, "")
    if not isinstance(value, str) or len(value) > LIMIT_TEXT or "\0" in value:
        raise BadQuery(f"{name}: expected up to {LIMIT_TEXT} characters of text")
    # A lone surrogate can stand in JSON but not in SQL.
    return value.encode(errors="replace").decode().strip()


def _page(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 6 and int(text) > 0):
        raise BadQuery("page: expected a number from 1 to 999999")
    return int(text)


def _prefers_json(headers: object) -> bool:
    accepted = headers.get("accept", "") if isinstance(headers, Mapping) else ""
    return isinstance(accepted, str) and accepted.startswith("application/json")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
