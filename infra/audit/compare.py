"""A bucket's listing against the database's rows: two streams in the order of keys, merged in constant memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from infra.audit.listing import Listed

Finding = Literal["missing", "stale", "orphaned", "hidden"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database knows of one object version.

    `removed`: an outcome says it is deleted. `outcomes`: how many models have an outcome about this very ETag;
    `lacking`: the names of those that should have one and have none. `unsettled`: why nothing is final yet (`pending`,
    or `parked: <reason>`), if so. `sequencer`: the place of the last stored event in the order.
    """

    key: str
    version_id: str | None
    etag: str
    removed: bool = False
    marker: bool = False
    outcomes: int = 0
    lacking: tuple[str, ...] = ()
    unsettled: str | None = None
    sequencer: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One object version about which bucket and database disagree. An orphan has no `listed`, news no `recorded`."""

    finding: Finding
    key: str
    version_id: str | None
    reason: str
    listed: Listed | None = None
    recorded: Recorded | None = None


def compare(listed: Iterable[Listed], recorded: Iterable[Recorded]) -> Iterator[Difference]:
    """Every difference, in the order of keys.

    Both streams must be ordered by the bytes of their keys.
    """
    for _, here, there in _by_key(listed, recorded):
        known = {record.version_id: record for record in there}
        for version in here:
            if difference := _judge(version, known.pop(version.version_id, None)):
                yield difference
        for record in known.values():
            if not record.removed:
                yield Difference("orphaned", record.key, record.version_id, "a row without an object", recorded=record)


def _by_key(
    listed: Iterable[Listed], recorded: Iterable[Recorded]
) -> Iterator[tuple[str, list[Listed], list[Recorded]]]:
    """Both streams' entries of each key, in memory one key at a time. Code points sort as bytes of UTF-8 do."""
    keys = attrgetter("key")
    here, there = itertools.groupby(listed, keys), itertools.groupby(recorded, keys)
    left, right = next(here, None), next(there, None)
    while left or right:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield left[0], list(left[1]), []
            left = next(here, None)
        elif left is None or right[0] < left[0]:
            yield right[0], [], list(right[1])
            right = next(there, None)
        else:
            yield left[0], list(left[1]), list(right[1])
            left, right = next(here, None), next(there, None)


def _judge(version: Listed, record: Recorded | None) -> Difference | None:
    finding, reason = _find_fault(version, record)
    if finding is None:
        return None
    return Difference(finding, version.key, version.version_id, reason, version, record)


def _find_fault(version: Listed, record: Recorded | None) -> tuple[Finding | None, str]:
    if record is None:
        return "missing", "no event has been stored"
    if record.unsettled:
        return "missing", record.unsettled
    return _marker_finding(record) if version.marker else _version_finding(version, record)


def _marker_finding(record: Recorded) -> tuple[Finding | None, str]:
    return (None, "") if record.marker else ("missing", "the delete marker is not recorded")


def _version_finding(version: Listed, record: Recorded) -> tuple[Finding | None, str]:
    if record.removed:
        return "missing", "recorded as deleted, but it is there"
    if record.etag != version.etag:
        return "stale", f"the outcome is about ETag {record.etag or 'none'}, the object is {version.etag}"
    if not record.outcomes:
        return "missing", "no model has an outcome"
    if record.lacking:
        return "missing", f"no outcome by {', '.join(record.lacking)}"
    return None, ""
