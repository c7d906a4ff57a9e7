"""`pixwhisk`: the commands by name. A command's module is imported when it is run, so `--help` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

# In the order of use. Each is `infra.cli.<name>:command`; the text is the first line of its help.
COMMANDS: Mapping[str, str] = {
    "up": "Start Postgres, MinIO and OpenWhisk, deploy, and keep it all running.",
    "down": "Stop what `pixwhisk up` started.",
    "env": "Print `export` lines for shells, wsk and S3 clients.",
    "demo": "Watch photos become rows: the main job, end to end.",
    "status": "Say whether the deployment is healthy, and what is pending.",
    "results": "Show rows of the database, newest first.",
    "audit": "Compare the bucket with the rows, both ways.",
    "backfill": "Classify what is in the bucket already.",
    "sweep": "Run what is pending, once or for ever.",
    "replay": "Make parked work pending again, as if it had never been tried.",
    "migrate": "Bring the database's schema up to date.",
    "deploy": "Bring any OpenWhisk to what the manifest wants.",
    "undeploy": "Take everything the manifest made away again.",
    "bench": "Measure this machine, or a deployment.",
}


class Commands(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"infra.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="pixwhisk")
def pixwhisk() -> None:
    """Drop an image into a MinIO bucket; a moment later its labels are rows in Postgres."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    try:
        pixwhisk.main(args=arguments, prog_name="pixwhisk")
    except BrokenPipeError:
        # Whoever read our output has had enough (`| head`): that is no failure.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
