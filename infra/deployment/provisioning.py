"""What the services of a deployment must hold before it is of use: schema, users, bucket, entities, subscription."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from actions.causes import name_cause
from actions.classify.settings import directories
from actions.messages import ModelReference
from actions.minio_client import MinioException, S3Error
from infra import paths
from infra.audit.records import note_subscription
from infra.database import migrations
from infra.database.queries import connect
from infra.deployment.bursts import look_at_burst
from infra.deployment.consent import Consent
from infra.deployment.feeding import ObjectStoreFailed, ask_feed, store_client
from infra.deployment.links import restore_subscription, see_subscription
from infra.deployment.record import Deployment
from infra.deployment.variables import manifest_variables
from infra.errors import OperatorError
from infra.openwhisk import manifest, plan
from infra.openwhisk.client import Whisk, WhiskError
from infra.openwhisk.rights import Deployer, Unintended, find_unintended
from infra.openwhisk.warming import warm
from infra.reports import Report
from infra.services.minio_users import FEED, LISTENER, READER, User, UsersRefused, provide
from triggers.sweep.rule import RULE


class NotSetUp(OperatorError):
    """Something that set-up makes is not there."""


def provision(deployment: Deployment, report: Report, consent: Consent) -> None:
    """Database and store as the actions need them, side by side; then the actions. Somebody else's services are looked
    at before anything is changed: raises `Unintended` and `ForeignDatabase` for what needs consent there.
    """
    if deployment.external.apihost and not consent.force:
        _refuse_unintended(deployment)
    if deployment.external.database_url and not consent.use_database:
        migrations.refuse_foreign(deployment.database_url)
    with ThreadPoolExecutor(2) as workers:
        tasks = [workers.submit(_provision_database, deployment), workers.submit(_provision_store, deployment)]
        for task in tasks:
            task.result()
    with Whisk(deployment.apihost, deployment.auth) as whisk:
        if deployment.external.endpoint:
            deployment = _provide_targets(deployment, whisk, report, consent)
        # The feed's own code, here and now: as an action it would have to start first.
        read = functools.partial(_read_feed, deployment) if not deployment.external.endpoint else None
        wanted, state = plan.prepare(whisk, manifest_variables(deployment), read_feed=read)
        plan.apply(whisk, deployment.auth, plan.plan(wanted, state), report)
        # In an OpenWhisk of our own nobody else's sweep runs: whatever is noted was left behind.
        if look_at_burst(
            deployment.database_url, deployment.apihost, deployment.auth, whoever=not deployment.external.apihost
        ).mended:
            report(f"enabled rule {RULE}, which a sweep that is gone had left switched off")
        if deployment.external.apihost:
            migrations.activate_models(deployment.database_url, plan.find_serving_models(whisk))
        if read:
            _refresh_targets(deployment, whisk, wanted)
        _see_to_subscription(deployment)


def _see_to_subscription(deployment: Deployment) -> None:
    """The plan compares what the manifest says; the rest of a subscription may have been changed, or be old."""
    found = see_subscription(deployment)
    if found.state not in ("ok", None) and restore_subscription(deployment):
        found = see_subscription(deployment)
    with connect(deployment.database_url) as connection:
        note_subscription(connection, deployment.bucket, found.document, found.state)


def _provide_targets(deployment: Deployment, whisk: Whisk, report: Report, consent: Consent) -> Deployment:
    """The deployment by the names that its targets have there."""
    # Late: MinIO's administration is slow to import.
    from infra.deployment.sharing import provide_targets, settle_mark

    settled = settle_mark(deployment)
    if provide_targets(settled, whisk.namespace(), may_restart=consent.restart_minio):
        report(f"declared {settled.targets.fast} and {settled.targets.journal} in MinIO at {settled.endpoint}")
    return settled


def _refuse_unintended(deployment: Deployment) -> None:
    deployer = Deployer(deployment.database_url, deployment.credentials.access_key)
    with Whisk(deployment.apihost, deployment.auth) as whisk:
        wanted, state = plan.prepare(whisk, manifest_variables(deployment))
        if unintended := find_unintended(plan.plan(wanted, state), state, deployer):
            raise Unintended(unintended)


def warm_up(deployment: Deployment, report: Report) -> None:
    """Run the sequence once, on nothing, so that no container has to be prepared before the first upload is a row."""
    with Whisk(deployment.apihost, deployment.auth) as whisk:
        try:
            warm(whisk, 1)
        except WhiskError as error:
            report(f"the actions do not work yet: {error}")


def _read_feed(deployment: Deployment, feed: manifest.WantedFeed) -> Sequence[Mapping[str, Any]]:
    return ask_feed(deployment, feed.trigger, "READ")


def _refresh_targets(deployment: Deployment, whisk: Whisk, wanted: manifest.Wanted) -> None:
    """Triggers that others subscribed have webhook targets in MinIO's configuration: they follow our port."""
    ours = {feed.trigger for feed in wanted.feeds}
    for trigger in plan.find_fed_triggers(whisk, wanted.package):
        if trigger not in ours and ask_feed(deployment, trigger, "READ"):
            ask_feed(deployment, trigger, "UPDATE")


def models_of(deployment: Deployment) -> Sequence[ModelReference]:
    """Names and digests, from the models' cards. Raises `NotSetUp` when one is not there."""
    return [_reference(directory) for directory in directories(deployment.model_setting)]


def _reference(directory: Path) -> ModelReference:
    try:
        card = json.loads((directory / "card.json").read_bytes())
        return ModelReference(card["name"], card["digest"])
    except (OSError, ValueError, LookupError, TypeError):
        if directory == paths.default_model():
            raise NotSetUp("the model is not built yet: run `make setup`") from None
        raise NotSetUp(f"{directory} holds no card.json with a name and a digest: give --model another") from None


def _provision_database(deployment: Deployment) -> None:
    if not deployment.external.database_url:
        deployment.postgres.provision()
    migrations.migrate(deployment.database_url)
    if not deployment.external.apihost:
        migrations.activate_models(deployment.database_url, models_of(deployment))


def _provision_store(deployment: Deployment) -> None:
    try:
        if not deployment.external.endpoint:
            _make_users(deployment)
        client = store_client(deployment)
        if not client.bucket_exists(bucket_name=deployment.bucket):
            client.make_bucket(bucket_name=deployment.bucket)
    except S3Error as error:
        raise ObjectStoreFailed(
            f"MinIO at {deployment.endpoint} refuses bucket {deployment.bucket}: {error.message}"
        ) from None
    except UsersRefused as error:
        raise ObjectStoreFailed(str(error)) from None
    except (MinioException, HTTPError, OSError) as error:
        raise ObjectStoreFailed(f"MinIO at {deployment.endpoint} does not answer: {name_cause(error)}") from None
    except ValueError as error:
        raise ObjectStoreFailed(f"bucket {deployment.bucket}: {error}; choose another with --bucket") from None


def _make_users(deployment: Deployment) -> None:
    users = (
        User("pixwhisk-classify", READER, deployment.reader),
        User("pixwhisk-feed", FEED, deployment.feeder),
        User("pixwhisk-sweep", LISTENER, deployment.listener),
    )
    provide(deployment.endpoint, deployment.credentials, users, deployment.data / "minio" / "users")
