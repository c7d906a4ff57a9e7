"""`pixwhisk down`."""

from __future__ import annotations

from pathlib import Path

import click

from infra.cli import options
from infra.cli.detached import stop


@click.command()
@options.data
def command(data: Path) -> None:
    """Stop what `pixwhisk up` started.

    Data stays. Nothing running is no error.
    """
    click.echo("stopped" if stop(data) else f"nothing runs in {data}")
