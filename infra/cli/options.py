"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from infra import paths


def _data(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Path:
    data = paths.data(value)
    if data.exists() and not data.is_dir():
        raise click.BadParameter(f"{data} is a file, not a directory")
    if "\\" in str(data):
        raise click.BadParameter(f"MinIO would take the backslash in {str(data)!r} for a slash: choose another name")
    return data


def _bucket(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    # S3's own rule: what it refuses should stop a command before anything was started for it.
    if value is not None and not re.fullmatch(r"(?!\d+(\.\d+){3}$)[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]", value):
        raise click.BadParameter(
            f"{value!r} is no bucket's name: 3 to 63 small letters, digits, hyphens and dots, with no hyphen or dot at"
            " either end"
        )
    return value


def check_output(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Path | None:
    """A file that can be written, for an option that names one."""
    if value is None:
        return None
    path = Path(value)
    # Now, not after minutes of work.
    if path.is_dir():
        raise click.BadParameter(f"{path} is a directory")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.BadParameter(f"{path} cannot be written")
    return path


data = click.option(
    "--data",
    metavar="DIR",
    callback=_data,
    help="The deployment's directory.  [default: PIXWHISK_DATA, then .pixwhisk here]",
)
bucket = click.option("--bucket", metavar="NAME", callback=_bucket, help="Which bucket.  [default: the deployment's]")
watched_bucket = click.option(
    "--bucket", metavar="NAME", callback=_bucket, help="The bucket to watch.  [default: images]"
)
force = click.option(
    "--force", is_flag=True, help="Also give actions more rights than they have, move or unset what they are bound to."
)
use_database = click.option(
    "--use-database", is_flag=True, help="Also make our tables in a database that holds somebody else's; said once."
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
output = click.option(
    "-o", "--output", metavar="FILE", callback=check_output, help="Into a file instead of onto the screen."
)


def names_data(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the running command was told by name which deployment is meant."""
    given = click.get_current_context().get_parameter_source("data")
    return given is ParameterSource.COMMANDLINE or bool(environ.get("PIXWHISK_DATA"))


def write(text: str, output: Path | None) -> None:
    """Onto the screen, or as a whole into a file; an error is an `OSError` that names it."""
    if output is None:
        click.echo(text)
    else:
        output.write_text(f"{text}\n")
