"""`pixwhisk results`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from infra.cli import options
from infra.cli.failures import explained


@click.command()
@options.data
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--label", help="Only rows with this label among their first five.")
@click.option("--min-probability", type=click.FloatRange(0, 1), help="Only where that label, or the best, is as sure.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many rows.")
@options.as_json
@click.option("--follow", is_flag=True, help="Go on with every new row until Ctrl-C; with --json a document a line.")
def command(
    *,
    data: Path,
    keys: tuple[str, ...],
    label: str | None,
    min_probability: float | None,
    limit: int,
    as_json: bool,
    follow: bool,
) -> None:
    """Show rows of the database, newest first."""
    from infra.database import queries
    from infra.deployment.record import find_deployment

    asked = queries.RowFilter(keys, label, min_probability, limit)
    with explained(), queries.connect(find_deployment(data).database_url) as connection:
        if follow:
            _follow(queries.follow(connection, asked), as_json)
        elif as_json:
            click.echo(json.dumps({"results": [plain(row) for row in queries.rows(connection, asked)]}))
        else:
            _print(queries.rows(connection, asked))


def _follow(rows: Any, as_json: bool) -> None:
    try:
        for row in rows:
            click.echo(json.dumps(plain(row)) if as_json else line(row))
    except KeyboardInterrupt:
        return


def _print(rows: list[dict[str, Any]]) -> None:
    several = len({row["model"] for row in rows}) > 1
    for row in rows:
        click.echo(line(row) + (f"  {printable(row['model'])}" if several else ""))
    if not rows:
        click.echo("no rows", err=True)


def line(row: Mapping[str, Any]) -> str:
    """One row for people: when, what, how sure, where."""
    if row["status"] == "classified":
        what = f"{row['label']} {row['probability']:.0%}"
    else:
        what = row["status"] + (f" ({row['reason']})" if row["reason"] else "")
    when = row["stored_at"].astimezone().strftime("%Y-%m-%d %H:%M:%S")
    where = f"{row['bucket']}/{row['key']}" if row["bucket"] else row["key"] or "inline image"
    return f"{when}  {printable(what):32}  {printable(where)}"


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON holds it."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def printable(text: str) -> str:
    """Text of anybody's, made harmless for a terminal."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)
