"""`pixwhisk sweep --watch` as a service of `up`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from infra import paths
from infra.services.service import Command

# Looks for pending rows at least this often; the journal's NOTIFY wakes it sooner.
SECONDS = 5


def available() -> bool:
    """Whether this version has a sweep to run."""
    return find_spec("infra.cli.sweep") is not None


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Ready as soon as it runs: it waits for the others by itself."""

    data: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    name: str = "sweep"

    def prepare(self) -> None:
        """Nothing to make."""

    def command(self) -> Command:
        arguments = ["sweep", "--watch", str(SECONDS), "--data", str(self.data)]
        return Command([*paths.module_command("infra.cli"), *arguments], dict(self.environ), self.data)

    def ready(self) -> bool:
        return True
