"""`pixwhisk env`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.wording import examples


@click.command(epilog=examples('eval "$(pixwhisk env)"', "pixwhisk env --data /srv/photos"))
@options.data
def command(data: Path) -> None:
    """Print `export` lines for shells, wsk and S3 clients.

    Use it as: eval "$(pixwhisk env)". Variables that would lead clients of the embedded services elsewhere are unset.
    """
    from infra.cli.standing import find_started
    from infra.deployment.ambient import ambient_names, make_unproxied_variables
    from infra.deployment.variables import export_variables, wsk_variables

    with explained():
        deployment = find_started(data)
        variables = wsk_variables(deployment) | export_variables(deployment)
        if deployment.embedded:
            # So that `status` and `down` mean this one from anywhere.
            variables["PIXWHISK_DATA"] = str(deployment.data)
    variables |= make_unproxied_variables(deployment.external)
    if unwanted := ambient_names(deployment.external):
        click.echo(f"unset {' '.join(unwanted)}")
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
