"""The embedded OpenWhisk host as a service: how it is started, and whether it answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.services.minio import LOOPBACK
from infra.services.probe import answers
from infra.services.service import Command

# What of our environment the host may see: where programs are, and settings of the host itself.
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "PIXWHISK_CACHE", "PIXWHISK_READABLE", "XDG_CACHE_HOME")
_PASSED_PREFIXES = ("PIXWHISK_QUOTA", "PIXWHISK_TIMEOUT_", "PIXWHISK_POOL_")


@dataclass(frozen=True, slots=True)
class OpenWhiskHost:
    """`auth_file` (0600) holds the key of namespace `guest`; `model` is `PIXWHISK_MODEL`, what stem cells load."""

    directory: Path
    port: int
    auth_file: Path
    model: str
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    name: str = "openwhisk"

    @property
    def apihost(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def command(self) -> Command:
        arguments = ["--data", str(self.directory), "--port", str(self.port), "--auth-file", str(self.auth_file)]
        environment = {
            name: value for name, value in self.environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)
        }
        environment |= {"PIXWHISK_MODEL": self.model, "PYTHONUNBUFFERED": "1"}
        return Command([sys.executable, "-m", "infra.host", *arguments], environment, self.directory)

    def ready(self) -> bool:
        return answers(LOOPBACK, self.port)
