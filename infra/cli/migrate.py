"""`pixwhisk migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained


@click.command()
@options.data
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def command(*, data: Path, dry_run: bool) -> None:
    """Bring the database's schema up to date.

    For a database of one's own, before its first use and at every upgrade: DATABASE_URL must be its owner's. Roles
    named pixwhisk_store, pixwhisk_view, pixwhisk_sweep and pixwhisk_journal are given what each needs. `pixwhisk up`
    does all this by itself.
    """
    from infra.deployment.record import find_deployment

    with explained():
        change = migration(find_deployment(data).database_url, dry_run=dry_run, grants=True)
    click.echo(change or "nothing to change")


def migration(url: str, *, dry_run: bool, grants: bool) -> str | None:
    """Migrate, unless it is only to be said what would be done; the line that says so, None if nothing.

    `grants`: see to the roles as well where the schema itself is up to date.
    """
    from infra.database import migrations

    there, newest = migrations.revision(url), migrations.newest_revision()
    if not dry_run and (grants or there != newest):
        migrations.migrate(url)
    if there == newest:
        return None
    return f"{'would migrate' if dry_run else 'migrated'} database schema {there or 'none'} → {newest}"
