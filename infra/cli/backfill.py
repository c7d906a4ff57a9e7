"""`pixwhisk backfill`."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.progress import Counting
from infra.cli.wording import examples
from infra.errors import Exit

if TYPE_CHECKING:
    from infra.audit.backfill import Backfill, Progress
    from infra.deployment.record import Deployment
    from triggers.sweep.settings import SweepSettings


@click.command(epilog=examples("pixwhisk backfill", "pixwhisk backfill --prefix 2025/ --suffix .jpg"))
@options.data
@options.bucket
@click.option("--prefix", metavar="TEXT", default="", help="Only keys that begin so.")
@click.option("--suffix", metavar="TEXT", default="", help="Only keys that end so.")
@click.option("--model", metavar="NAME", help="First have this active model speak from the stored embeddings.")
def command(*, data: Path, bucket: str | None, prefix: str, suffix: str, model: str | None) -> None:
    """Classify what is in the bucket already.

    Goes on where it was interrupted. New uploads overtake it: they are classified first. With --model, what the
    backbone has seen is not read again, whatever bucket it is in.
    """
    from infra.audit.backfill import Backfill, Progress
    from infra.audit.listing import find_listing
    from infra.cli.standing import find_running
    from infra.cli.sweep import settings_of

    stop, progress = threading.Event(), Progress()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    with explained(), ExitStack() as stack:
        deployment = find_running(data)
        bucket = bucket or deployment.bucket
        if model is not None:
            _rescore(deployment, model, stop)
        backfill = Backfill(
            find_listing(deployment).fetcher(bucket), deployment.database_url, bucket, prefix, suffix, stop
        )
        stack.enter_context(_sweeping(settings_of(deployment)))
        stack.enter_context(_counting(backfill, progress))
        backfill.run(progress)
    click.echo(_summary(bucket, progress, stopped=stop.is_set()))
    sys.exit(Exit.FAILED if progress.parked or stop.is_set() else Exit.OK)


def _rescore(deployment: Deployment, name: str, stop: threading.Event) -> None:
    from infra.database.queries import connect, count_by_model
    from infra.models.installed import BadModel, find_installed
    from infra.models.rescoring import rescore

    model, written = find_installed(name), 0

    def so_far() -> tuple[int, str]:
        return written, "from embeddings"

    def report(count: int) -> None:
        nonlocal written
        written = count

    with connect(deployment.database_url) as connection:
        # One file may have been given several names; each is a model of its own in the database.
        known = {(each.name, each.digest): each for each in count_by_model(connection)}
        named = (model.name, model.digest)
        if named not in known or not known[named].active:
            raise BadModel(f"{name} is not active: `pixwhisk models use {name}` first")
        with Counting(f"asking {name}", so_far, lambda: known[named].unanswered):
            rescore(deployment.database_url, model, stop, report)
    click.echo(f"{name}: {written} outcomes from embeddings")


@contextmanager
def _sweeping(settings: SweepSettings) -> Iterator[None]:
    """A sweep of our own beside whatever else sweeps, so that a backfill needs nothing but the services."""
    from triggers.sweep.invoking import Invoker
    from triggers.sweep.watch import watch

    def report(line: str) -> None:
        if "done=" not in line:
            click.echo(line, err=True)

    with _thread(lambda stop: watch(settings, Invoker(settings), stop, 1.0, report)):
        yield


@contextmanager
def _counting(backfill: Backfill, progress: Progress) -> Iterator[None]:
    def so_far() -> tuple[int, str]:
        return progress.done, f"{progress.pending} pending, {progress.parked} parked"

    counting = threading.Thread(target=backfill.count, args=(progress,), name="count", daemon=True)
    if sys.stderr.isatty():
        counting.start()
    with Counting(f"backfilling {backfill.bucket}", so_far, lambda: progress.total):
        yield


@contextmanager
def _thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,), name="sweep")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _summary(bucket: str, progress: Progress, *, stopped: bool) -> str:
    text = f"{bucket}: {progress.enqueued} versions were without an outcome"
    if progress.parked:
        text += f", {progress.parked} are parked: `pixwhisk status` says why"
    return text + ("; stopped: run it again to go on" if stopped else "")
