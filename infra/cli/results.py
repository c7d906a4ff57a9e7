"""`pixwhisk results`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from infra.cli import options, printing
from infra.cli.failures import Failure, explained
from infra.cli.moments import SHOWN, Moment
from infra.cli.printing import printable
from infra.cli.wording import Choice, Number, examples, nearest

if TYPE_CHECKING:
    from infra.database.rows import Connection, RowFilter

STATUSES = ("classified", "rejected", "deleted", "all")
SORTS = ("newest", "oldest", "surest", "unsurest")
# Below this the first label is more likely wrong than right.
UNSURE = 0.5


@click.command(
    epilog=examples(
        "pixwhisk results --unsure -n 50",
        "pixwhisk results --status rejected --since yesterday --until today --format csv",
    )
)
@options.data
@click.argument("keys", metavar="[KEY]...", nargs=-1)
@click.option("--label", "labels", metavar="NAME", multiple=True, help="With this label; given twice, with either.")
@click.option("--prefix", metavar="TEXT", help="Only keys that begin so.")
@click.option("--status", metavar="WORD", type=Choice(STATUSES), help="classified, rejected, deleted or all.")
@click.option("--reason", metavar="WORD", help="Only rejected for this reason.")
@click.option("--since", metavar="TIME", type=Moment(), help=f"From then on: {SHOWN}.")
@click.option("--until", metavar="TIME", type=Moment(), help="Before that.")
@click.option(
    "--min-probability", metavar="P", type=Number(0, 1, whole=False), help="Where that label, or the best, is as sure."
)
@click.option("--max-probability", metavar="P", type=Number(0, 1, whole=False), help="Where it is at most so sure.")
@click.option("--unsure", is_flag=True, help="Where the best label is below 50 %, the least sure first.")
@click.option("--sort", metavar="WORD", type=Choice(SORTS), help="newest, oldest, surest or unsurest.")
@click.option("-n", "--limit", metavar="N", type=Number(1), default=20, show_default=True, help="At most so many rows.")
@click.option(
    "--format", "shape", metavar="WORD", type=Choice(get_args(printing.Format)), help="table, json, jsonl or csv."
)
@options.as_json
@options.output
@click.option("-f", "--follow", is_flag=True, help="Go on with every new row until Ctrl-C; as JSON a document a line.")
def command(
    *,
    data: Path,
    labels: tuple[str, ...],
    shape: str | None,
    as_json: bool,
    output: Path | None,
    follow: bool,
    **asked: Any,
) -> None:
    """Show rows of the database, newest first.

    Without --status, deleted ones are left out. A key may be given as it is shown, with its bucket. Labels are matched
    in any case, by name or synonym, among all that a row shows. Times without a zone are UTC, as all that are shown.
    What is unknown is an error (exit 1), with what is near it.
    """
    from infra.cli.standing import find_running
    from infra.database import queries

    if as_json and shape not in (None, "json"):
        raise click.UsageError(f"--json and --format {shape}: one or the other")
    shape = "json" if as_json else shape or "table"
    if follow and (shape == "csv" or output):
        raise click.UsageError("--follow goes on for ever: as a table or JSON, and onto the screen")
    wanted = _row_filter(labels=labels, **asked)
    with explained(), queries.connect(find_running(data).database_url) as connection:
        if follow:
            _follow(connection, wanted, shape)
        else:
            _show(connection, wanted, shape, output)


def _row_filter(
    *,
    keys: tuple[str, ...],
    labels: tuple[str, ...],
    prefix: str | None,
    status: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    min_probability: float | None,
    max_probability: float | None,
    unsure: bool,
    sort: Any,
    limit: float,
) -> RowFilter:
    from infra.database.rows import RowFilter

    if unsure:
        status, sort = status or "classified", sort or "unsurest"
        max_probability = UNSURE if max_probability is None else min(max_probability, UNSURE)
    if status == "all" or (status is None and keys):
        statuses: tuple[str, ...] = ()
    else:
        statuses = (status,) if status else ("classified", "rejected")
    return RowFilter(
        keys=keys,
        prefix=prefix,
        labels=labels,
        minimum=min_probability,
        maximum=max_probability,
        statuses=statuses,
        reason=reason,
        since=since,
        until=until,
        sort=sort or "newest",
        limit=int(limit),
    )


def _show(connection: Connection, wanted: RowFilter, shape: str, output: Path | None) -> None:
    from infra.database import rows

    found = rows.read(connection, wanted)
    if not found:
        _refuse_unknown(connection, wanted)
    total = len(found) if len(found) < wanted.limit else rows.count(connection, wanted)
    match shape:
        case "json":
            text = printing.as_document(found, total)
        case "jsonl":
            text = "\n".join(printing.as_lines(found))
        case "csv":
            text = printing.as_csv(found)
        case _:
            text = "\n".join(printing.table(found))
    if text:
        options.write(text, output)
    if not found:
        click.echo("no rows", err=True)
    elif total > len(found):
        click.echo(f"{len(found)} of {total}; --limit {total} shows all", err=True)


def _follow(connection: Connection, wanted: RowFilter, shape: str) -> None:
    from infra.database import rows

    try:
        for row in rows.follow(connection, wanted):
            text = printing.line(printing.cells(row)) if shape == "table" else printing.as_lines([row])[0]
            click.echo(text)
    except KeyboardInterrupt:
        return


def _refuse_unknown(connection: Connection, wanted: RowFilter) -> None:
    """Nothing was found: raises `Failure` if that is because a key, label or prefix is nowhere at all."""
    from infra.database import rows

    for label in wanted.labels:
        if not rows.has_label(connection, label):
            raise Failure(f"no row has label {printable(label)}{nearest(label, rows.known_labels(connection))}")
    for key in wanted.keys:
        if not rows.read(connection, rows.RowFilter(keys=[key], limit=1)):
            raise Failure(f"no row about {printable(key)}{nearest(key, rows.newest_keys(connection))}")
    if wanted.prefix and not rows.read(connection, rows.RowFilter(prefix=wanted.prefix, limit=1)):
        near = nearest(wanted.prefix, rows.known_prefixes(connection))
        raise Failure(f"no key begins with {printable(wanted.prefix)}{near}")
