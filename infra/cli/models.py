"""`pixwhisk models`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.printing import printable
from infra.cli.wording import Number, examples

if TYPE_CHECKING:
    from infra.database.queries import ModelCounts
    from infra.models.comparing import ModelComparison
    from infra.models.installed import InstalledModel


@click.group(epilog=examples("pixwhisk models list", "pixwhisk models use efficientnet-lite0-int8 mine"))
def command() -> None:
    """See, take in, switch and compare models."""


@command.command("list")
@options.data
@options.as_json
def list_models(data: Path, as_json: bool) -> None:
    """Show the models at hand and those that have classified."""
    from infra.models.installed import list_installed

    with explained():
        known = [_describe(each, counts) for each, counts in _join(list(list_installed()), _counts(data))]
    if as_json:
        click.echo(json.dumps({"models": known}))
        return
    for each in known:
        rows = "" if each["rows"] is None else f"{each['rows']} rows"
        what = f"{each['labels']} labels, {each['size'] / 1e6:.1f} MB" if each["installed"] else "not at hand"
        marks = "active" if each["active"] else ""
        click.echo(f"{printable(each['name']):32}  {each['digest'][7:19]}  {marks:6}  {what:22}  {rows}".rstrip())


@command.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--labels", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A file with a label a line."
)
@click.option("--name", help="What it is called.  [default: the file's name]")
@click.option("--size", metavar="N", type=Number(16, 2048), default=224, show_default=True, help="Pixels of its side.")
@click.option(
    "--crop",
    metavar="SHARE",
    type=Number(0.1, 1, whole=False),
    default=0.875,
    show_default=True,
    help="Of the short side.",
)
@click.option("--mean", type=float, default=127, show_default=True, help="What is taken from each byte, and then")
@click.option("--scale", type=float, default=128, show_default=True, help="what it is divided by.")
@click.option("--quantise", is_flag=True, help="Convert it into whole numbers: a quarter of the size, and quicker.")
def import_one(
    *, path: Path, labels: Path, name: str | None, size: int, crop: float, mean: float, scale: float, quantise: bool
) -> None:
    """Take in a model from pixels to labels, after a trial: a .tflite or .keras file, or a SavedModel's directory."""
    from infra.models.importing import InputFraming, import_model

    if not scale:
        raise click.BadParameter("0 cannot be divided by", param_hint="--scale")
    with explained():
        framing = InputFraming(size, crop, mean, scale)
        model, trial = import_model(
            path, labels, name or path.stem, framing, lambda line: click.echo(line, err=True), quantise=quantise
        )
    click.echo(
        f"{model.name} is at hand: {len(model.card['labels'])} labels, {trial.milliseconds:.1f} ms a picture,"
        f" {trial.megabytes:.0f} MB; of a photo of an espresso it says {printable(trial.label)!r}"
        f" ({trial.probability:.0%}); `pixwhisk models use {model.name}` has it classify"
    )


@command.command("build")
@click.argument("name")
def build(name: str) -> None:
    """Build a model that pixwhisk has a recipe for: efficientnet-lite2-int8, say."""
    from infra import paths
    from infra.model.environment import LOCKS
    from infra.model.variants import VARIANTS
    from infra.models.installed import BadModel
    from infra.setup import steps
    from infra.setup.model import ModelStep
    from infra.setup.programs import Programs
    from infra.setup.screen import screen

    with explained():
        if name not in VARIANTS:
            raise BadModel(f"there is no recipe for {name!r}; there are {', '.join(VARIANTS)}")
        if not all(lock.is_file() for lock in LOCKS):
            raise BadModel("an installed pixwhisk does not bring what models are built from: build in a checkout")
        shown = screen()
        try:
            failed = steps.run(
                [ModelStep(variant=VARIANTS[name])], Programs(paths.cache() / "logs"), shown, paths.cache() / "locks"
            )
        finally:
            shown.close()
        if failed:
            raise BadModel(f"{name} was not built: run it again once the problem above is gone")


@command.command("use")
@options.data
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def use(data: Path, names: tuple[str, ...]) -> None:
    """Have these models classify, and no others; uploads go on meanwhile."""
    from infra.cli.standing import find_running
    from infra.models.installed import find_installed
    from infra.models.switching import use_models

    with explained():
        chosen = [find_installed(name) for name in dict.fromkeys(names)]
        deployment = find_running(data)
        use_models(deployment, chosen, click.echo)
    click.echo(f"active models: {', '.join(each.name for each in chosen)}")
    from infra.cli.status import find_unanswered

    for line in find_unanswered(_counts(data)):
        click.echo(line)


