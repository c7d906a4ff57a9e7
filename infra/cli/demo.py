"""`pixwhisk demo`."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra import paths
from infra.cli.detached import start_detached, stop
from infra.cli.failures import Failure, explained
from infra.cli.results import printable

if TYPE_CHECKING:
    from infra.deployment.record import Deployment

# Photos that installed packages bring along: package, file within it, name in the bucket.
PHOTOS = (
    ("skimage", "data/coffee.png", "breakfast/coffee.png"),
    ("skimage", "data/chelsea.png", "pets/chelsea the cat.png"),
    ("skimage", "data/rocket.jpg", "space/rocket.jpg"),
    ("skimage", "data/motorcycle_left.png", "garage/motorcycle.png"),
    ("skimage", "data/astronaut.png", "people/astronaut.png"),
    ("sklearn", "datasets/images/flower.jpg", "garden/flower.jpg"),
    ("sklearn", "datasets/images/china.jpg", "travel/中国.jpg"),
)

TIMEOUT_ROW = 30.0
_PAUSE = 0.002


@click.command()
@click.option("--data", metavar="DIR", help="Where to run it.  [default: a temporary directory]")
@click.option("--keep", is_flag=True, help="Leave it running afterwards.")
def command(data: str | None, keep: bool) -> None:
    """Watch photos become rows: the main job, end to end.

    Starts everything, puts sample photos into the bucket, and prints each row as it lands in Postgres. Services that
    the environment names are left alone: all that it uses is its own.
    """
    from infra.services import lock

    directory = paths.data(data) if data else Path(tempfile.mkdtemp(prefix="pixwhisk-demo-"))
    already = lock.holder(directory) is not None
    try:
        if not already:
            _start(directory)
        with explained():
            _show(directory)
        if keep and not already:
            click.echo(f"\nIt goes on running: pixwhisk results --follow --data {directory}")
            click.echo(f"Stop it with:       pixwhisk down --data {directory}")
    finally:
        if not (keep or already):
            stop(directory)
            if not data:
                shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path) -> None:
    from infra.deployment.external import without_services
    from infra.deployment.record import API_PORT, S3_PORT, choose_deployment
    from infra.services.ports import free_port

    with explained():
        recorded = (directory / "deployment.json").is_file()
        environ = without_services(os.environ)
        deployment = choose_deployment(directory, environ)
        preferred = (deployment.api_port, deployment.s3_port) if recorded else (API_PORT, S3_PORT)
        ports = {"api_port": free_port(preferred[0]), "s3_port": free_port(preferred[1])}
    click.echo("starting Postgres, MinIO and OpenWhisk …")
    start_detached(directory, ports, click.echo, environ)


def _show(directory: Path) -> None:
    from infra.database.queries import connect
    from infra.deployment.external import without_services
    from infra.deployment.record import find_deployment

    deployment = find_deployment(directory, without_services(os.environ))
    photos = list(packaged_photos())
    if not photos:
        raise Failure("the sample photos are not installed: run `make setup`")
    click.echo(f"\nphotos into bucket {deployment.bucket}, rows out of Postgres:\n")
    with connect(deployment.database_url) as connection:
        for path, key in photos:
            click.echo(_line(*_watch(deployment, connection, path, key)))
    click.echo(f"\nAll of it as a page: {deployment.page}")


def packaged_photos(photos: Sequence[tuple[str, str, str]] = PHOTOS) -> Iterator[tuple[Path, str]]:
    """Those that are installed: file and key. The packages are only looked up, for importing them takes a second."""
    for package, name, key in photos:
        found = find_spec(package)
        if found and found.origin and (path := Path(found.origin).parent / name).is_file():
            yield path, key


def _watch(deployment: Deployment, connection: Any, path: Path, key: str) -> tuple[str, dict[str, Any], float]:
    """Put one photo and wait for its row; milliseconds from before the PUT until the row could be read."""
    from infra.deployment.provisioning import store_client

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
