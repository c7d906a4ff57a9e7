"""Which OpenWhisk a command means, and what its actions are to be bound to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click

from actions.settings import api_url
from infra.cli.failures import Failure
from infra.cli.standing import not_running, report_unused
from infra.deployment.external import leave_out_services, place_where_named, read_database_url
from infra.deployment.record import BUCKET, Deployment, NoDeployment, find_deployment, is_recorded
from infra.deployment.target_names import name_targets
from infra.deployment.variables import manifest_variables
from infra.errors import Exit
from infra.openwhisk.client import Patience, Whisk
from infra.openwhisk.rights import Deployer
from infra.services import lock

# A quota is of a minute.
SECONDS_PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Remote:
    apihost: str
    auth: str = field(repr=False)


def connect(remote: Remote) -> Whisk:
    """A client that waits where OpenWhisk's quota is used up, so that what is begun there is not left half done."""
    return Whisk(
        remote.apihost,
        remote.auth,
        patience=Patience(SECONDS_PATIENCE, lambda message: click.echo(message, err=True)),
    )


def choose_environment(
    data: Path, apihost: str | None, *, named: bool, environ: Mapping[str, str] = os.environ
) -> Mapping[str, str]:
    """The environment that says which services are meant. A deployment that was started and is `named`, rather than
    found where the command runs, is meant with all its services: what names others is left out, and that is said.

    With an `apihost` of the command line the shell has the say, for keys belong to hosts.
    """
    if apihost or not named or not is_recorded(data):
        return environ
    left = leave_out_services(environ)
    report_unused(find_deployment(data, left), environ)
    # The deployment's own, which stands for ~/.wskprops and for what WSK_CONFIG_FILE names.
    return left | {"WSK_CONFIG_FILE": str(data / "wskprops")}


def find(apihost: str | None, auth: str | None, data: Path, environ: Mapping[str, str] = os.environ) -> Remote:
    """Flags, then `WSK_APIHOST` and `WSK_AUTH`, then wsk's property file, then the deployment in the data directory."""
    properties = _properties(Path(environ.get("WSK_CONFIG_FILE") or Path.home() / ".wskprops"))
    host = apihost or environ.get("WSK_APIHOST") or properties.get("APIHOST")
    # A key belongs to its host: one of a file must not be sent to a host of the command line.
    key = auth or environ.get("WSK_AUTH") or (None if apihost else properties.get("AUTH"))
    if host and key:
        if is_recorded(data) and (own := find_deployment(data, environ)).apihost == api_url(host):
            check_running(own)
        return Remote(api_url(host), key)
    if host or apihost:
        raise Failure(f"no key for OpenWhisk at {host}: pass --auth, or set WSK_AUTH", Exit.USAGE)
    try:
        deployment = find_deployment(data, environ)
    except NoDeployment:
        raise Failure(
            "which OpenWhisk? Pass --apihost and --auth, or set WSK_APIHOST and WSK_AUTH", Exit.USAGE
        ) from None
    check_running(deployment)
    return Remote(deployment.apihost, deployment.auth)


def check_running(deployment: Deployment) -> None:
    """Raises `Failure` where the embedded OpenWhisk does not run: whoever has its port now would be sent the key."""
    if not deployment.external.apihost and lock.holder(deployment.data) is None:
        raise Failure(not_running(deployment.data), Exit.UNREACHABLE)


def variables(data: Path, remote: Remote, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The manifest's variables: those of the deployment in the data directory, else the environment's own."""
    started = is_recorded(data)
    deployment = find_deployment(data, environ) if started else None
    found = manifest_variables(deployment) if deployment else _of_environment(environ)
    if deployment and deployment.apihost != remote.apihost:
        found.pop("PIXWHISK_MODEL", None)  # a path of this machine; elsewhere the image has the model
    if deployment is None or "PIXWHISK_DEPLOYMENT" in environ:
        found |= name_targets(environ).variables()
    # Set but empty counts too: PIXWHISK_JOURNAL_TARGET= says that there is no journal.
    found |= {name: _read_value(name, environ) for name in _OVERRIDES if name in environ}
    found["PIXWHISK_TRIGGER_APIHOST"] = environ.get("PIXWHISK_TRIGGER_APIHOST") or remote.apihost
    return {"PIXWHISK_BUCKET": BUCKET, **found}


def deployer(data: Path, environ: Mapping[str, str] = os.environ) -> Deployer:
    """The keys that an action gets which has none of its own."""
    if not is_recorded(data):
        return Deployer(read_database_url(environ), environ.get("AWS_ACCESS_KEY_ID"))
    deployment = find_deployment(data, environ)
    return Deployer(deployment.database_url, deployment.credentials.access_key)


def database_url(data: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """The database of somebody's own, whose schema is ours to see to; that of an embedded deployment `up` sees to."""
    if is_recorded(data):
        return find_deployment(data, environ).external.database_url
    return read_database_url(environ)


_OVERRIDES = (
    "PIXWHISK_BUCKET",
    "PIXWHISK_CLASSIFY_ACCESS_KEY_ID",
    "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY",
    "PIXWHISK_DECLARE_TARGETS",
    "PIXWHISK_FAST_TARGET",
    "PIXWHISK_FEED_ACCESS_KEY_ID",
    "PIXWHISK_FEED_SECRET_ACCESS_KEY",
    "PIXWHISK_JOURNAL_TARGET",
    "PIXWHISK_MODEL",
    "PIXWHISK_STORE_DATABASE_URL",
    "PIXWHISK_SWEEP_APIHOST",
    "PIXWHISK_SWEEP_DATABASE_URL",
    "PIXWHISK_VIEW_DATABASE_URL",
)


def _of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """One key and one database URL for all, unless each part has its own."""
    sources = {
        "AWS_ENDPOINT_URL_S3": "AWS_ENDPOINT_URL_S3",
        "PIXWHISK_CLASSIFY_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
        "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
        "PIXWHISK_FEED_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
        "PIXWHISK_FEED_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
        "PIXWHISK_STORE_DATABASE_URL": "DATABASE_URL",
        "PIXWHISK_VIEW_DATABASE_URL": "DATABASE_URL",
        "PIXWHISK_SWEEP_DATABASE_URL": "DATABASE_URL",
    }
    return {name: _read_value(source, environ) for name, source in sources.items() if environ.get(source)}


def _read_value(name: str, environ: Mapping[str, str]) -> str:
    value = environ[name]
    return place_where_named(value, environ) if value and name.endswith("DATABASE_URL") else value


def _properties(path: Path) -> dict[str, str]:
    """`wsk`'s property file: NAME=value lines."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
