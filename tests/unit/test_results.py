"""Rows in words, and moments as they are typed."""

from __future__ import annotations

import contextlib
import csv
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cli.moments import read_moment
from infra.cli.printing import as_csv, as_document, as_lines, cells, table

NOW = datetime(2026, 11, 25, 13, 7, 5, tzinfo=UTC)
ROW: dict[str, Any] = {
    "bucket": "b", "key": "k", "version_id": None, "status": "classified", "label": "espresso", "probability": 0.949,
    "labels": [{"label": "espresso", "probability": 0.949}, {"label": "cup", "probability": 0.01}], "reason": None,
    "detail": None, "model": "m", "format": "PNG", "width": 6, "height": 4, "size": 9, "event_time": None,
    "stored_at": NOW.astimezone(timezone(timedelta(hours=-3))),
}  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("10m", NOW - timedelta(minutes=10)),
        ("2 h", NOW - timedelta(hours=2)),
        ("1W", NOW - timedelta(days=7)),
        ("today", datetime(2026, 11, 25, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01 07:30", datetime(2026, 11, 1, 7, 30, tzinfo=UTC)),
        ("2026-11-01T07:30Z", datetime(2026, 11, 1, 7, 30, tzinfo=UTC)),
        ("2026-11-01T07:30+02:00", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
    ],
)
def test_moments_as_people_type_them(typed: str, meant: datetime) -> None:
    """A day is its beginning; without a zone it is UTC."""
    assert read_moment(typed, NOW) == meant


@given(st.text())
def test_what_is_no_moment_is_a_value_error(text: str) -> None:
    """Whatever is typed is a moment with a zone, or refused."""
    with contextlib.suppress(ValueError):
        assert read_moment(text, NOW).tzinfo


def test_a_row_in_words() -> None:
    """Rejected rows say why; inline images have their digest for a place; times are UTC."""
    assert table([ROW]) == [
        "TIME (UTC)           LABEL                          SURE  OBJECT",
        "2026-11-25 13:07:05  espresso                        95%  b/k",
    ]
    assert cells(ROW | {"status": "rejected", "reason": "corrupt-image"})["what"] == "rejected (corrupt-image)"
    assert cells(ROW | {"bucket": None, "key": "sha256:1"})["where"] == "sha256:1"
    assert cells(ROW | {"key": "a\x1b[31mb"})["where"] == "b/a\\u001b[31mb"
    assert [line.split()[-1] for line in table([ROW, ROW | {"model": "n"}])] == ["MODEL", "m", "n"]


def test_a_narrow_terminal_has_two_lines_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither breaks in the middle of a word."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    assert table([ROW]) == ["espresso 95%", "  2026-11-25 13:07:05Z b/k"]


def test_rows_for_programs() -> None:
    """One document, a document a row, or CSV that a spreadsheet reads back."""
    document = json.loads(as_document([ROW], 7))
    assert (document["total"], document["results"][0]["stored_at"]) == (7, "2026-11-25T13:07:05+00:00")
    assert [json.loads(each)["key"] for each in as_lines([ROW, ROW])] == ["k", "k"]
    (row,) = csv.DictReader(as_csv([ROW | {"key": 'a "quoted", key\n'}]).splitlines(keepends=True))
    assert (row["key"], row["labels"], row["width"]) == ('a "quoted", key\n', "espresso 0.949; cup 0.010", "6")
