"""What the store had of an event: the bytes it is about, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from actions.errors import Rejected
from actions.events import ObjectEvent


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object's bytes. `event` is completed from the response; the caller closes `file`."""

    event: ObjectEvent
    file: BinaryIO
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Removed:
    """The store has been asked: nothing but, perhaps, a delete marker is there, as `event` now says."""

    event: ObjectEvent


@dataclass(frozen=True, slots=True)
class Unfetched:
    """An object that is at fault. `event` is what is known of it by then: of a removal, what is there all the same."""

    event: ObjectEvent
    rejection: Rejected
