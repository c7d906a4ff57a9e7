"""`pixwhisk down`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from infra.cli import options
from infra.cli.detached import stop
from infra.cli.standing import find_running_directories
from infra.cli.wording import examples


@click.command(epilog=examples("pixwhisk down", "pixwhisk down --data /srv/photos"))
@options.data
def command(data: Path) -> None:
    """Stop what `pixwhisk up` started.

    Data stays. Nothing running is no error.
    """
    if stop(data):
        click.echo("stopped")
        return
    others = find_running_directories()
    click.echo(f"not running: nothing to stop in {data}")
    for other in others:
        click.echo(f"one runs in {other}: `pixwhisk down --data {shlex.quote(str(other))}`", err=True)
