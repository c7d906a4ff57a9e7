"""`pixwhisk status`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import Exit, explained
from infra.cli.printing import printable
from infra.cli.wording import examples

if TYPE_CHECKING:
    from infra.database.queries import ModelCounts
    from infra.deployment.health import Health


@click.command(epilog=examples("pixwhisk status", "pixwhisk status --json"))
@options.data
@options.as_json
def command(data: Path, as_json: bool) -> None:
    """Say whether the deployment is healthy, and what is pending.

    Exits 0 if every service answers, else 1.
    """
    from infra.cli.standing import find_started
    from infra.deployment.health import examine

    with explained():
        health = examine(find_started(data))
    if as_json:
        click.echo(json.dumps(document(health)))
    else:
        _print(health)
    sys.exit(Exit.OK if health.healthy else Exit.FAILED)


def document(health: Health) -> dict[str, Any]:
    """Stable keys, for programs."""
    counts = health.counts
    return {
        "healthy": health.healthy,
        "up": {"pid": health.holder.pid, "since": health.holder.since} if health.holder else None,
        "services": dict(health.services),
        "outcomes": dict(counts.outcomes) if counts else None,
        "models": [_model(each) for each in counts.models] if counts else None,
        "pending": counts.pending if counts else None,
        "parked": sum(counts.parked.values()) if counts else None,
        "parkedReasons": dict(counts.parked) if counts else None,
        "oldestPendingSeconds": counts.oldest_pending if counts else None,
        "lanesLastHour": dict(counts.lanes) if counts else None,
    }


def _model(counts: ModelCounts) -> dict[str, Any]:
    return {
        "name": counts.name,
        "digest": counts.digest,
        "active": counts.active,
        "outcomes": dict(counts.outcomes),
        "unanswered": counts.unanswered,
    }


def _print(health: Health) -> None:
    click.echo("healthy" if health.healthy else "unhealthy")
    if health.embedded:
        click.echo(f"  up          {health.holder or 'no: start with `pixwhisk up`'}")
    for name, state in health.services.items():
        click.echo(f"  {name:10}  {state}")
    if counts := health.counts:
        click.echo(f"  outcomes    {_counted(counts.outcomes) or 'none'}")
        for model in counts.models if len(counts.models) > 1 else ():
            unused = "" if model.active else " (not active)"
            click.echo(f"    by {printable(model.name)}{unused}: {_counted(model.outcomes) or 'none'}")
        for line in unanswered(counts.models):
            click.echo(f"  {line}")
        oldest = f", the oldest for {counts.oldest_pending:.0f} s" if counts.oldest_pending is not None else ""
        click.echo(f"  pending     {counts.pending}{oldest}")
        click.echo(f"  parked      {_counted(counts.parked) or 0}")
        lanes = ", ".join(f"{count} by {lane}" for lane, count in counts.lanes.items())
        click.echo(f"  last hour   {lanes or 'nothing settled'}")


def unanswered(models: Sequence[ModelCounts]) -> list[str]:
    """Which active models are silent about what a former one answered, and what would have them speak; a line each."""
    return [
        f"unanswered  {model.unanswered} objects have an outcome by a former model and none by"
        f" {printable(model.name)}: `pixwhisk backfill` fills them"
        for model in models
        if model.unanswered
    ]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
