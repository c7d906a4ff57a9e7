"""Whether a command's deployment runs; and if not, the one sentence that says so, and where one does."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actions.settings import api_url, place_in_schema
from infra import paths
from infra.cli.failures import Failure
from infra.errors import Exit
from infra.services import lock

if TYPE_CHECKING:
    from infra.deployment.record import Deployment


def find_started(data: Path) -> Deployment:
    """A deployment that runs or ran once; where none ever did, the services that the environment names.

    One that was started is asked where it was started, whatever the shell names for other programs; what is therefore
    not used is said. Raises `Failure` (exit 3) where there is nothing.
    """
    from infra.deployment.external import leave_out_services
    from infra.deployment.record import NoDeployment, find_deployment, is_recorded

    environ: Mapping[str, str] = os.environ
    if is_recorded(data):
        environ = leave_out_services(os.environ)
    try:
        deployment = find_deployment(data, environ)
    except NoDeployment:
        raise Failure(not_running(data), Exit.UNREACHABLE) from None
    if environ is not os.environ:
        report_unused(deployment, os.environ)
    return deployment


def report_unused(deployment: Deployment, environ: Mapping[str, str]) -> None:
    """Say which variables name other services than the deployment's, if any do."""
    if unused := find_unused(deployment, named=environ):
        click.echo(f"not used: {', '.join(unused)}, for {deployment.data} has services of its own", err=True)


def find_unused(deployment: Deployment, named: Mapping[str, str]) -> list[str]:
    """The variables that name another service than the deployment's."""
    schema = named.get("PIXWHISK_SCHEMA")
    if schema and named.get("DATABASE_URL"):
        named = {**named, "DATABASE_URL": place_in_schema(named["DATABASE_URL"], schema)}
    used = {
        "DATABASE_URL": deployment.database_url,
        "AWS_ENDPOINT_URL_S3": deployment.endpoint,
        "WSK_APIHOST": deployment.apihost,
    }
    return [name for name, value in used.items() if named.get(name) and api_url(named[name]) != api_url(value)]


def find_running(data: Path) -> Deployment:
    """The deployment of a command that asks its database. Raises `Failure` (exit 3) where that is ours and does not
    run.
    """
    deployment = find_started(data)
    if not deployment.external.database_url and lock.holder(data) is None:
        raise Failure(not_running(data), Exit.UNREACHABLE)
    return deployment


def not_running(data: Path) -> str:
    """The sentence, with whatever else of this user's runs."""
    others = "".join(f"; one runs in {place}: --data {shlex.quote(str(place))}" for place in find_running_directories())
    return f"not running: `pixwhisk up{data_option(data)}`{others}"


def data_option(data: Path) -> str:
    """What names this directory to a command, nothing if that is the one it would take by itself."""
    return "" if data == paths.data() else f" --data {shlex.quote(str(data))}"


def find_running_directories() -> list[Path]:
    """The data directories of all that this user's `up`s hold."""
    import psutil

    found = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        words = process.info["cmdline"] or []
        if "up" in words and any(word.endswith(("pixwhisk", "infra.cli")) for word in words[:4]):
            try:
                directory = _directory_of(words, process.environ(), Path(process.cwd()))
            except psutil.Error:
                continue  # it ended meanwhile, or is somebody else's
            holder = lock.holder(directory)
            if holder and holder.pid == process.pid:
                found.append(directory)
    return sorted(found)


def find_deployment_of(endpoint: str) -> Deployment | None:
    """The running deployment of this user's whose own MinIO answers at `endpoint`."""
    from infra.deployment.record import find_deployment

    for directory in find_running_directories():
        found = find_deployment(directory, {})
        if found.external.endpoint is None and found.endpoint == endpoint.rstrip("/").replace("localhost", "127.0.0.1"):
            return found
    return None


def _directory_of(words: list[str], environ: Mapping[str, str], working: Path) -> Path:
    """Where an `up` with this command line keeps its data."""
    named = None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--data":
            named = following
        elif word.startswith("--data="):
            named = word.removeprefix("--data=")
    return (working / (named or environ.get("PIXWHISK_DATA") or ".pixwhisk")).resolve()
