"""`pixwhisk similar`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import Failure, explained
from infra.cli.printing import printable
from infra.cli.wording import Number, examples


@click.command(epilog=examples("pixwhisk similar breakfast/coffee.png", "pixwhisk similar mug.jpg --limit 3"))
@options.data
@click.argument("what", metavar="KEY|FILE")
@options.bucket
@click.option(
    "-n", "--limit", metavar="N", type=Number(1, 1000), default=10, show_default=True, help="At most so many."
)
@options.as_json
def command(*, data: Path, what: str, bucket: str | None, limit: int, as_json: bool) -> None:
    """Find the pictures most like one, which is a key or a file here.

    1.000 is the same picture. A key comes before a file of the same name.
    """
    from infra.cli.standing import find_running
    from infra.database.queries import connect
    from infra.models.similar import similar_to_file, similar_to_key

    with explained():
        deployment = find_running(data)
        with connect(deployment.database_url) as connection:
            found = similar_to_key(connection, bucket or deployment.bucket, what, limit)
            if found is None and Path(what).is_file():
                found = similar_to_file(connection, Path(what), limit)
    if found is None:
        raise Failure(f"no picture {what!r} with an embedding, and no such file")
    if as_json:
        click.echo(json.dumps({"similar": found}))
        return
    for each in found:
        click.echo(f"{each['similarity']:.3f}  {printable(each['bucket'] + '/' + each['key'])}")
