"""`pixwhisk help`."""

from __future__ import annotations

import click

from infra.cli.wording import examples


@click.command(epilog=examples("pixwhisk help results", "pixwhisk help audit"))
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def command(context: click.Context, name: str | None) -> None:
    """Say what a command does and takes, as its --help."""
    group = context.parent
    if group is None or not isinstance(group.command, click.Group):
        raise click.UsageError("pixwhisk help [COMMAND]")
    if name is None:
        click.echo(group.get_help())
        return
    found = group.command.get_command(group, name)
    if found is None:
        raise click.exceptions.NoSuchCommand(name, possibilities=group.command.list_commands(group), ctx=group)
    inner = click.Context(found, info_name=name, parent=group)
    click.echo(found.get_help(inner))
