"""`pixwhisk status`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.moments import Duration, ago
from infra.cli.printing import printable, shown_time
from infra.cli.wording import examples
from infra.errors import Exit

if TYPE_CHECKING:
    from infra.audit.records import Standing
    from infra.database.queries import ModelCounts
    from infra.deployment.health import Health


@click.command(epilog=examples("pixwhisk status", "pixwhisk status --json"))
@options.data
@click.option(
    "--audited-within",
    metavar="DURATION",
    type=Duration(),
    envvar="PIXWHISK_AUDITED_WITHIN",
    help="Unhealthy if no audit was clean within it, such as 2h.  [default: PIXWHISK_AUDITED_WITHIN]",
)
@options.as_json
def command(data: Path, audited_within: timedelta | None, as_json: bool) -> None:
    """Say whether the deployment is healthy, and what is pending.

    Asks each service with the deployment's own keys. Exits 0 if every one answers as it should, else 1; where nothing
    was ever started, 3. What is pending waits for a sweep; what is parked is a dead letter, which `replay` revives.
    """
    from infra.cli.standing import find_started, not_running
    from infra.deployment.health import examine

    with explained():
        health = examine(find_started(data), audited_within)
    if as_json:
        click.echo(json.dumps(document(health)))
    elif health.embedded and health.holder is None:
        click.echo(not_running(data))
        _print_services(health)
    else:
        click.echo("healthy" if health.healthy else "unhealthy")
        if health.holder:
            click.echo(f"  up          {health.holder}")
        _print_services(health)
        _print_counts(health)
    sys.exit(Exit.OK if health.healthy else Exit.FAILED)


def document(health: Health) -> dict[str, Any]:
    """Stable keys, for programs."""
    counts = health.counts
    return {
        "healthy": health.healthy,
        "up": {"pid": health.holder.pid, "since": _iso(health.holder.since)} if health.holder else None,
        "services": dict(health.services),
        "subscription": health.subscription,
        "audit": _describe_audit(health.standing, overdue=health.overdue) if health.standing else None,
        "burst_since": health.burst.isoformat() if health.burst else None,
        "outcomes": dict(counts.outcomes) if counts else None,
        "models": [_model(each) for each in counts.models] if counts else None,
        "pending": counts.pending if counts else None,
        "parked": sum(counts.parked.values()) if counts else None,
        "parked_reasons": dict(counts.parked) if counts else None,
        "oldest_pending_seconds": counts.oldest_pending if counts else None,
        "lanes_last_hour": dict(counts.lanes) if counts else None,
    }


def _describe_audit(standing: Standing, *, overdue: bool) -> dict[str, Any]:
    """What audits that looked at everything have found; `overdue` by the operator's own limit."""
    last, since = standing.last, standing.subscribed_since
    return {
        "clean": last.clean if last else None,
        "seconds_ago": last.ago.total_seconds() if last else None,
        "clean_seconds_ago": standing.clean_ago.total_seconds() if standing.clean_ago is not None else None,
        "overdue": overdue,
        "versions": last.versions if last else None,
        "rows": last.rows if last else None,
        "counts": dict(last.findings) if last else None,
        "unseen": dict(last.unseen) if last else None,
        "subscribed_since": since.astimezone(UTC).isoformat() if since else None,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _model(counts: ModelCounts) -> dict[str, Any]:
    return {
        "name": counts.name,
        "digest": counts.digest,
        "active": counts.active,
        "outcomes": dict(counts.outcomes),
        "unanswered": counts.unanswered,
    }


def _print_services(health: Health) -> None:
    for name, state in health.services.items():
        click.echo(f"  {name:10}  {state}")
    if health.subscription:
        since = health.standing.subscribed_since if health.standing and health.subscription == "ok" else None
        click.echo(f"  subscribed  {health.subscription}{f' since {shown_time(since)} UTC' if since else ''}")
    if health.burst:
        click.echo(f"  burst       by batch since {shown_time(health.burst)} UTC")
    if health.mended:
        click.echo("  mended      a sweep that is gone had left uploads to batches: they go by their events again")
    if health.standing:
        click.echo(f"  audited     {_word_audit(health.standing)}{', which is too long ago' if health.overdue else ''}")


def _word_audit(standing: Standing) -> str:
    """How the last audit that looked at everything ended, and when."""
    last = standing.last
    if last is None:
        return "never: `pixwhisk audit`"
    if last.clean:
        return f"clean {ago(last.ago)}"
    found = _format_counts({name: count for name, count in last.findings.items() if count}) or "the subscription"
    clean = f"; clean {ago(standing.clean_ago)}" if standing.clean_ago is not None else ""
    return f"{found} differed {ago(last.ago)}{clean}: `pixwhisk audit --repair`"


def _print_counts(health: Health) -> None:
    if counts := health.counts:
        click.echo(f"  outcomes    {_format_counts(counts.outcomes) or 'none'}")
        for model in counts.models if len(counts.models) > 1 else ():
            unused = "" if model.active else " (not active)"
            click.echo(f"    by {printable(model.name)}{unused}: {_format_counts(model.outcomes) or 'none'}")
        for line in find_unanswered(counts.models):
            click.echo(f"  {line}")
        oldest = f", the oldest for {counts.oldest_pending:.0f} s" if counts.oldest_pending is not None else ""
        click.echo(f"  pending     {counts.pending}{oldest}")
        click.echo(f"  parked      {_format_counts(counts.parked) or 0}")
        lanes = ", ".join(f"{count} by {lane}" for lane, count in counts.lanes.items())
        click.echo(f"  last hour   {lanes or 'nothing settled'}")


def find_unanswered(models: Sequence[ModelCounts]) -> list[str]:
    """Which active models are silent about what a former one answered, and what would have them speak; a line each."""
    return [
        f"unanswered  {model.unanswered} objects have an outcome by a former model and none by"
        f" {printable(model.name)}: {_word_remedy(model)}"
        for model in models
        if model.unanswered
    ]


def _word_remedy(model: ModelCounts) -> str:
    if not model.embedded:
        return "`pixwhisk backfill` fills them"
    read = model.unanswered - model.embedded
    return f"`pixwhisk backfill --model {model.name}` fills them and reads {read or 'no'} images"


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
