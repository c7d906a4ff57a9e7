"""Settings of the host: flags, which mirror environment names, and the keys of its namespaces."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import paths
from infra.files import write_private
from infra.host.activations.archive import Retention
from infra.host.activations.throttle import OPENWHISK_QUOTAS, Quotas
from infra.host.names import LEGAL, SYSTEM


class BadHostSettings(Exception):
    """The settings cannot be used; the message has a line for each fault."""


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`keys` maps namespaces to `uuid:secret`; it is left out of `repr`. `port` 0 takes any free one.
    `listening` is a descriptor that is inherited, of a socket that listens there already.

    `pool` holds what is to differ from the pool's own defaults: `memory`, `slots`, `queue`. `readable` is what actions
    may read beside programs and libraries, `container_environment` what each container's environment begins with.
    """

    data: Path
    keys: Mapping[str, str] = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 3233
    listening: int | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    plaintext: bool = False
    quotas: Quotas = field(default_factory=Quotas)
    retention: Retention = field(default_factory=Retention)
    timeout_blocking_seconds: float = 60.0
    pool: Mapping[str, int] = field(default_factory=dict)
    readable: Sequence[Path] = ()
    container_environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def check(self) -> None:
        """Refuse to speak plainly to other machines unless told to: the keys would cross the network readable."""
        faults = []
        if not is_loopback(self.host) and not self.tls_certificate and not self.plaintext:
            faults.append(f"--host {self.host} is not loopback: give --tls-certificate and --tls-key, or --plaintext")
        if bool(self.tls_certificate) != bool(self.tls_key):
            faults.append("--tls-certificate and --tls-key need each other")
        if not 0 <= self.port <= 65535:
            faults.append(f"--port {self.port} is not a port")
        faults += [f"--pool-{name} {value}: expected at least 1" for name, value in self.pool.items() if value < 1]
        faults += [f"--readable {path}: not there" for path in self.readable if not path.exists()]
        faults += [f"auth: {fault}" for fault in key_faults(self.keys)]
        if faults:
            raise BadHostSettings("\n".join(faults))


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def key_faults(keys: Mapping[str, str]) -> list[str]:
    """What is wrong with the keys, without repeating any of them."""
    faults = [f"{name!r} is not a namespace's name" for name in keys if not LEGAL.match(name)]
    for name, key in keys.items():
        identifier, _, secret = key.partition(":")
        if not identifier or len(secret) < 16:
            faults.append(f"the key of {name!r} is not uuid:secret with a secret of at least 16 characters")
    if len({key.partition(":")[0] for key in keys.values()}) != len(keys):
        faults.append("two namespaces share a uuid")
    return faults


def parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Each flag's default is the environment's `PIXWHISK_<FLAG>`."""
    made = argparse.ArgumentParser(prog="python -m infra.host", description="The embedded OpenWhisk host.")

    def option(name: str, words: str, default: Any, kind: Any = str) -> None:
        variable = "PIXWHISK_" + name.removeprefix("--").replace("-", "_").upper()
        made.add_argument(name, help=f"{words} [{variable}]", type=kind, default=environ.get(variable, default))

    made.add_argument(
        "--data",
        help="directory of the host's files [`host` in the deployment's, which is PIXWHISK_DATA]",
        type=Path,
        default=paths.data(None, environ) / "host",
    )
    option("--host", "address to listen on", "127.0.0.1")
    option("--port", "port to listen on", 3233, int)
    option("--listening", "descriptor of a socket that listens already, instead", None, int)
    option("--auth-file", "file with uuid:secret of `guest`, or a JSON object of such by namespace", None, Path)
    option("--tls-certificate", "PEM certificate", None, Path)
    option("--tls-key", "PEM private key", None, Path)
    option("--quotas", "`embedded`, or `openwhisk` for 60 fires and invocations a minute, 30 in flight", "embedded")
    option("--quota-invocations", "invocations a minute per namespace", None, int)
    option("--quota-fires", "fires a minute per namespace", None, int)
    option("--quota-concurrent", "activations in flight per namespace", None, int)
    option("--pool-memory", "megabytes that the limits of all containers may add up to", None, int)
    option("--pool-slots", "containers computing at once [the processors there are]", None, int)
    option("--pool-queue", "calls waiting for a container; more are refused with a 429", None, int)
    words = "file or directory that actions may read; several are separated by colons"
    option("--readable", words, (), path_list)
    words = "names, separated by commas, of variables that containers get as this process has them"
    option("--container-variables", words, (), _name_list)
    option("--timeout-blocking", "seconds a blocking invoke waits before it answers 202", 60.0, float)
    plaintext = environ.get("PIXWHISK_PLAINTEXT") == "true"
    words = "listen beyond loopback without TLS [PIXWHISK_PLAINTEXT=true]"
    made.add_argument("--plaintext", help=words, action="store_true", default=plaintext)
    return made


def from_arguments(arguments: Sequence[str], environ: Mapping[str, str]) -> HostSettings:
    """Settings from flags and environment, checked. Makes a key for `guest` if there is none."""
    given = parser(environ).parse_args(arguments)
    settings = HostSettings(
        data=given.data.resolve(),
        keys=_keys(given.auth_file, given.data, environ),
        host=given.host,
        port=given.port,
        listening=given.listening,
        tls_certificate=given.tls_certificate,
        tls_key=given.tls_key,
        plaintext=given.plaintext,
        quotas=_quotas(given),
        timeout_blocking_seconds=given.timeout_blocking,
        pool=_pool(given),
        readable=given.readable,
        container_environment=_pick_variables(given.container_variables, environ),
    )
    settings.check()
    return settings


def path_list(text: str) -> list[Path]:
    """As of `PATH`: absolute, from where we are now."""
    return [Path(each).resolve() for each in text.split(os.pathsep) if each]


def _name_list(text: str) -> list[str]:
    return [each for each in text.split(",") if each]


def _pick_variables(names: Sequence[str], environ: Mapping[str, str]) -> Mapping[str, str]:
    if missing := [name for name in names if name not in environ]:
        raise BadHostSettings(f"--container-variables {','.join(missing)}: not set")
    return {name: environ[name] for name in names}


def _quotas(given: argparse.Namespace) -> Quotas:
    if given.quotas not in ("embedded", "openwhisk"):
        raise BadHostSettings(f"--quotas {given.quotas}: expected `embedded` or `openwhisk`")
    base = OPENWHISK_QUOTAS if given.quotas == "openwhisk" else Quotas()
    chosen = (given.quota_invocations, given.quota_fires, given.quota_concurrent)
    ours = (base.invocations, base.fires, base.concurrent)
    return Quotas(*(default if value is None else value for value, default in zip(chosen, ours, strict=True)))


def _pool(given: argparse.Namespace) -> Mapping[str, int]:
    named = {"memory": given.pool_memory, "slots": given.pool_slots, "queue": given.pool_queue}
    return {name: value for name, value in named.items() if value is not None}


def _keys(named: Path | None, data: Path, environ: Mapping[str, str]) -> Mapping[str, str]:
    """`PIXWHISK_AUTH`, else the file named, else `auth` in the data directory, made if missing."""
    if text := environ.get("PIXWHISK_AUTH"):
        return parse_keys(text)
    return parse_keys(_secret_text(named) if named else _own_key(data / "auth"))


def parse_keys(text: str) -> Mapping[str, str]:
    """`uuid:secret` for `guest`, or a JSON object of namespaces; the catalogue's namespace always has one."""
    text = text.strip()
    try:
        keys = json.loads(text) if text.startswith("{") else {"guest": text}
    except ValueError:
        # Without the parser's own words, which quote what is there.
        raise BadHostSettings("auth: not JSON, though it starts with `{`") from None
    if not all(isinstance(key, str) for key in keys.values()):
        raise BadHostSettings("auth: every key must be text")
    return {SYSTEM: new_key(), **keys}


def new_key() -> str:
    return f"{uuid.uuid4()}:{secrets.token_urlsafe(48)}"


def _own_key(path: Path) -> str:
    write_private(path, new_key() + "\n", overwrite=False)
    return _secret_text(path)


def _secret_text(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise BadHostSettings(f"{path} can be read by others: chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadHostSettings(f"{path}: {error.strerror}") from error
