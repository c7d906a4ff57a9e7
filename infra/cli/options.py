"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from infra import paths


def _data(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Path:
    data = paths.data(value)
    if "\\" in str(data):
        raise click.BadParameter(f"MinIO would take the backslash in {str(data)!r} for a slash: choose another name")
    return data


data = click.option(
    "--data",
    metavar="DIR",
    callback=_data,
    help="The deployment's directory.  [default: PIXWHISK_DATA, then .pixwhisk here]",
)
force = click.option(
    "--force", is_flag=True, help="Also give actions more rights than they have, move or unset what they are bound to."
)
use_database = click.option(
    "--use-database", is_flag=True, help="Also make our tables in a database that holds somebody else's; said once."
)
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document, for programs.")
