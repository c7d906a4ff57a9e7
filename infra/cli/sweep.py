"""`pixwhisk sweep`."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from infra.cli import options
from infra.cli.failures import Failure, explained
from infra.cli.wording import Number, examples
from infra.errors import Exit

if TYPE_CHECKING:
    from infra.deployment.record import Deployment
    from triggers.sweep.hearing import ListenSettings
    from triggers.sweep.settings import SweepSettings


@click.command(epilog=examples("pixwhisk sweep", "pixwhisk sweep --watch 60 --batch 100"))
@options.data
@click.option(
    "--watch", type=Number(0.1, whole=False), metavar="SECONDS", help="For ever: look so often, or when woken."
)
@click.option(
    "--batch", metavar="N", type=Number(1, 500), default=50, show_default=True, help="Records an activation takes."
)
@click.option(
    "--in-flight", metavar="N", type=Number(1, 64), help="Activations at once.  [default: cores here, plus one]"
)
def command(*, data: Path, watch: float | None, batch: int, in_flight: int | None) -> None:
    """Run what is pending, once or for ever.

    Under `pixwhisk up` one runs already; a second only shares its work. Ends cleanly at Ctrl-C or SIGTERM: what it has
    begun is noted, the rest is pending as before.
    """
    from actions.errors import ActionError
    from infra.cli.remote import check_running
    from infra.cli.standing import find_running

    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    with explained():
        deployment = find_running(data)
        check_running(deployment)
        settings = settings_of(deployment, batch=batch, in_flight=in_flight)
        try:
            _run(deployment, settings, stop, watch)
        except ActionError as error:
            raise Failure(str(error), Exit.UNREACHABLE if error.retryable else Exit.FAILED) from None


def settings_of(deployment: Deployment, *, batch: int | None = None, in_flight: int | None = None) -> SweepSettings:
    """A sweep's settings for this deployment, with the least privileged role there is."""
    import dataclasses

    from triggers.sweep.settings import SweepSettings

    environ = {
        "DATABASE_URL": deployment.database_url_of("pixwhisk_sweep"),
        "WSK_APIHOST": deployment.apihost,
        "WSK_AUTH": deployment.auth,
    }
    settings = SweepSettings.from_params({}, environ)
    return dataclasses.replace(settings, batch=batch or settings.batch, in_flight=in_flight or settings.in_flight)


def choose_listener(deployment: Deployment) -> ListenSettings | None:
    """Where this deployment's sweep hears of uploads at once; None where nothing says how MinIO is reached."""
    from triggers.sweep.hearing import ListenSettings

    if not (deployment.embedded or deployment.external.endpoint):
        return None
    named = [os.environ.get(f"PIXWHISK_SWEEP_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    if deployment.external.endpoint and named[0] and named[1]:
        return ListenSettings(deployment.endpoint, named[0], named[1], deployment.bucket)
    keys = deployment.listener
    return ListenSettings(deployment.endpoint, keys.access_key, keys.secret_key, deployment.bucket)


def _run(deployment: Deployment, settings: SweepSettings, stop: threading.Event, watch: float | None) -> None:
    from infra.logs import choose_report, start_logging
    from triggers.sweep.__main__ import sweep
    from triggers.sweep.invoking import Invoker
    from triggers.sweep.watch import watch as sweep_for_ever

    if watch is None:
        left = sweep(settings, stop=stop)
        click.echo(f"{left['pending']} pending, {left['parked']} parked: `pixwhisk status` says more")
    else:
        start_logging(os.environ)
        runs = Invoker(settings)
        # The embedded host keeps containers by itself, and makes one in no time.
        warm = (lambda: runs.warm(2 * settings.in_flight)) if deployment.external.apihost else None
        report = choose_report(os.environ, click.echo)
        sweep_for_ever(settings, runs, stop, watch, report, listening=choose_listener(deployment), warm=warm)
