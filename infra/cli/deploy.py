"""`pixwhisk deploy`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli import options
from infra.cli.failures import explained
from infra.cli.wording import examples

if TYPE_CHECKING:
    from infra.cli.remote import Remote
    from infra.openwhisk.client import Whisk

# Of each invoker. The memory must be the actions' own.
STEM_CELLS, MEGABYTES_STEM_CELL = 2, 128


@click.command(
    epilog=examples("pixwhisk deploy --dry-run", 'pixwhisk deploy --apihost https://whisk.example.org --auth "$KEY"')
)
@options.data
@click.option("--apihost", metavar="URL", help="OpenWhisk.  [default: that of --data, WSK_APIHOST, ~/.wskprops]")
@click.option("--auth", metavar="KEY", help="Its key, uuid:secret.  [default: WSK_AUTH, then ~/.wskprops]")
@click.option("--image", metavar="NAME", help="The runtime image, with tag, instead of the manifest's.")
@click.option("--kind", metavar="NAME", help="A kind the operator declared for the runtime, instead of an image.")
@click.option(
    "--warm",
    metavar="N",
    type=click.IntRange(0, 64),
    default=2,
    show_default=True,
    help="Containers to have ready of classify and store after their change: as many as OpenWhisk has cores for them.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would change; secrets are not shown.")
@options.force
@options.use_database
def command(
    *,
    data: Path,
    apihost: str | None,
    auth: str | None,
    image: str | None,
    kind: str | None,
    warm: int,
    dry_run: bool,
    force: bool,
    use_database: bool,
) -> None:
    """Bring any OpenWhisk to what the manifest wants.

    Changes only what differs. Actions are bound to the deployment in --data if there is one, else to
    AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and DATABASE_URL; PIXWHISK_CLASSIFY_ACCESS_KEY_ID,
    PIXWHISK_STORE_DATABASE_URL and the like give a part its own. The database that DATABASE_URL names is migrated
    first, and told in the end which models are active: those of the deployed `classify`.
    """
    if image and kind:
        raise click.UsageError("--image and --kind exclude each other")
    from infra.cli import remote
    from infra.cli.migrate import migration
    from infra.openwhisk import manifest, plan, warming
    from infra.openwhisk.manifest import WantedRuntime
    from infra.openwhisk.rights import Unintended, find_unintended

    with explained():
        environ = remote.choose_environment(data, apihost, named=options.names_data())
        target = remote.find(apihost, auth, data, environ)
        url = remote.database_url(data, environ)
    with explained(), remote.connect(target) as whisk:
        wanted, state = plan.prepare(whisk, remote.variables(data, target, environ), WantedRuntime(image, kind))
        changes = plan.plan(wanted, state)
        # First, before anything is changed and above whatever else a dry run says.
        unintended = find_unintended(changes, state, remote.deployer(data, environ))
        if unintended and not (dry_run or force):
            raise Unintended(unintended)
        for line in () if force else unintended:
            click.echo(f"would need --force: {line}")
        migrated = migration(url, dry_run=dry_run, grants=False, use_foreign=use_database) if url else None
        if migrated:
            click.echo(migrated)
        if kind:
            click.echo('# for the operator\'s runtimes.json, beside what its list "python" holds')
            click.echo(json.dumps(runtimes_snippet(kind, manifest.image()), indent=2))
            click.echo(
                f"# for which its pool (userMemory) needs {STEM_CELLS * MEGABYTES_STEM_CELL} MB more on each invoker"
            )
        changed = False
        if dry_run:
            for change in changes:
                click.echo(f"would {change}")
        else:
            plan.apply(whisk, target.auth, changes, click.echo)
            if warm and warming.RUNS & {change.name for change in changes}:
                _warm(whisk, warm)
            changed = url is not None and _complete(whisk, url, target)
    if not (changes or migrated or changed):
        click.echo("nothing to change")


def _warm(whisk: Whisk, containers: int) -> None:
    from infra.openwhisk.client import WhiskError
    from infra.openwhisk.warming import warm

    try:
        seconds = warm(whisk, containers)
    except WhiskError as error:
        click.echo(f"the actions do not work yet: {error}", err=True)
    else:
        click.echo(f"warmed {containers} of classify and {containers} of store in {seconds:.1f} s")


def _complete(whisk: Whisk, url: str, target: Remote) -> bool:
    """What the database has to do with it. True if that changed anything."""
    from infra.deployment.bursts import look_at_burst

    activated = _activate_models(whisk, url)
    mended = look_at_burst(url, target.apihost, target.auth).mended
    if mended:
        click.echo("enabled rule classify-uploads, which a sweep that is gone had left switched off")
    return activated or mended


def _activate_models(whisk: Whisk, url: str) -> bool:
    """Make the models that now serve the active ones. True if that changed anything."""
    from infra.database import migrations
    from infra.openwhisk import plan
    from infra.openwhisk.client import WhiskError

    try:
        models = plan.find_serving_models(whisk)
    except WhiskError as error:
        click.echo(f"active models stay as they were: {error}", err=True)
        return False
    changed = migrations.activate_models(url, models)
    if changed:
        click.echo(f"active models: {', '.join(each.name for each in models)}")
    return changed


def runtimes_snippet(kind: str, image: str) -> dict[str, Any]:
    """How an operator declares the runtime as a kind with stem cells of exactly the actions' memory."""
    prefix, _, rest = image.rpartition("/")
    name, _, tag = rest.partition(":")
    described = {
        "kind": kind,
        "default": False,
        "image": {"prefix": prefix, "name": name, "tag": tag or "latest"},
        "attached": {"attachmentName": "codefile", "attachmentType": "text/plain"},
        "stemCells": [{"initialCount": STEM_CELLS, "memory": f"{MEGABYTES_STEM_CELL} MB"}],
    }
    return {"runtimes": {"python": [described]}}
