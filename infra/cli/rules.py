"""`pixwhisk rules`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.printing import printable
from infra.cli.wording import Number, examples


@click.command(
    epilog=examples(
        "pixwhisk rules --label dog --minimum 0.3", "pixwhisk rules --label envelope --hide --prefix scans/"
    )
)
@options.data
@click.option("--label", metavar="NAME", help="A label, or what stands above it; '' means every label.")
@click.option("--bucket", metavar="NAME", default="", help="Only there.  [default: every bucket]")
@click.option("--prefix", metavar="TEXT", default="", help="Only for keys that begin so.")
@click.option("--minimum", metavar="P", type=Number(0, 1, whole=False), help="Show it from this probability on.")
@click.option("--hide", is_flag=True, help="Do not show it.")
@click.option("--rename", metavar="NAME", help="Show it under this name.")
@click.option("--delete", is_flag=True, help="Take the rule away.")
@options.as_json
def command(
    *,
    data: Path,
    label: str | None,
    bucket: str,
    prefix: str,
    minimum: float | None,
    hide: bool,
    rename: str | None,
    delete: bool,
    as_json: bool,
) -> None:
    """Show the rules by which view `labels` reads labels, or make or delete one.

    A rule counts at once, for every object there is; nothing is classified again.
    """
    from infra.cli.standing import find_running
    from infra.database.label_rules import LabelRule, delete_rule, list_rules, put_rule
    from infra.database.queries import connect

    if label is None and (minimum is not None or hide or rename or delete):
        raise click.UsageError("say --label, which the rule is about")
    if any("\0" in each for each in (label or "", bucket, prefix, rename or "")):
        raise click.UsageError("no text with NUL")
    with explained(), connect(find_running(data).database_url) as connection:
        if label is not None:
            rule = LabelRule(label, bucket, prefix, minimum, hide, rename)
            if delete:
                delete_rule(connection, rule)
            else:
                put_rule(connection, rule)
        rules = list_rules(connection)
    if as_json:
        click.echo(json.dumps({"rules": [each.dump() for each in rules]}))
        return
    for each in rules:
        click.echo(printable(str(each)))
