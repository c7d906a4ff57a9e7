"""`pixwhisk migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.wording import examples


@click.command(epilog=examples("pixwhisk migrate --dry-run", "pixwhisk migrate"))
@options.data
@options.use_database
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def command(*, data: Path, use_database: bool, dry_run: bool) -> None:
    """Bring the database's schema up to date.

    For a database of one's own, before its first use and at every upgrade: DATABASE_URL must be its owner's. Roles
    named pixwhisk_store, pixwhisk_view, pixwhisk_sweep and pixwhisk_journal are given what each needs. `pixwhisk up`
    does all this by itself.
    """
    from infra.cli.standing import find_running

    with explained():
        url = find_running(data).database_url
        change = migration(url, dry_run=dry_run, grants=True, use_foreign=use_database)
    click.echo(change or "nothing to change")


def migration(url: str, *, dry_run: bool, grants: bool, use_foreign: bool) -> str | None:
    """Migrate, unless it is only to be said what would be done; the line that says so, None if nothing.

    `grants`: see to the roles as well where the schema itself is up to date. `use_foreign`: even in a database that
    holds what is not ours.
    """
    from infra.database import migrations

    if not use_foreign:
        migrations.refuse_foreign(url)
    there, newest = migrations.revision(url), migrations.newest_revision()
    if not dry_run and (grants or there != newest):
        migrations.migrate(url)
    if there == newest:
        return None
    return f"{'would migrate' if dry_run else 'migrated'} database schema {there or 'none'} → {newest}"
