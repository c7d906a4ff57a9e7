"""What a visitor asked for: hostile text in, a checked `Query` out, and the SQL statements it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    TableClause,
    Text,
    cast,
    column,
    exists,
    func,
    literal,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

Status = Literal["classified", "rejected", "deleted"]

# 96 rows of labels stay far below OpenWhisk's 1 MiB result.
LIMIT_ROWS = 96
LIMIT_TEXT = 200
# Counting further would take longer than showing the page.
LIMIT_COUNT = 10_000

COLUMNS = (
    "bucket", "key", "version_id", "size", "status", "label", "probability", "labels", "reason", "detail", "model",
    "format", "width", "height", "event_time", "stored_at",
)  # fmt: skip
RESULTS = table("current_results", *(column(name) for name in (*COLUMNS, "model_digest")))
LABELS = table(
    "labels", *(column(name) for name in ("bucket", "key", "version_id", "model_digest", "label", "ancestors"))
)


class BadQuery(ValueError):
    """The query string asks for something that is not there to ask; the message says what is."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows: `text` is looked for in keys and in all shown labels, and is the name of what stands above one (`dog`
    finds beagles). Pages are counted from 1, newest first.
    """

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
    rows = select(*(RESULTS.c[name] for name in COLUMNS)).where(*_conditions(query))
    newest = (RESULTS.c.stored_at.desc(), RESULTS.c.key, RESULTS.c.model)
    return rows.order_by(*newest).limit(LIMIT_ROWS + 1).offset((query.page - 1) * LIMIT_ROWS)


def select_count(query: Query) -> Select[Any]:
    """How many rows all pages have together, in column `count`: no more than one beyond `LIMIT_COUNT`."""
    found = select(RESULTS.c.key).where(*_conditions(query)).limit(LIMIT_COUNT + 1).subquery()
    return select(func.count().label("count")).select_from(found)


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.text:
        pattern = f"%{_escape(query.text)}%"
        conditions.append(RESULTS.c.key.ilike(pattern, escape="\\") | _has_label(pattern) | _is_kind_of(query.text))
    if query.bucket:
        conditions.append(RESULTS.c.bucket == query.bucket)
    if query.status:
        conditions.append(RESULTS.c.status == query.status)
    return conditions


def _has_label(pattern: str) -> ColumnElement[bool]:
    """Of any label that is shown with the row, or of its synonyms."""
    each = func.jsonb_array_elements(RESULTS.c.labels, type_=JSONB).column_valued("each")
    names = (each.op("->>")("label"), each.op("->>")("className"))
    return exists().where(
        names[0].cast(String).ilike(pattern, escape="\\") | names[1].cast(String).ilike(pattern, escape="\\")
    )


def _is_kind_of(name: str) -> ColumnElement[bool]:
    """What `pixwhisk results --label` finds: a label as the rules rename it, or what stands above it, in any case."""
    folded = name.lower()
    above = cast(func.lower(cast(LABELS.c.ancestors, Text)), ARRAY(Text))
    named = select(*_identity(LABELS)).where(
        (func.lower(LABELS.c.label) == folded) | (literal(folded) == func.any(above, type_=Text))
    )
    return tuple_(*_identity(RESULTS)).in_(named)


def _identity(relation: TableClause) -> tuple[ColumnElement[Any], ...]:
    """An object's version, and the model that spoke of it."""
    columns = relation.c
    return columns.bucket, columns.key, func.coalesce(columns.version_id, ""), columns.model_digest


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


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
