"""`pixwhisk undeploy`."""

from __future__ import annotations

from pathlib import Path

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.wording import examples


@click.command(
    epilog=examples("pixwhisk undeploy", 'pixwhisk undeploy --apihost https://whisk.example.org --auth "$KEY"')
)
@options.data
@click.option("--apihost", metavar="URL", help="OpenWhisk.  [default: that of --data, WSK_APIHOST, ~/.wskprops]")
@click.option("--auth", metavar="KEY", help="Its key, uuid:secret.  [default: WSK_AUTH, then ~/.wskprops]")
def command(data: Path, apihost: str | None, auth: str | None) -> None:
    """Take everything the manifest made away again.

    The feed is told first, so that MinIO stops calling. Rows and objects stay.
    """
    from infra.cli import remote
    from infra.openwhisk import plan

    with explained():
        environ = remote.choose_environment(data, apihost, named=options.names_data())
        target = remote.find(apihost, auth, data, environ)
    with explained(), remote.connect(target) as whisk:
        plan.undeploy(whisk, target.auth, click.echo)
