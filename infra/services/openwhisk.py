"""The embedded OpenWhisk host as a service: how it is started, and whether it answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actions.classify.settings import directories
from infra import paths
from infra.services.held_port import HeldPort
from infra.services.minio import LOOPBACK
from infra.services.probe import ask_status
from infra.services.service import Command

# What of our environment the host may see: where programs are, and settings of the host itself.
_PASSED = ("PATH", "HOME", "LANG", "TMPDIR", "PIXWHISK_LOG")
_PASSED_PREFIXES = ("PIXWHISK_QUOTA", "PIXWHISK_TIMEOUT_", "PIXWHISK_POOL_")


@dataclass(frozen=True, slots=True)
class OpenWhiskHost:
    """`auth_file` (0600) holds the key of namespace `guest`; `model` is `PIXWHISK_MODEL`, what zygotes load.

    The host itself knows nothing of models: what its containers may read and are told for their sake is said here.
    """

    directory: Path
    port: int
    auth_file: Path
    model: str
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    # On `port`, and held by whoever starts the host; it listens by itself where there is none.
    held: HeldPort | None = None
    name: str = "openwhisk"

    @property
    def apihost(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A container sees what was there when it started being confined; models come and go below this one.
        paths.models(self.environ).mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        arguments = ["--data", str(self.directory), "--port", str(self.port), "--auth-file", str(self.auth_file)]
        environment = {
            name: value for name, value in self.environ.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)
        }
        # A zygote loads the model before there is an action, so the model cannot only be a parameter of that.
        told = {"PIXWHISK_MODEL": self.model} | read_trusted_certificates(self.environ)
        environment |= told | {
            "PIXWHISK_CONTAINER_VARIABLES": ",".join(told),
            "PIXWHISK_READABLE": os.pathsep.join(map(str, self._readable())),
            "PYTHONUNBUFFERED": "1",
        }
        descriptors = [self.held.descriptor] if self.held else []
        for each in descriptors:
            arguments += ["--listening", str(each)]
        module = paths.module_command("infra.host")
        return Command([*module, *arguments], environment, self.directory, descriptors=descriptors)

    def _readable(self) -> Sequence[Path]:
        """The models of the user's cache, those in use, and what else is named for the operator's own actions."""
        named = self.environ.get("PIXWHISK_READABLE", "")
        trusted = map(Path, read_trusted_certificates(self.environ).values())
        given = (*directories(self.model), *trusted, *directories(named))
        return [paths.models(self.environ), *(each.resolve() for each in given)]

    def ready(self) -> bool:
        return ask_status(self.apihost) == 200


def read_trusted_certificates(environ: Mapping[str, str]) -> dict[str, str]:
    """`SSL_CERT_FILE`, the authorities that the user trusts, for processes that may run elsewhere; nothing if unset."""
    named = environ.get("SSL_CERT_FILE")
    return {"SSL_CERT_FILE": str(Path(named).resolve())} if named and Path(named).is_file() else {}