@command.command("diff")
@options.data
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@click.option(
    "-n", "--limit", metavar="N", type=Number(1), default=10, show_default=True, help="At most so many pairs of labels."
)
@click.option("--html", metavar="FILE", callback=options.check_output, help="Also as a page, with the pictures.")
@options.as_json
def diff(*, data: Path, left: str, right: str, limit: int, html: Path | None, as_json: bool) -> None:
    """Compare what two models said of the same objects."""
    from infra.cli.standing import find_running
    from infra.database.queries import connect
    from infra.models.comparing import compare_models

    with explained():
        deployment = find_running(data)
        with connect(deployment.database_url) as connection:
            found = compare_models(connection, left, right, limit)
        if html is not None:
            from infra.models.diff_page import make_fetch, render_page

            html.write_text(render_page(found, make_fetch(deployment)), "utf-8")
    if as_json:
        click.echo(json.dumps(found.dump()))
    else:
        _print_comparison(found)


@command.command("evaluate")
@click.argument("name")
@click.argument("photos", type=click.Path(path_type=Path, exists=True))
@options.as_json
def evaluate(name: str, photos: Path, as_json: bool) -> None:
    """Say how often a model is right about PHOTOS, and how sure of it.

    PHOTOS is a directory with a folder a label, or a file with a path, a tab and a label a line.
    """
    from infra.cli.progress import Counting
    from infra.models.evaluation import evaluate as measure
    from infra.models.evaluation import read_known_labels
    from infra.models.installed import find_installed

    done = 0

    def report(count: int) -> None:
        nonlocal done
        done = count

    with explained():
        model, known = find_installed(name), read_known_labels(photos)
        with Counting(f"asking {name}", lambda: (done, ""), lambda: len(known)):
            found = measure(model, known, report)
    if as_json:
        click.echo(json.dumps(found.dump()))
        return
    click.echo(
        f"{name}: {found.photos} photos, {found.top1:.1%} right, {found.top5:.1%} among the first five;"
        f" {found.confidence:.2f} sure on average, calibration error {found.calibration_error:.3f}"
    )
    for count, sure, right in found.bins:
        click.echo(f"  {count:6} photos  {sure:5.0%} sure  {right:5.0%} right  {'#' * round(40 * right)}")


@command.command("remove")
@options.data
@click.argument("name")
def remove(data: Path, name: str) -> None:
    """Remove a model that is not active; its rows stay."""
    from infra.models.installed import BadModel, find_installed, remove_installed

    with explained():
        model = find_installed(name)
        if any(each.active and each.digest == model.digest for each in _counts(data)):
            raise BadModel(f"{name} is active: `pixwhisk models use` another first")
        remove_installed(name)
    click.echo(f"removed {name}")


def _print_comparison(found: ModelComparison) -> None:
    share = found.agreed / found.compared
    click.echo(f"{found.compared} objects with both, the same first label for {found.agreed} ({share:.1%})")
    for name, milliseconds in found.milliseconds.items():
        size = f", {found.sizes[name] / 1e6:.1f} MB" if name in found.sizes else ""
        click.echo(f"  {printable(name)}: {milliseconds:.1f} ms{size}")
    for flip in found.flips:
        examples = ", ".join(map(printable, flip.keys))
        click.echo(f"{flip.count:6}  {printable(flip.left):24}  {printable(flip.right):24}  {examples}")


def _counts(data: Path) -> Sequence[ModelCounts]:
    """Of the deployment, where there is one that answers."""
    import psycopg

    from infra.database.queries import connect, count_by_model
    from infra.deployment.record import NoDeployment, find_deployment
    from infra.models.installed import read_backbones

    try:
        with connect(find_deployment(data).database_url) as connection:
            return count_by_model(connection, read_backbones())
    except (NoDeployment, psycopg.OperationalError):
        return []


def _join(
    installed: Sequence[InstalledModel], counts: Sequence[ModelCounts]
) -> list[tuple[InstalledModel | None, ModelCounts | None]]:
    """Each model once, by its digest: those at hand first, then those that only rows know."""
    by_digest = {each.digest: each for each in counts}
    return [
        *((each, by_digest.pop(each.digest, None)) for each in installed),
        *((None, each) for each in by_digest.values()),
    ]


def _describe(model: InstalledModel | None, counts: ModelCounts | None) -> Mapping[str, Any]:
    known = model or counts
    assert known is not None
    return {
        "name": known.name,
        "digest": known.digest,
        "backbone": model and model.backbone,
        "labels": model and len(model.card.get("labels", ())),
        "size": model and model.card.get("size"),
        "accuracy": model and model.card.get("accuracy"),
        "installed": model is not None,
        "active": bool(counts and counts.active),
        "rows": counts and sum(counts.outcomes.values()),
    }
