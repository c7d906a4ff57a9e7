"""`pixwhisk replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.wording import examples


@click.command(epilog=examples("pixwhisk replay --key 2026/cat.jpg", "pixwhisk replay --all"))
@options.data
@click.option("--key", help="What is parked for this key.")
@click.option("--reason", help="What is parked for this reason; `pixwhisk status` names them.")
@click.option("--all", "everything", is_flag=True, help="All that is parked.")
def command(*, data: Path, key: str | None, reason: str | None, everything: bool) -> None:
    """Make parked work pending again, as if it had never been tried."""
    import psycopg

    from infra.cli.standing import find_running
    from triggers.sweep.inbox import replay

    by, value = _chosen(key, reason, everything)
    with (
        explained(),
        psycopg.connect(find_running(data).database_url, autocommit=True, connect_timeout=5) as connection,
    ):
        replayed = replay(connection, by, value)
    click.echo(f"{replayed} pending again: the sweep runs them")


def _chosen(key: str | None, reason: str | None, everything: bool) -> tuple[Literal["key", "reason", "all"], str]:
    if [key is not None, reason is not None, everything].count(True) != 1:
        raise click.UsageError("say which: --key KEY, --reason REASON or --all")
    if key is not None:
        return "key", key
    return ("reason", reason) if reason is not None else ("all", "")
