"""The merge of listing and rows: exactly what differs is reported, whatever the order of things within a key."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from infra.audit.compare import Difference, Recorded, compare
from infra.audit.listing import Listed, parse_page, sequencer_of

OLD = datetime(2026, 11, 23, 12, tzinfo=UTC)

keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=3)
names = st.tuples(keys, st.none() | st.sampled_from(["v1", "v2"]))
etags = st.sampled_from(["a", "b"])


def listed_of(versions: dict[tuple[str, str | None], str]) -> list[Listed]:
    return [Listed(*name, etag, 1, OLD) for name, etag in sorted(versions.items(), key=lambda each: each[0][0])]


def recorded_of(versions: dict[tuple[str, str | None], str]) -> list[Recorded]:
    found = [Recorded(*name, etag, outcomes=1) for name, etag in versions.items()]
    return sorted(found, key=lambda each: each.key.encode())


def findings(differences: list[Difference]) -> set[tuple[str, str, str | None]]:
    return {(each.finding, each.key, each.version_id) for each in differences}


@given(st.dictionaries(names, etags), st.dictionaries(names, etags))
def test_the_merge_finds_what_set_arithmetic_finds(
    there: dict[tuple[str, str | None], str], known: dict[tuple[str, str | None], str]
) -> None:
    """Missing is listed but not recorded, orphaned the reverse, stale is another ETag; nothing else is reported."""
    expected = {("missing", *name) for name in there.keys() - known.keys()}
    expected |= {("orphaned", *name) for name in known.keys() - there.keys()}
    expected |= {("stale", *name) for name in there.keys() & known.keys() if there[name] != known[name]}
    found = list(compare(listed_of(there), recorded_of(known)))
    assert findings(found) == expected
    assert len(found) == len(expected)


def test_what_is_pending_or_parked_is_missing_and_says_so() -> None:
    """The reason of the difference is the state of the work."""
    (found,) = compare(
        [Listed("k", None, "a", 1, OLD)], [Recorded("k", None, "", unsettled="parked: object-store-refused")]
    )
    assert (found.finding, found.reason) == ("missing", "parked: object-store-refused")


def test_every_active_model_must_have_an_outcome() -> None:
    """With two active models, one outcome is not enough; who has none is named."""
    rows = [Recorded("k", None, "a", outcomes=1, lacking=("other",))]
    (found,) = compare([Listed("k", None, "a", 1, OLD)], rows)
    assert (found.finding, found.reason) == ("missing", "no outcome by other")


def test_delete_markers_are_versions_too() -> None:
    """A listed marker wants a recorded one; a recorded one that is no longer listed is an orphan."""
    marker = Listed("k", "m", "", 0, OLD, marker=True)
    assert findings(list(compare([marker], []))) == {("missing", "k", "m")}
    assert list(compare([marker], [Recorded("k", "m", "", marker=True)])) == []
    assert findings(list(compare([], [Recorded("k", "m", "", marker=True)]))) == {("orphaned", "k", "m")}


def test_a_page_is_read_in_the_order_of_the_store() -> None:
    """Versions and markers stay where they are between each other, and keys are unescaped once."""
    page = parse_page(
        b'<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
        b"<NextKeyMarker>a+b%252F</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>"
        b"<DeleteMarker><Key>a+b%2520</Key><VersionId>m</VersionId><LastModified>2026-11-23T04:00:00.123Z"
        b"</LastModified></DeleteMarker><Version><Key>a+b%2520</Key><VersionId>null</VersionId><Size>7</Size>"
        b"<ETag>&quot;e&quot;</ETag><LastModified>2026-11-23T04:00:00.123Z</LastModified></Version>"
        b"</ListVersionsResult>"
    )
    assert [(entry.key, entry.version_id, entry.marker) for entry in page.entries] == [
        ("a b%20", "m", True),
        ("a b%20", None, False),
    ]
    assert (page.entries[1].etag, page.entries[1].size) == ("e", 7)
    assert page.following == {"key-marker": "a b%2F", "version-id-marker": "v1"}


def test_a_listings_time_makes_a_sequencer_not_older_than_the_event() -> None:
    """The listing knows the ms, the event the ns: the last ns of that ms loses against neither."""
    moment = datetime(2026, 11, 23, 4, 51, 39, 764000, tzinfo=UTC)
    # Captured from MinIO: the event of that very object carried 18EA936D73B8B43A at 04:51:39.764Z.
    assert int("18EA936D73B8B43A", 16) <= int(sequencer_of(moment), 16) + 1_000_000
    assert int(sequencer_of(moment), 16) % 1_000_000 == 999_999
