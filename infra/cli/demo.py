"""`pixwhisk demo`."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra import paths
from infra.cli.detached import start_detached, stop
from infra.cli.failures import Failure, explained
from infra.cli.printing import printable
from infra.cli.program import program
from infra.cli.wording import examples

if TYPE_CHECKING:
    from infra.deployment.record import Deployment

# Photos that come along (NOTICE says whose they are), by their key in the bucket.
PHOTOS = {
    "breakfast/coffee.jpg": "coffee.jpg",
    "pets/chelsea the cat.jpg": "chelsea.jpg",
    "space/rocket.jpg": "rocket.jpg",
    "garage/motorcycle.jpg": "motorcycle.jpg",
    "people/astronaut.jpg": "astronaut.jpg",
    "garden/flower.jpg": "flower.jpg",
    "travel/中国.jpg": "china.jpg",
}

TIMEOUT_ROW = 30.0
_PAUSE = 0.002


@click.command(epilog=examples("pixwhisk demo", "pixwhisk demo --photos photos"))
@click.option("--data", metavar="DIR", help="Where to run it.  [default: a temporary directory]")
@click.option("--keep", is_flag=True, help="Leave it running in the background afterwards.")
@click.option("--photos", metavar="DIR", help="Only write the photos into this directory, to try with.")
def command(data: str | None, keep: bool, photos: str | None) -> None:
    """Watch photos become rows: the main job, end to end.

    Starts everything, puts sample photos into the bucket, and prints each row as it lands in Postgres. On a terminal it
    then stays up until Ctrl-C; elsewhere it stops. Services that the environment names are left alone: all that it uses
    is its own.
    """
    if photos:
        _write_photos(Path(photos))
        return
    directory = paths.data(data) if data else Path(tempfile.mkdtemp(prefix="pixwhisk-demo-"))
    with _running(directory, keep=keep, temporary=not data) as ours:
        with explained():
            deployment = _show(directory)
        if not ours or keep or sys.stdout.isatty():
            click.echo(f"\nAll of it as a page: {deployment.page}")
        if ours:
            _end(directory, keep=keep)


@contextlib.contextmanager
def _running(directory: Path, *, keep: bool, temporary: bool) -> Iterator[bool]:
    """Something runs in the directory. Whether it is ours to stop, as is done on leaving unless it is to be kept."""
    from infra.services import lock

    already = lock.holder(directory) is not None
    try:
        if not already:
            _start(directory)
        yield not already
    finally:
        if not (keep or already):
            stop(directory)
            if temporary:
                shutil.rmtree(directory, ignore_errors=True)


def _end(directory: Path, *, keep: bool) -> None:
    """Say how to go on, and where somebody is there to read it, wait for Ctrl-C."""
    name, data = program(), f"--data {shlex.quote(str(directory))}"
    if keep:
        click.echo(f"\nIt goes on running: {name} results --follow {data}")
        click.echo(f"Stop it with:       {name} down {data}")
    elif sys.stdout.isatty():
        click.echo("\nPut your own photos in, from another terminal:\n")
        click.echo(f'  eval "$({name} env {data})"')
        click.echo("  aws s3 cp my.jpg s3://images/        # or mc, boto3, rclone …")
        click.echo(f"  {name} results --follow {data}\n")
        click.echo("Ctrl-C stops it and takes everything away again.")
        _wait(directory)
        click.echo("\nstopped")
    else:
        click.echo(f"\nIt has stopped; `{name} demo --keep` leaves it running, with a page of all this.")


def _wait(directory: Path) -> None:
    """Until Ctrl-C or SIGTERM, or until it ends by itself."""
    from infra.services import lock
    from infra.services.supervisor import Stopping, stopping_on_signals

    holder = lock.holder(directory)
    with contextlib.suppress(Stopping, ProcessLookupError), stopping_on_signals():
        if holder:
            process = os.pidfd_open(holder.pid)
            select.select([process], [], [])
            click.echo(f"it ended by itself: see {directory / 'logs'}", err=True)


def _start(directory: Path) -> None:
    from infra.deployment.external import without_services
    from infra.deployment.record import API_PORT, S3_PORT, choose_deployment, is_recorded
    from infra.services.ports import free_port

    with explained():
        recorded = is_recorded(directory)
        environ = without_services(os.environ)
        deployment = choose_deployment(directory, environ)
        preferred = (deployment.api_port, deployment.s3_port) if recorded else (API_PORT, S3_PORT)
        ports = {"api_port": free_port(preferred[0]), "s3_port": free_port(preferred[1])}
    click.echo("starting Postgres, MinIO and OpenWhisk …")
    start_detached(directory, ports, click.echo, environ)


def _show(directory: Path) -> Deployment:
    from infra.database.queries import connect
    from infra.deployment.external import without_services
    from infra.deployment.record import find_deployment

    deployment = find_deployment(directory, without_services(os.environ))
    click.echo(f"\nphotos into bucket {deployment.bucket}, rows out of Postgres:\n")
    with connect(deployment.database_url) as connection:
        for key, name in PHOTOS.items():
            click.echo(_line(*_watch(deployment, connection, paths.PHOTOS / name, key)))
    return deployment


def _write_photos(directory: Path) -> None:
    """Photos that are there already stay; another file of that name is an error."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in PHOTOS.values():
            photo, wanted = (paths.PHOTOS / name).read_bytes(), directory / name
            if not wanted.exists():
                wanted.write_bytes(photo)
            elif wanted.read_bytes() != photo:
                raise Failure(f"{wanted} is there already, and another file: choose another directory")
    except OSError as error:
        raise Failure(f"cannot write photos into {directory}: {error.strerror}") from None
    click.echo(f"{len(PHOTOS)} photos in {directory}: {', '.join(PHOTOS.values())}")


def _watch(deployment: Deployment, connection: Any, path: Path, key: str) -> tuple[str, dict[str, Any], float]:
    """Put one photo and wait for its row; milliseconds from before the PUT until the row could be read."""
    from infra.deployment.feeding import store_client

    client = store_client(deployment)
    began = time.perf_counter()
    etag = client.fput_object(deployment.bucket, key, str(path)).etag
    while time.perf_counter() - began < TIMEOUT_ROW:
        row = connection.execute(
            "SELECT * FROM current_results WHERE bucket = %s AND key = %s AND etag = %s",
            (deployment.bucket, key, etag),
        ).fetchone()
        if row is not None:
            return key, row, (time.perf_counter() - began) * 1000
        time.sleep(_PAUSE)
    raise Failure(f"no row for {key} after {TIMEOUT_ROW:.0f} s: see {deployment.logs}")


def _line(key: str, row: dict[str, Any], milliseconds: float) -> str:
    if row["status"] != "classified":
        return f"  {printable(key):26} {row['status']}: {row['reason']}"
    return f"  {printable(key):26} {row['label']:22} {row['probability']:6.1%}  {milliseconds:7.1f} ms"
