"""`pixwhisk`: the commands by name. A command's module is imported when it is run, so `--help` answers at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TextIO

import click

from infra.cli.wording import in_words
from infra.errors import Exit

# In the order of use. Each is `infra.cli.<name>:command`; the text is the first line of its help.
COMMANDS: Mapping[str, str] = {
    "up": "Start Postgres, MinIO and OpenWhisk, deploy, and keep it all running.",
    "down": "Stop what `pixwhisk up` started.",
    "env": "Print `export` lines for shells, wsk and S3 clients.",
    "demo": "Watch photos become rows: the main job, end to end.",
    "status": "Say whether the deployment is healthy, and what is pending.",
    "results": "Show rows of the database, newest first.",
    "similar": "Find the pictures most like one, which is a key or a file here.",
    "duplicates": "Show groups of objects with the same bytes, or with almost the same picture.",
    "rules": "Show the rules by which view `labels` reads labels, or make or delete one.",
    "label": "Say what pictures show, or do not show; `pixwhisk teach` learns from it.",
    "teach": "Teach a head of one's own what `pixwhisk label` said, in seconds; or --suggest what to label next.",
    "models": "See, take in, switch and compare models.",
    "audit": "Compare the bucket with the rows, both ways.",
    "backfill": "Classify what is in the bucket already.",
    "sweep": "Run what is pending, once or for ever.",
    "logs": "Show what the services say: all of them, or one.",
    "replay": "Make parked work pending again, as if it had never been tried.",
    "migrate": "Bring the database's schema up to date.",
    "deploy": "Bring any OpenWhisk to what the manifest wants.",
    "undeploy": "Take everything the manifest made away again.",
    "bench": "Measure this machine, or a deployment.",
    "help": "Say what a command does and takes, as its --help.",
    "completion": "Complete commands and options at the press of Tab.",
}

# Lines of help are no longer, however wide the terminal.
WIDTH_HELP = 100
# What a shell sets when it asks what could come next.
COMPLETE = "_PIXWHISK_COMPLETE"


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"infra.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH_HELP})
@click.version_option(None, "-V", "--version", package_name="pixwhisk", message="pixwhisk %(version)s")
def pixwhisk() -> None:
    """Drop an image into a MinIO bucket; a moment later its labels are rows in Postgres."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command, all errors said in a line; its exit code, once all that it printed is where it belongs."""
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough (`| head`): that is no failure.
        _abandon(sys.stdout)
        return Exit.OK
    except OSError as error:
        _abandon(sys.stdout)
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {where}{error.strerror or error}", err=True)
        return Exit.FAILED
    return code


def _invoke(arguments: list[str]) -> int:
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(pixwhisk, {}, "pixwhisk", COMPLETE, instruction)
    try:
        # Not `pixwhisk.main`, which has exit codes and words of its own for what is caught here.
        with pixwhisk.make_context("pixwhisk", arguments, terminal_width=_width()) as context:
            pixwhisk.invoke(context)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.format_message())
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except SystemExit as ended:
        return int(ended.code or Exit.OK)
    except click.ClickException as error:
        words = in_words(error) if isinstance(error, click.UsageError) else error.format_message()
        click.echo(f"Error: {words}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    return Exit.OK


def _width() -> int:
    # Click's own rule would not go below 50 columns.
    return min(shutil.get_terminal_size().columns, WIDTH_HELP) - 2


def _abandon(stream: TextIO) -> None:
    # What is still buffered has no place to go, and Python would complain of it at its end.
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    main()
