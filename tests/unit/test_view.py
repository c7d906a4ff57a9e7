"""Web action `view`: hostile query strings in, a page or JSON out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.errors import DatabaseUnavailable
from actions.view.handler import Row, respond
from actions.view.query import LIMIT_COUNT, LIMIT_ROWS, BadQuery, parse_query, select_rows

ESPRESSO: dict[str, Any] = {
    "bucket": "images",
    "key": "a dir/<script>alert(1)</script>.jpg",
    "version_id": None,
    "size": 84452,
    "status": "classified",
    "label": "espresso",
    "probability": 0.95,
    "labels": [{"label": "espresso", "className": 'espresso" onload="x', "index": 967, "probability": 0.95}],
    "reason": None,
    "detail": None,
    "model": "efficientnet-lite0-int8",
    "format": "JPEG",
    "width": 600,
    "height": 400,
    "event_time": None,
    "stored_at": datetime(2026, 11, 23, 4, 0, tzinfo=UTC),
}


def rows(*found: Row, count: int | None = None) -> Any:
    """What the database says: these rows for a page, and their number (or another) when they are counted."""

    def answer(statement: Any) -> Sequence[Row]:
        if statement.column_descriptions[0]["name"] == "count":
            return [{"count": len(found) if count is None else count}]
        return found

    return answer


def picture(bucket: str, key: str, version_id: str | None) -> str:
    return f"http://127.0.0.1:9000/{bucket}/signed?a=1&b=2"


def test_a_page_shows_labels_and_the_picture() -> None:
    """Each row becomes a card with its labels, its key and a link to the picture."""
    answer = respond({}, rows(ESPRESSO), picture, "http://127.0.0.1:9000")
    assert answer["statusCode"] == 200
    assert "espresso" in answer["body"]
    assert "95 %" in answer["body"]
    assert 'src="http://127.0.0.1:9000/images/signed?a=1&amp;b=2"' in answer["body"]
    assert "img-src data: http://127.0.0.1:9000;" in answer["headers"]["Content-Security-Policy"]


def test_a_page_tells_models_apart_where_there_are_several() -> None:
    """Which of them said what; the name of the only one would be of no use."""
    several = [ESPRESSO, ESPRESSO | {"model": "<second>"}]
    assert "by efficientnet" not in respond({}, rows(ESPRESSO), picture)["body"]
    page = respond({}, rows(*several), picture)["body"]
    assert "by efficientnet" in page
    assert "by &lt;second&gt;" in page


def test_nothing_from_a_row_is_markup() -> None:
    """A key that is a script and a label that closes an attribute are shown as text."""
    body = respond({"q": '"><script>'}, rows(ESPRESSO), None)["body"]
    assert "<script" not in body
    assert 'onload="x' not in body


def test_json_is_for_programs() -> None:
    """`format=json`, or an Accept header that asks for it, gives the same rows as JSON."""
    for params in ({"format": "json"}, {"__ow_headers": {"accept": "application/json"}}):
        answer = respond(params, rows(ESPRESSO), None)
        assert answer["headers"]["Content-Type"] == "application/json"
        assert answer["body"]["results"][0]["label"] == "espresso"
        assert answer["body"]["results"][0]["stored_at"] == "2026-11-23T04:00:00+00:00"


def test_more_rows_than_a_page_holds_lead_to_the_next() -> None:
    """One row beyond the page's limit is not shown but linked to."""
    body = respond({"q": "esp"}, rows(*[ESPRESSO] * (LIMIT_ROWS + 1)), None)["body"]
    assert body.count("<article>") == LIMIT_ROWS
    assert "?q=esp&amp;page=2" in body


def test_a_page_says_how_many_there_are() -> None:
    """Of all pages together; where they are too many to count, only that; in JSON as a number."""
    assert ">1 result</p>" in respond({}, rows(ESPRESSO), None)["body"]
    assert ">1,234 results, page 2</p>" in respond({"page": "2"}, rows(ESPRESSO, count=1234), None)["body"]
    many = rows(ESPRESSO, count=LIMIT_COUNT + 1)
    assert ">more than 10,000 results</p>" in respond({}, many, None)["body"]
    document = respond({"format": "json"}, many, None)["body"]
    assert (document["count"], document["count_is_exact"]) == (LIMIT_COUNT, False)


def test_a_page_past_the_end_says_so_and_leads_back() -> None:
    """Instead of claiming that there is nothing."""
    body = respond({"q": "esp", "page": "9"}, rows(count=200), None)["body"]
    assert "Page 9 is past the end: there are 200 results." in body
    assert 'href="?q=esp&amp;page=1"' in body
    assert 'href="?q=esp&amp;page=3"' in body
    assert "newer" not in body


def test_times_have_their_zone() -> None:
    """Always UTC, whatever zone the database speaks in: the command line shows the same."""
    moved = ESPRESSO | {"stored_at": ESPRESSO["stored_at"].astimezone(timezone(timedelta(hours=5, minutes=30)))}
    assert "2026-11-23 04:00:00 UTC" in respond({}, rows(moved), None)["body"]
    assert respond({"format": "json"}, rows(moved), None)["body"]["results"][0]["stored_at"].endswith("04:00:00+00:00")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"origin": "https://evil.example", "host": "127.0.0.1:3233"}, 403),
        ({"origin": "null", "host": "127.0.0.1:3233"}, 403),
        ({"origin": "http://127.0.0.1:3233", "host": "127.0.0.1:3233"}, 200),
        ("none", 200),
    ],
)
def test_other_sites_read_nothing(headers: Any, status: int) -> None:
    """A script or frame of another site gets a 403, a person who follows its link the page, a program its JSON."""
    assert respond({"__ow_headers": headers}, rows(ESPRESSO), None)["statusCode"] == status


@pytest.mark.parametrize("bad", [{"page": "0"}, {"page": "-1"}, {"status": "x"}, {"q": "x" * 201}, {"q": {"a": 1}}])
def test_a_query_that_cannot_be_read_says_what_can(bad: dict[str, Any]) -> None:
    """The answer is a 400 naming the parameter."""
    answer = respond(bad, rows(), None)
    assert answer["statusCode"] == 400
    assert answer["body"].startswith(next(iter(bad)))


def test_a_database_that_is_away_is_a_503() -> None:
    """A visitor is told what to do, and no address."""

    def away(_statement: Any) -> Sequence[Row]:
        raise DatabaseUnavailable("the results database does not answer: see `pixwhisk status`")

    answer = respond({}, away, None)
    assert answer["statusCode"] == 503
    assert "pixwhisk status" in answer["body"]


@given(
    st.dictionaries(st.sampled_from(["q", "bucket", "status", "page", "format", "__ow_headers"]), st.text() | st.none())
)
def test_any_query_is_read_or_refused(params: dict[str, Any]) -> None:
    """Whatever the query string holds, it is a statement with bound values or a `BadQuery`, never another error."""
    try:
        query = parse_query(params)
    except BadQuery:
        return
    statement = str(select_rows(query))
    assert "'" not in statement.replace("ESCAPE '\\'", "")
