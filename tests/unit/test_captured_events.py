"""What MinIO really sends, captured, is read as what was done.

`tests/data/events/minio.jsonl` was captured from MinIO 2026-02-12 with boto3: two puts of one key, a copy, two
deletes, a multipart upload, then in a versioned bucket two versions, a delete marker, its removal, a version's
removal, two deletes of nothing and a tagging.
"""

from __future__ import annotations

import json
from pathlib import Path

from actions.events import ObjectEvent, parse_record, sequence_number

CAPTURED = Path(__file__).parents[1] / "data" / "events" / "minio.jsonl"


def captured() -> list[ObjectEvent]:
    return [
        parse_record(record) for line in CAPTURED.read_text().splitlines() for record in json.loads(line)["Records"]
    ]


def test_every_captured_event_is_read_as_what_was_done() -> None:
    """Puts, copies and multipart uploads create, deletes and markers remove, anything else is ignored."""
    created, removed, ignored = "created", "removed", "ignored"
    kinds = [created] * 3 + [removed] * 2 + [created] * 3 + [removed] * 3 + [ignored] * 3
    assert [event.kind for event in captured()] == kinds


def test_a_key_is_unescaped_exactly_once() -> None:
    """Spaces, plus, percent, slash and non-ASCII letters come back as they were put."""
    assert captured()[0].key == "a dir/cat+1 50% é😀.jpg"


def test_sequencers_of_one_key_rise_with_what_was_done() -> None:
    """An overwrite and a delete carry higher sequencers than what they replace."""
    first, second, _, _, deleted, *_ = captured()
    numbers = [sequence_number(event.sequencer) for event in (first, second, deleted)]
    assert numbers == sorted(set(numbers))


def test_removing_a_delete_marker_looks_like_creating_it_again() -> None:
    """MinIO sends DeleteMarkerCreated for both, with the same version; only the sequencer differs."""
    markers = [event for event in captured() if event.delete_marker]
    assert len(markers) == 2
    assert markers[0].version_id == markers[1].version_id
    assert sequence_number(markers[0].sequencer) < sequence_number(markers[1].sequencer)
