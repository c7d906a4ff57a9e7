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

    Reports what is missing (an object without an outcome), stale (an outcome about other bytes) and orphaned (a row
    without an object), each with its key and reason. What may only be on its way is looked at once more after --grace
    seconds. Of a bucket that is subscribed with a prefix or a suffix, name these. Exits 0 if nothing differs, 1 if
    something does, 3 if it could not look.
    """
    from infra.audit.listing import fetcher_of
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
            found = audit(
                fetcher_of(deployment, bucket),
                connection,
                bucket,
                seen,
                prefix=prefix,
                suffix=suffix,
                grace=timedelta(seconds=grace),
            )
            found = show.each(found)
            repaired = enqueue(connection, bucket, found, "audit") if repair else sum(0 for _ in found)
            if prefix and not (seen.listed or seen.rows):
                _warn_of_prefix(prefix, deployment.database_url)
        show.end(seen, repaired, time.monotonic() - began)
    sys.exit(Exit.FAILED if seen.differences else Exit.OK)


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
            "clean": not seen.differences,
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
