"""`python -m infra.cli.reference > docs/commands.md`: what every command says of itself, as a document."""

from __future__ import annotations

from collections.abc import Iterator

import click

from infra.cli.__main__ import pixwhisk

WIDTH = 100

HEAD = """# Commands

What `--help` says, written by `python -m infra.cli.reference > docs/commands.md`; a test keeps it so. Exit codes: 0
done, 1 failed (or what the command says), 2 wrong usage, 3 a service cannot be reached.
"""


def document() -> str:
    """The whole document."""
    names = pixwhisk.list_commands(click.Context(pixwhisk))
    return "\n".join([HEAD, *(section for name in names for section in _sections(name))])


def _sections(name: str) -> Iterator[str]:
    """Of the command, and of those within it."""
    command = pixwhisk.get_command(click.Context(pixwhisk), name)
    if command is None:
        raise LookupError(name)
    yield _section(name, command)
    for within, each in command.commands.items() if isinstance(command, click.Group) else ():
        yield _section(f"{name} {within}", each)


def _section(name: str, command: click.Command) -> str:
    settings = pixwhisk.context_settings
    context = click.Context(
        command,
        info_name=f"pixwhisk {name}",
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=settings["help_option_names"],
    )
    return f"## {name}\n\n```\n{command.get_help(context).strip()}\n```\n"


if __name__ == "__main__":
    click.echo(document(), nl=False)
