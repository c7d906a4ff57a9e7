"""`pixwhisk duplicates`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.printing import printable
from infra.cli.wording import Number, examples


@click.command(epilog=examples("pixwhisk duplicates", "pixwhisk duplicates --near 0.95"))
@options.data
@options.bucket
@click.option(
    "--near",
    type=Number(0.5, 1, whole=False),
    metavar="SIMILARITY",
    help="Also what is so similar, 0.95 say, to another.",
)
@options.as_json
def command(*, data: Path, bucket: str | None, near: float | None, as_json: bool) -> None:
    """Show groups of objects with the same bytes, or with almost the same picture."""
    from infra.cli.standing import find_running
    from infra.database.queries import connect
    from infra.models.similar import find_duplicates

    with explained():
        deployment = find_running(data)
        with connect(deployment.database_url) as connection:
            groups = find_duplicates(connection, bucket or deployment.bucket, near)
    if as_json:
        click.echo(json.dumps({"groups": groups}))
        return
    for keys in groups:
        click.echo("\n  ".join(map(printable, keys)))
    if not groups:
        click.echo("no duplicates", err=True)
