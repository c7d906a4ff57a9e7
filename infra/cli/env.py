"""`pixwhisk env`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained


@click.command()
@options.data
def command(data: Path) -> None:
    """Print `export` lines for shells, wsk and S3 clients.

    Use it as: eval "$(pixwhisk env)"
    """
    from infra.deployment.record import existing

    with explained():
        deployment = existing(data)
        variables = {"WSK_CONFIG_FILE": str(deployment.wskprops), **deployment.exported()}
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
