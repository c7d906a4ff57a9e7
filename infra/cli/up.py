"""`pixwhisk up`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.detached import start_detached
from infra.cli.failures import Failure, explained
from infra.cli.standing import data_option
from infra.cli.wording import Number, examples
from infra.deployment.consent import Consent
from infra.services import lock

if TYPE_CHECKING:
    from infra.deployment.record import Deployment


@click.command(epilog=examples("pixwhisk up -d", "pixwhisk up -d --data /srv/photos --bucket photos"))
@options.data
@options.watched_bucket
@click.option("--api-port", metavar="PORT", type=Number(1, 65535), help="OpenWhisk's port.  [default: 3233]")
@click.option("--s3-port", metavar="PORT", type=Number(1, 65535), help="MinIO's port.  [default: 9000]")
@click.option(
    "--model",
    metavar="DIR[:DIR…]",
    callback=lambda _context, _option, value: value and _absolute(value),
    help="The model's directory; of several, each gives every image a row.  [default: what set-up built]",
)
@click.option(
    "--audit-every",
    metavar="DURATION",
    callback=lambda _context, _option, value: value and _check_interval(value),
    help="How long after one audit the next is, or never.  [default: 1h]",
)
@options.force
@options.use_database
@click.option("-d", "--detach", is_flag=True, help="Return when all is ready; `pixwhisk down` stops it.")
@click.option("--ready-fd", type=int, hidden=True)
def command(
    *,
    data: Path,
    bucket: str | None,
    api_port: int | None,
    s3_port: int | None,
    model: str | None,
    audit_every: str | None,
    force: bool,
    use_database: bool,
    detach: bool,
    ready_fd: int | None,
) -> None:
    """Start Postgres, MinIO and OpenWhisk, deploy, and keep it all running.

    Stays in the foreground until Ctrl-C or SIGTERM. Ports, bucket, model and how often to audit are remembered in the
    data directory.
    Services named by DATABASE_URL, AWS_ENDPOINT_URL_S3 or WSK_APIHOST are used instead of starting our own.
    """
    if api_port is not None and api_port == s3_port:
        raise click.UsageError("--api-port and --s3-port: each service needs a port of its own")
    flags: dict[str, Any] = {"bucket": bucket, "api_port": api_port, "s3_port": s3_port, "model": model}
    flags["audit_every"] = audit_every
    if ready_fd is None and (holder := lock.holder(data)):
        _show_running(data, flags, holder)
        return
    if detach:
        start_detached(data, {**flags, "force": force, "use_database": use_database}, click.echo)
    else:
        with _reporting(ready_fd):
            _run(data, flags, ready_fd, Consent(force, use_database))


def _show_running(data: Path, flags: dict[str, Any], holder: lock.Holder) -> None:
    """It is up already: where it is, unless it was to be up in another way."""
    from infra.deployment.record import find_deployment

    with explained():
        deployment = find_deployment(data)
        for name, value in flags.items():
            if value is not None and value != (there := getattr(deployment, name)):
                option = name.replace("_", "-")
                raise Failure(f"already running with --{option} {there}: `pixwhisk down{data_option(data)}` first")
        click.echo(f"already running: {holder}")
        for line in endpoints(deployment):
            click.echo(line)


def _absolute(value: str) -> str:
    """Another `up` may be called from elsewhere."""
    from actions.classify.settings import directories

    found = [each.resolve() for each in directories(value)]
    if missing := [str(each) for each in found if not (each / "card.json").is_file()]:
        raise click.BadParameter(f"no card.json in {', '.join(missing)}")
    return os.pathsep.join(map(str, found))


def _check_interval(value: str) -> str:
    from infra.cli.moments import read_duration
    from infra.services.auditor import NEVER

    try:
        return value if value == NEVER else value * bool(read_duration(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither never nor a length of time such as 30m, 1h or 1d") from None


def _run(data: Path, flags: dict[str, Any], ready_fd: int | None, consent: Consent) -> None:
    from infra.deployment.lifecycle import running
    from infra.deployment.record import choose_deployment
    from infra.logs import choose_report, start_logging
    from infra.services.supervisor import Stopping

    start_logging(os.environ)
    report = choose_report(os.environ, click.echo)
    began = time.monotonic()
    try:
        with explained():
            deployment = choose_deployment(data, **flags)
            for line in foreign(deployment):
                report(line)
            consent = dataclasses.replace(consent, restart_minio=_is_ours(deployment.external.endpoint))
            with running(deployment, report, consent) as supervisor:
                for line in (*endpoints(deployment), *gaps(deployment), *_find_unanswered(deployment)):
                    report(line)
                report(f"started    in {time.monotonic() - began:.1f} s")
                report("ready")
                _report(ready_fd, {"ready": True})
                supervisor.watch()
    except Stopping:
        report("stopped")


def _is_ours(endpoint: str | None) -> bool:
    """Whether another deployment of this user's started that MinIO."""
    from infra.cli.standing import find_deployment_of

    return endpoint is not None and find_deployment_of(endpoint) is not None


def foreign(deployment: Deployment) -> list[str]:
    """Which services of somebody else's are used, and what names them, a line each."""
    from infra.database.address import database_place
    from infra.deployment.ambient import database_variables

    external = deployment.external
    naming = ", ".join(("DATABASE_URL", *database_variables()))
    named = (
        ("Postgres", naming, external.database_url and database_place(external.database_url)),
        ("MinIO", "AWS_ENDPOINT_URL_S3", external.endpoint),
        ("OpenWhisk", "WSK_APIHOST", external.apihost),
    )
    return [
        f"using {service} at {place}, which {names} {'name' if ',' in names else 'names'}"
        for service, names, place in named
        if place
    ]


def endpoints(deployment: Deployment) -> list[str]:
    """Where everything is, a line each."""
    return [
        f"bucket     {deployment.endpoint}/{deployment.bucket}",
        f"openwhisk  {deployment.apihost}",
        f"page       {deployment.page}",
        f"data       {deployment.data}",
    ]


def gaps(deployment: Deployment) -> list[str]:
    """What actions here are not kept from, a line each."""
    from infra.host.containers.gaps import find_gaps

    return [] if deployment.external.apihost else [f"undefended {each}" for each in find_gaps()]


def _find_unanswered(deployment: Deployment) -> list[str]:
    from infra.cli.status import find_unanswered
    from infra.database.queries import connect, count_by_model
    from infra.models.installed import read_backbones

    with connect(deployment.database_url) as connection:
        return find_unanswered(count_by_model(connection, read_backbones()))


@contextlib.contextmanager
def _reporting(ready_fd: int | None) -> Iterator[None]:
    """Tells whoever waits on `ready_fd` why it will never be ready."""
    try:
        yield
    except Failure as failure:
        _report(ready_fd, {"error": failure.message, "code": int(failure.exit_code)})
        raise


def _report(ready_fd: int | None, message: dict[str, object]) -> None:
    if ready_fd is not None:
        # Nobody may be waiting any more; we are up all the same.
        with contextlib.suppress(BrokenPipeError):
            os.write(ready_fd, json.dumps(message).encode() + b"\n")
