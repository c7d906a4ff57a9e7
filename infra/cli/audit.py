"""`pixwhisk audit`."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import Failure, explained
from infra.cli.moments import Duration
from infra.cli.printing import printable, shown_time
from infra.cli.progress import Counting
from infra.cli.wording import Number, examples, nearest
from infra.errors import Exit

if TYPE_CHECKING:
    from infra.audit.compare import Difference
    from infra.audit.records import Scope
    from infra.audit.report import Seen
    from infra.audit.rows import Connection
    from infra.deployment.links import SeenSubscription
    from infra.deployment.record import Deployment

UNSEEN = {
    "behind-an-object": "for an object has the name of their folder",
    "unlistable-name": "for their names cannot be asked for",
}


@click.command(epilog=examples("pixwhisk audit", "pixwhisk audit --prefix 2026/ --repair"))
@options.data
@options.bucket
@click.option("--prefix", metavar="TEXT", help="Only keys that begin so.  [default: the subscription's]")
@click.option("--suffix", metavar="TEXT", help="Only keys that end so.  [default: the subscription's]")
@click.option("--repair", is_flag=True, help="Put every difference into the inbox; the sweep does the rest.")
@click.option(
    "--grace",
    metavar="SECONDS",
    type=Number(0, whole=False),
    default=5,
    show_default=True,
    help="Look twice at what is younger.",
)
@click.option(
    "--every", metavar="DURATION", type=Duration(), help="For ever: one audit so long after the other, such as 1h."
)
@click.option("--later", is_flag=True, hidden=True)
@options.as_json
def command(
    *,
    data: Path,
    bucket: str | None,
    prefix: str | None,
    suffix: str | None,
    repair: bool,
    grace: float,
    every: timedelta | None,
    later: bool,
    as_json: bool,
) -> None:
    """Compare the bucket with the rows, both ways.

    Reports what is missing (an object without an outcome), stale (an outcome about other bytes), orphaned (a row
    without an object) and hidden (an object that is not listed, and beside which there may be more that nobody can
    see), each with its key and reason; --repair sees to the first three. What may only be on its way is looked at once
    more after --grace seconds. Of the deployment's own bucket it also says whether MinIO still tells of what is put
    there, and --repair subscribes it again; of other keys than MinIO is to tell of it says nothing, unless they are
    named.
    What was found is kept, and `status` says how long ago that was; `up` audits by itself. Exits 0 if nothing differs,
    1 if something does, 3 if it could not look.
    """
    if every is not None:
        given = {"--bucket": bucket, "--prefix": prefix, "--suffix": suffix, "--grace": f"{grace:g}"}
        typed = [word for name, value in given.items() if value is not None for word in (name, value)]
        flags = [name for name, is_set in (("--repair", repair), ("--json", as_json)) if is_set]
        _watch(data, bucket, every, [*typed, *flags], at_once=not later)
        return
    from infra.audit.listing import find_listing
    from infra.audit.report import Seen, audit
    from infra.audit.rows import enqueue, opened
    from infra.cli.standing import find_running

    with _looking(), explained():
        deployment, seen, began, start = find_running(data), Seen(), time.monotonic(), datetime.now(UTC)
        bucket = bucket or deployment.bucket
        with (
            Counting(f"auditing {bucket}", lambda: _so_far(seen)),
            opened(deployment.database_url) as connection,
        ):
            told = None
            if bucket == deployment.bucket:
                # First: what is put from now on is told of, what was put before is listed.
                told = _see_subscription(deployment, connection, repair=repair)
                seen.subscription = told.state
            scope = _choose_scope(bucket, prefix, suffix, told)
            show = _Json(scope) if as_json else _Text()
            store = find_listing(deployment)
            found = audit(
                store.fetcher(bucket),
                connection,
                bucket,
                seen,
                prefix=scope.prefix,
                suffix=scope.suffix,
                grace=timedelta(seconds=grace),
                look=store.looker(bucket),
            )
            found = show.each(found)
            repaired = enqueue(connection, bucket, found, "audit") if repair else sum(0 for _ in found)
            if scope.prefix and not (seen.listed or seen.rows):
                _warn_of_prefix(scope.prefix, deployment.database_url)
            since = _record(connection, scope, start, seen, repaired)
        show.end(seen, repaired, time.monotonic() - began, since)
    sys.exit(Exit.OK if seen.clean else Exit.FAILED)


def _choose_scope(bucket: str, prefix: str | None, suffix: str | None, told: SeenSubscription | None) -> Scope:
    """What was named, or else what the bucket's subscription tells of."""
    from infra.audit.records import Scope

    all_told = (told.prefix, told.suffix) if told else ("", "")
    begins, ends = (named if given is None else given for given, named in zip((prefix, suffix), all_told, strict=True))
    return Scope(bucket, begins, ends, complete=all_told[0].startswith(begins) and all_told[1].endswith(ends))


def _watch(data: Path, bucket: str | None, every: timedelta, arguments: Sequence[str], *, at_once: bool) -> None:
    from infra.cli.audit_watch import watch
    from infra.cli.standing import find_running

    with explained():
        deployment = find_running(data)
        own = ["--data", str(data), *arguments]
        watch(deployment, bucket or deployment.bucket, every, own, at_once=at_once)


