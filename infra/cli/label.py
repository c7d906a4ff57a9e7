"""`pixwhisk label`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.printing import printable, shown_time
from infra.cli.wording import examples

if TYPE_CHECKING:
    from infra.database.examples import Connection, Example

LIMIT_NAME = 100


def _names(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        # A comma and a space part the synonyms of a label.
        if not name.strip() or len(name) > LIMIT_NAME or not name.isprintable() or ", " in name:
            raise click.BadParameter(f"a label is 1 to {LIMIT_NAME} printable characters without a comma and a space")
    return value


@click.command(
    epilog=examples("pixwhisk label mugs/1.jpg mugs/2.jpg --as 'our mug'", "pixwhisk label cups/1.jpg --not 'our mug'")
)
@options.data
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@options.bucket
@click.option("--as", "shows", metavar="NAME", multiple=True, callback=_names, help="They show this.")
@click.option("--not", "lacks", metavar="NAME", multiple=True, callback=_names, help="They do not show this.")
@click.option("--by", metavar="WHO", help="Who says so.  [default: the user's name here]")
@click.option("--delete", is_flag=True, help="Take back what was said of them: of --as NAME, or of anything.")
@click.option("--list", "listed", is_flag=True, help="Show what was said: of --as NAME, or of anything.")
@options.as_json
def command(
    *,
    data: Path,
    keys: tuple[str, ...],
    bucket: str | None,
    shows: tuple[str, ...],
    lacks: tuple[str, ...],
    by: str | None,
    delete: bool,
    listed: bool,
    as_json: bool,
) -> None:
    """Say what pictures show, or do not show; `pixwhisk teach` learns from it.

    A label is about the picture as it is now: once the object is overwritten, it counts no longer. `other` means none
    of what is taught.
    """
    from infra.cli.standing import find_running
    from infra.database.examples import give_labels, list_examples, take_labels_back
    from infra.database.queries import connect

    _check_usage(keys, shows, lacks, delete=delete, listed=listed)
    with explained():
        deployment = find_running(data)
        place = bucket or deployment.bucket
        with connect(deployment.database_url) as connection:
            named = _strip_bucket(connection, place, keys)
            if delete:
                count = take_labels_back(connection, place, named, (*shows, *lacks))
                _tell({"taken_back": count}, f"{count} labels taken back", as_json=as_json)
            elif listed:
                _show(list_examples(connection, place, shows), as_json=as_json)
            else:
                said = {**dict.fromkeys(shows, True), **dict.fromkeys(lacks, False)}
                give_labels(connection, place, named, said, by or getpass.getuser())
                _tell({"labelled": len(named)}, f"{len(named)} pictures labelled", as_json=as_json)


def _check_usage(
    keys: Sequence[str], shows: Sequence[str], lacks: Sequence[str], *, delete: bool, listed: bool
) -> None:
    if listed and (keys or lacks or delete):
        raise click.UsageError("--list takes --as NAME alone")
    if not listed and not keys:
        raise click.UsageError("name keys, or --list")
    if not (listed or delete or shows or lacks):
        raise click.UsageError("say --as NAME or --not NAME")
    if both := set(shows) & set(lacks):
        raise click.UsageError(f"{min(both)!r} cannot be both --as and --not")
    if any("\0" in key for key in keys):
        raise click.UsageError("no key with NUL")


def _strip_bucket(connection: Connection, bucket: str, keys: Sequence[str]) -> list[str]:
    """Keys as they are, or as they are shown: with their bucket."""
    rows = connection.execute("SELECT key FROM objects WHERE bucket = %s AND key = ANY(%s)", (bucket, list(keys)))
    known = {row["key"] for row in rows}
    return list(dict.fromkeys(key if key in known else key.removeprefix(f"{bucket}/") for key in keys))


def _tell(document: dict[str, Any], words: str, *, as_json: bool) -> None:
    click.echo(json.dumps(document) if as_json else words)


def _show(found: Sequence[Example], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"examples": [each.dump() for each in found]}))
        return
    for each in found:
        what = ("" if each.shows else "not ") + printable(each.label)
        where = printable(f"{each.bucket}/{each.key}")
        click.echo(f"{what:24}  {shown_time(each.given_at)}  {printable(each.given_by):12}  {where}")
