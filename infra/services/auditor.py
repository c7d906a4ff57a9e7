"""`pixwhisk audit --every` as a service of `up`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra import paths
from infra.services.service import Command

NEVER = "never"


@dataclass(frozen=True, slots=True)
class Auditor:
    """Ready as soon as it runs. `every` is a length of time as people type it."""

    data: Path
    every: str
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    name: str = "audit"

    def prepare(self) -> None:
        """Nothing to make."""

    def command(self) -> Command:
        arguments = ["audit", "--every", self.every, "--later", "--data", str(self.data)]
        return Command([*paths.module_command("infra.cli"), *arguments], dict(self.environ), self.data)

    def ready(self) -> bool:
        return True
