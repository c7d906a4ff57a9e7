"""`pixwhisk audit`."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import Failure, explained
from infra.cli.printing import printable
from infra.cli.progress import Counting
from infra.cli.wording import Number, examples, nearest
from infra.errors import Exit

if TYPE_CHECKING:
    from infra.audit.compare import Difference
    from infra.audit.report import Seen
    from infra.deployment.record import Deployment


@click.command(epilog=examples("pixwhisk audit", "pixwhisk audit --prefix 2026/ --repair"))
@options.data
@options.bucket
@click.option("--prefix", metavar="TEXT", default="", help="Only keys that begin so.")
@click.option("--suffix", metavar="TEXT", default="", help="Only keys that end so.")
@click.option("--repair", is_flag=True, help="Put every difference into the inbox; the sweep does the rest.")
@click.option(
    "--grace",
    metavar="SECONDS",
    type=Number(0, whole=False),
    default=5,
    show_default=True,
    help="Look twice at what is younger.",
)
@options.as_json
def command(
    *, data: Path, bucket: str | None, prefix: str, suffix: str, repair: bool, grace: float, as_json: bool
) -> None:
    """Compare the bucket with the rows, both ways.

    Reports what is missing (an object without an outcome), stale (an outcome about other bytes), orphaned (a row
    without an object) and hidden (an object that is not listed, and beside which there may be more that nobody can
    see), each with its key and reason; --repair sees to the first three. What may only be on its way is looked at once
    more after --grace seconds. Of the deployment's own bucket it also says whether MinIO still tells of what is put
    there, and --repair subscribes it again. Of a bucket that is subscribed with a prefix or a suffix, name these.
    Exits 0 if nothing differs, 1 if something does, 3 if it could not look.
    """
    from infra.audit.listing import find_listing
    from infra.audit.report import Seen, audit
    from infra.audit.rows import enqueue, opened
    from infra.cli.standing import find_running

    with _looking(), explained():
        deployment, seen, began = find_running(data), Seen(), time.monotonic()
        bucket = bucket or deployment.bucket
        show = _Json(bucket, prefix, suffix) if as_json else _Text()
        with (
            Counting(f"auditing {bucket}", lambda: _so_far(seen)),
            opened(deployment.database_url) as connection,
        ):
            if bucket == deployment.bucket:
                # First: what is put from now on is told of, what was put before is listed.
                seen.subscription = _see_subscription(deployment, repair=repair)
            store = find_listing(deployment)
            found = audit(
                store.fetcher(bucket),
                connection,
                bucket,
                seen,
                prefix=prefix,
                suffix=suffix,
                grace=timedelta(seconds=grace),
                look=store.looker(bucket),
            )
            found = show.each(found)
            repaired = enqueue(connection, bucket, found, "audit") if repair else sum(0 for _ in found)
            if prefix and not (seen.listed or seen.rows):
                _warn_of_prefix(prefix, deployment.database_url)
        show.end(seen, repaired, time.monotonic() - began)
    sys.exit(Exit.OK if seen.clean else Exit.FAILED)


def _see_subscription(deployment: Deployment, *, repair: bool) -> str | None:
    """What was found; a repair restores what is wrong."""
    from infra.deployment.links import examine_subscription, restore_subscription

    found = examine_subscription(deployment)
    if repair and found not in ("ok", None) and restore_subscription(deployment):
        click.echo(f"subscribed bucket {deployment.bucket} again", err=True)
    return found


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

    def end(self, seen: Seen, repaired: int, seconds: float) -> None:
        counts = ", ".join(f"{count} {finding}" for finding, count in seen.findings.items() if count) or "clean"
        rate = seen.listed / seconds if seconds else 0
        click.echo(f"{counts}: {seen.listed} versions against {seen.rows} rows in {seconds:.1f} s ({rate:.0f}/s)")
        if seen.subscription not in ("ok", None):
            click.echo(f"subscription was broken: {printable(seen.subscription or '')}")
        if repaired:
            click.echo(f"{repaired} put into the inbox: `pixwhisk status` shows them go")


class _Json:
    """For programs: one document, written as it is found, so that a million differences need no memory."""

    def __init__(self, bucket: str, prefix: str, suffix: str) -> None:
        self.head = {"bucket": bucket, "prefix": prefix, "suffix": suffix}

    def each(self, differences: Iterator[Difference]) -> Iterator[Difference]:
        click.echo(json.dumps(self.head)[:-1] + ', "differences": [', nl=False)
        separator = ""
        for difference in differences:
            click.echo(separator + json.dumps(_plain(difference)), nl=False)
            separator = ",\n"
            yield difference

    def end(self, seen: Seen, repaired: int, seconds: float) -> None:
        rest = {
            "clean": seen.clean,
            "subscription": seen.subscription,
            "counts": seen.findings,
            "listed": seen.listed,
            "rows": seen.rows,
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