def _see_subscription(deployment: Deployment, connection: Connection, *, repair: bool) -> SeenSubscription:
    """What was found; a repair restores what is wrong."""
    from infra.deployment.links import restore_subscription, see_subscription

    found = see_subscription(deployment)
    _note(connection, deployment.bucket, found)
    if repair and found.state not in ("ok", None) and restore_subscription(deployment):
        click.echo(f"subscribed bucket {deployment.bucket} again", err=True)
        _note(connection, deployment.bucket, see_subscription(deployment))
    return found


def _note(connection: Connection, bucket: str, found: SeenSubscription) -> None:
    from infra.audit.records import note_subscription

    with _keeping():
        note_subscription(connection, bucket, found.document, found.state)


def _record(connection: Connection, scope: Scope, began: datetime, seen: Seen, repaired: int) -> datetime | None:
    """Keep what was found; since when the subscription is as it should be."""
    from infra.audit.records import read_standing, record_audit

    with _keeping():
        record_audit(connection, scope, began, seen, repaired)
        return read_standing(connection, scope.bucket).subscribed_since
    return None


@contextlib.contextmanager
def _keeping() -> Iterator[None]:
    """A database that may only be read, or has an older schema, is no reason not to look."""
    import psycopg

    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        click.echo(f"warning: what was found is not kept: {printable(str(error).splitlines()[0])}", err=True)
    except psycopg.errors.UndefinedTable:
        click.echo("warning: what was found is not kept, for the schema is older: `pixwhisk migrate`", err=True)


@contextlib.contextmanager
def _looking() -> Iterator[None]:
    """Whatever keeps an audit from looking is exit 3: 1 says that something differs."""
    try:
        yield
    except Failure as failure:
        if failure.exit_code == Exit.USAGE:
            raise
        raise Failure(failure.message, Exit.UNREACHABLE) from None


def _warn_of_prefix(prefix: str, url: str) -> None:
    """Nothing at all begins so: clean, but hardly what was to be audited."""
    from infra.database import queries, rows

    with queries.connect(url) as connection:
        near = nearest(prefix, rows.known_prefixes(connection))
    click.echo(f"warning: no key begins with {printable(prefix)}{near}", err=True)


def _so_far(seen: Seen) -> tuple[int, str]:
    return seen.listed, f"{seen.differences} differences, at {printable(seen.key)[:40]}"


class _Text:
    """For people: a line a difference, and a last line that says how it stands."""

    def each(self, differences: Iterator[Difference]) -> Iterator[Difference]:
        for difference in differences:
            version = f" version {difference.version_id}" if difference.version_id else ""
            click.echo(f"{difference.finding:9} {printable(difference.key)}{version}: {difference.reason}")
            yield difference

    def end(self, seen: Seen, repaired: int, seconds: float, since: datetime | None) -> None:
        counts = ", ".join(f"{count} {finding}" for finding, count in seen.findings.items() if count) or "clean"
        rate = seen.listed / seconds if seconds else 0
        listed = f"{seen.settled} of {seen.listed} {'versions' if seen.versioned else 'objects'}"
        gone = f"; {seen.removed} row{'s' * (seen.removed != 1)} about deleted ones" if seen.removed else ""
        click.echo(f"{counts}: {listed}{gone}; {seconds:.1f} s, {rate:.0f}/s")
        for why, count in seen.unseen.items():
            if count:
                click.echo(f"{count} keys are there that no listing shows, {UNSEEN[why]}; there may be more")
        if seen.subscription not in ("ok", None):
            click.echo(f"subscription was broken: {printable(seen.subscription or '')}")
        elif since:
            click.echo(f"subscribed as it should be since {shown_time(since)} UTC")
        if repaired:
            click.echo(f"{repaired} put into the inbox: `pixwhisk status` shows them go")


class _Json:
    """For programs: one document, written as it is found, so that a million differences need no memory."""

    def __init__(self, scope: Scope) -> None:
        self.head = {"bucket": scope.bucket, "prefix": scope.prefix, "suffix": scope.suffix}

    def each(self, differences: Iterator[Difference]) -> Iterator[Difference]:
        click.echo(json.dumps(self.head)[:-1] + ', "differences": [', nl=False)
        separator = ""
        for difference in differences:
            click.echo(separator + json.dumps(_plain(difference)), nl=False)
            separator = ",\n"
            yield difference

    def end(self, seen: Seen, repaired: int, seconds: float, since: datetime | None) -> None:
        rest = {
            "clean": seen.clean,
            "subscription": seen.subscription,
            "subscribed_since": since.astimezone(UTC).isoformat() if since else None,
            "counts": seen.findings,
            "unseen": seen.unseen,
            "listed": seen.listed,
            "settled": seen.settled,
            "rows": seen.rows,
            "removed": seen.removed,
            "repaired": repaired,
            "seconds": round(seconds, 3),
        }
        click.echo("], " + json.dumps(rest)[1:])


def _plain(difference: Difference) -> dict[str, Any]:
    return {
        "finding": difference.finding,
        "key": difference.key,
        "version_id": difference.version_id,
        "reason": difference.reason,
        "etag": difference.listed.etag if difference.listed else None,
    }
