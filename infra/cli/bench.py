"""`pixwhisk bench`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from infra import paths
from infra.cli import options
from infra.cli.detached import start_detached, stop
from infra.cli.failures import Failure, explained
from infra.cli.progress import Counting
from infra.cli.wording import examples

if TYPE_CHECKING:
    from infra.deployment.record import Deployment


@click.command(epilog=examples("pixwhisk bench --json -o figures.json", "pixwhisk bench --compare figures.json"))
@click.option("--data", metavar="DIR", help="Measure what runs there.  [default: one of its own, for the time]")
@options.as_json
@options.output
@click.option(
    "--plots", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Charts, as PNG and SVG."
)
@click.option("--peers", is_flag=True, help="Instead: beside Celery, RQ, Procrastinate and a plain webhook, in turns.")
@click.option("--article", is_flag=True, help="Instead: 1000 warm and 1000 cold calls, as in the article of 2018.")
@click.option("--past", is_flag=True, help="Instead: 100,000 pictures of before are re-scored, searched and grouped.")
@click.option("--compare", type=click.File(), metavar="FILE", help="Say what differs from what --json wrote.")
@click.option("--quick", is_flag=True, help="A little of each: to see that it works, not how fast.")
def command(
    *,
    data: str | None,
    as_json: bool,
    output: Path | None,
    plots: Path | None,
    peers: bool,
    article: bool,
    past: bool,
    compare: IO[str] | None,
    quick: bool,
) -> None:
    """Measure this machine, or a deployment.

    Uses a deployment of its own, in a temporary directory, unless --data names one that runs; services that the
    environment names are left alone. Every time is measured beside what it is compared with, in turns, so that the
    ratios hold on a busy machine as well. Objects and rows that it makes are deleted again. Takes some three minutes,
    --quick half a minute.

    --peers sets up what people would use instead, each as its own documentation has it, with the same code of classify
    and store, and takes some six minutes. --article takes some ten. --past takes some eight, and as
    many megabytes of the database as it makes rows. `make setup-bench` installs what --peers and
    --plots need.
    """
    # Late, here and below: `--help` needs none of it.
    from infra.bench import plots as drawing
    from infra.bench.clients import BenchFailed

    _check_usage(peers=peers, article=article, past=past, plots=bool(plots), compare=bool(compare))
    before = _read_document(compare) if compare else None
    try:
        if plots:
            drawing.require_packages()
        with explained(), _deployed(paths.data(data) if data else None) as (deployment, up), Parts() as parts:
            if past:
                found = _ask_past(deployment, parts, quick=quick)
            elif peers:
                found = _compare(deployment, parts, quick=quick)
            elif article:
                found = _repeat_article(deployment, parts, quick=quick)
            else:
                found = _measure(deployment, up, parts, quick=quick, clean=bool(data))
    except BenchFailed as failed:
        raise Failure(str(failed)) from None
    shown = _table(found)
    options.write(json.dumps(found, indent=1) if as_json else shown, output)
    if as_json and output:
        click.echo(shown)
    if before is not None:
        click.echo(f"\n{_differences(before, found)}", err=as_json and not output)
    for path in drawing.write(found, plots) if plots else ():
        click.echo(path, err=True)


def _check_usage(*, peers: bool, article: bool, past: bool, plots: bool, compare: bool) -> None:
    """One thing is measured at a time, and not everything can be drawn or compared."""
    chosen = [option for option, given in (("--peers", peers), ("--article", article), ("--past", past)) if given]
    others = [option for option, given in (("--plots", plots and not article), ("--compare", compare)) if given]
    if len(chosen) > 1 or (chosen and others):
        first, second, *_ = [*chosen, *others]
        raise click.UsageError(f"{first} does not go with {second}: leave out one of them")


def _read_document(file: IO[str]) -> dict[str, Any]:
    from infra.bench.targets import read_old_keys

    try:
        found = json.load(file)
        if isinstance(found, dict) and "machine" in found:
            return dict(read_old_keys(found))
    except ValueError:
        pass
    raise click.UsageError(f"{file.name} is no document of `pixwhisk bench --json`: name one to --compare")


def _differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    from infra.bench.measuring import TARGETS
    from infra.bench.table import difference_table
    from infra.bench.targets import compare_documents

    return difference_table(compare_documents(TARGETS, before, after))


def _measure(deployment: Deployment, up: dict[str, float], parts: Parts, *, quick: bool, clean: bool) -> dict[str, Any]:
    from infra.bench import measuring

    bench = measuring.Bench(deployment, measuring.QUICK if quick else measuring.Plan(), parts.begin)
    try:
        measured = bench.run()
    finally:
        if clean:
            parts.begin("clearing up", 1)
            bench.clean()
    return measuring.document(measured, up, quick=quick)


def _compare(deployment: Deployment, parts: Parts, *, quick: bool) -> dict[str, Any]:
    from infra.bench import measuring
    from infra.bench.peers import comparison

    plan = comparison.QUICK if quick else comparison.ComparisonPlan()
    compared = comparison.compare(deployment, plan, parts.begin)
    return measuring.write_heading(quick=quick) | {"peers": compared}


def _repeat_article(deployment: Deployment, parts: Parts, *, quick: bool) -> dict[str, Any]:
    from infra.bench import article, measuring

    plan = article.QUICK if quick else article.ArticlePlan()
    return measuring.write_heading(quick=quick) | {"article": article.measure_article(deployment, plan, parts.begin)}


def _ask_past(deployment: Deployment, parts: Parts, *, quick: bool) -> dict[str, Any]:
    from infra.bench import measuring, past

    plan = past.QUICK if quick else past.PastPlan()
    return measuring.write_heading(quick=quick) | {"past": past.measure_past(deployment, plan, parts.begin)}


def _table(found: dict[str, Any]) -> str:
    from infra.bench import table

    if "peers" in found:
        return table.comparison_table(found)
    if "past" in found:
        return table.past_table(found)
    return table.article_table(found) if "article" in found else table.table(found)


@contextmanager
def _deployed(data: Path | None) -> Iterator[tuple[Deployment, dict[str, float]]]:
    """A running deployment, and how long `up` takes here."""
    from infra.bench.figures import round_figures
    from infra.bench.starting import measure
    from infra.deployment.external import without_services
    from infra.deployment.record import find_deployment
    from infra.services import lock

    if data is not None and lock.holder(data) is None:
        raise Failure(f"nothing runs in {data}: start it with `pixwhisk up --data {data}`, or leave --data out")
    directory, environ = Path(tempfile.mkdtemp(prefix="pixwhisk-bench-")), without_services(os.environ)
    try:
        first, again = measure(_start, _stop, directory)
        up = {"first_seconds": round_figures(first), "again_seconds": round_figures(again)}
        if data is None:
            yield find_deployment(directory, environ), up
        else:
            _stop(directory)
            yield find_deployment(data, environ), up
    finally:
        _stop(directory)
        shutil.rmtree(directory, ignore_errors=True)


def _start(directory: Path) -> None:
    from infra.deployment.external import without_services
    from infra.deployment.record import API_PORT, S3_PORT, is_recorded
    from infra.services.ports import free_port

    ports = {} if is_recorded(directory) else {"api_port": free_port(API_PORT), "s3_port": free_port(S3_PORT)}
    start_detached(directory, ports, lambda _line: None, without_services(os.environ))


def _stop(directory: Path) -> None:
    stop(directory)


class Parts(AbstractContextManager["Parts"]):
    """Shows one part of a measurement after the other: on a terminal how far it is, elsewhere that it has begun."""

    def __init__(self) -> None:
        self._shown = ExitStack()
        self._done = 0

    def __exit__(self, *_raised: object) -> None:
        self._shown.close()

    def begin(self, title: str, total: int) -> Callable[[int], None]:
        """What is returned is told how much of `total` is done."""
        self._shown.close()
        self._done = 0
        if not sys.stderr.isatty():
            click.echo(f"{title} …", err=True)
        self._shown.enter_context(Counting(title, lambda: (self._done, ""), lambda: total))
        return self._report

    def _report(self, count: int) -> None:
        self._done = count
