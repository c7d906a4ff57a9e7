"""`pixwhisk teach`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.printing import printable
from infra.cli.wording import Number, examples

if TYPE_CHECKING:
    from infra.deployment.record import Deployment
    from infra.models.installed import InstalledModel


@click.command(epilog=examples("pixwhisk teach ours", "pixwhisk teach ours --suggest --limit 20"))
@options.data
@click.argument("head")
@click.option("--label", "labels", metavar="NAME", multiple=True, help="Only this one.  [default: all that were given]")
@click.option(
    "--on", "base", metavar="MODEL", help="The model whose backbone it stands on.  [default: the default one]"
)
@click.option("--suggest", is_flag=True, help="Do not teach; show the pictures of which it is least sure.")
@options.bucket
@click.option(
    "-n", "--limit", metavar="N", type=Number(1, 1000), default=10, show_default=True, help="At most so many of those."
)
@options.as_json
def command(
    *,
    data: Path,
    head: str,
    labels: tuple[str, ...],
    base: str | None,
    suggest: bool,
    bucket: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Teach a head of one's own what `pixwhisk label` said, in seconds; or --suggest what to label next.

    It becomes a model like any other. For what is none of the things that it was taught it says `other`.
    """
    from infra.cli.standing import find_running

    with explained():
        deployment = find_running(data)
        if suggest:
            _suggest(deployment, head, bucket or deployment.bucket, limit, as_json=as_json)
        else:
            _teach(deployment, head, labels, base, as_json=as_json)


def _teach(deployment: Deployment, head: str, labels: tuple[str, ...], base: str | None, *, as_json: bool) -> None:
    from infra import paths
    from infra.database.queries import connect, count_by_model
    from infra.models.installed import find_installed
    from infra.teaching.head import check_name, train_head
    from infra.teaching.lesson import prepare_lesson

    with connect(deployment.database_url) as connection:
        active = {each.name for each in count_by_model(connection) if each.active}
        check_name(head, active)
        under = find_installed(base or paths.MODEL_NAME)
        lesson = prepare_lesson(connection, under, labels)
    model = train_head(head, under, lesson, lambda line: click.echo(line, err=True))
    if as_json:
        known = {name: model.card[name] for name in ("name", "digest", "labels", "taught", "accuracy")}
        click.echo(json.dumps(known))
    else:
        _print_card(model)


def _print_card(model: InstalledModel) -> None:
    card = model.card
    checked, taught = card["accuracy"]["crossValidated"], card["taught"]
    click.echo(
        f"{model.name}: {len(card['labels']) - 1} labels from {checked['pictures']} pictures, beside"
        f" {taught['background']} of other things; of pictures left out {checked['top1']:.1%} were right"
    )
    names = [printable(name)[:16] for name in card["labels"]]
    click.echo(f"  {'shown':16}  said: {'  '.join(f'{name:>6}' for name in names)}")
    for name, row in zip(names, checked["confusion"], strict=True):
        counts = "  ".join(f"{count:>{max(6, len(said))}}" for said, count in zip(names, row, strict=True))
        click.echo(f"  {name:16}        {counts}")
    click.echo(
        f"`pixwhisk models use` with {model.name} beside those in use has it classify,"
        f" `pixwhisk backfill --model {model.name}` then speak about the past"
    )


def _suggest(deployment: Deployment, head: str, bucket: str, limit: int, *, as_json: bool) -> None:
    from infra.database.queries import connect
    from infra.models.installed import find_installed
    from infra.teaching.unsure import find_unsure

    with connect(deployment.database_url) as connection:
        found = find_unsure(connection, find_installed(head), bucket, limit)
    if as_json:
        click.echo(json.dumps({"unsure": found}))
        return
    for each in found:
        click.echo(f"{_format(each['labels']):48}  {printable(each['bucket'] + '/' + each['key'])}")


def _format(labels: list[dict[str, Any]]) -> str:
    return " or ".join(f"{printable(each['label'])} {each['probability']:.0%}" for each in labels)
