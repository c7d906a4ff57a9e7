"""Rows as people and programs read them: a table, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

Row = Mapping[str, Any]
Format = Literal["table", "json", "jsonl", "csv"]

# Below this a row of a table would be broken anywhere: it has two lines instead.
WIDTH_TABLE = 72
_HEADER = ("TIME (UTC)", "LABEL", "SURE", "OBJECT")
_CSV = (
    "bucket", "key", "version_id", "status", "label", "probability", "labels", "reason", "detail", "model", "format",
    "width", "height", "size", "event_time", "stored_at",
)  # fmt: skip


def printable(text: str) -> str:
    """Text of anybody's, made harmless for a terminal."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def shown_time(moment: datetime) -> str:
    """As the page shows it, too."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def table(rows: Sequence[Row]) -> list[str]:
    """A header and a line a row; nothing where there is no row. On a narrow terminal two lines a row, no header."""
    if not rows:
        return []
    if sys.stdout.isatty() and shutil.get_terminal_size().columns < WIDTH_TABLE:
        return [part for row in rows for part in _narrow(row)]
    several = len({row["model"] for row in rows}) > 1
    return [line(dict(zip(("time", "what", "sure", "where"), _HEADER, strict=True)), several=several)] + [
        line(cells(row), several=several) for row in rows
    ]


def line(parts: Mapping[str, str], *, several: bool = False) -> str:
    """One row of a table. `several` models: the last column says by which."""
    model = f"  {parts.get('model', 'MODEL')}" if several else ""
    return f"{parts['time']:19}  {parts['what']:28}  {parts['sure']:>5}  {parts['where']}{model}"


def cells(row: Row) -> dict[str, str]:
    """When, what, how sure, where, by which model: in words."""
    classified = row["status"] == "classified"
    what = row["label"] if classified else row["status"] + (f" ({row['reason']})" if row["reason"] else "")
    where = f"{row['bucket']}/{row['key']}" if row["bucket"] else row["key"] or "inline image"
    return {
        "time": shown_time(row["stored_at"]),
        "what": printable(what),
        "sure": f"{row['probability']:.0%}" if classified else "",
        "where": printable(where),
        "model": printable(row["model"]),
    }


def as_document(rows: Sequence[Row], total: int) -> str:
    """One JSON document."""
    return json.dumps({"results": [plain(row) for row in rows], "total": total})


def as_lines(rows: Iterable[Row]) -> list[str]:
    """A JSON document a row."""
    return [json.dumps(plain(row)) for row in rows]


def as_csv(rows: Sequence[Row]) -> str:
    """With a header; the labels of a row in one cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _CSV, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**plain(row), "labels": _join(row["labels"])} for row in rows)
    return text.getvalue().rstrip("\n")


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON holds it: times in ISO form, UTC."""
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value for name, value in row.items()
    }


def _narrow(row: Row) -> tuple[str, str]:
    found = cells(row)
    return f"{found['what']} {found['sure']}".rstrip(), f"  {found['time']}Z {found['where']}"


def _join(labels: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(f"{each['label']} {each['probability']:.3f}" for each in labels)
