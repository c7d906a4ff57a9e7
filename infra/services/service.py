"""What the supervisor needs to know of a service to start, watch and stop it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """One process to start: its whole environment, the signal that ends it cleanly, and what it inherits open."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    stop_signal: signal.Signals = signal.SIGTERM
    descriptors: Sequence[int] = ()


class Service(Protocol):
    """A process that `pixwhisk up` keeps running. `prepare` and `ready` may be called any number of times."""

    @property
    def name(self) -> str: ...

    def prepare(self) -> None:
        """Make what the process needs on disk; costs next to nothing the second time."""
        ...

    def command(self) -> Command: ...

    def ready(self) -> bool:
        """Ask once whether it answers; never waits longer than a second."""
        ...
