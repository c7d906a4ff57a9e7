"""Whether a deployment's services answer, and what they have to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import psycopg

from actions.causes import name_cause
from actions.messages import ModelReference
from infra.audit.records import Standing, read_standing
from infra.database.queries import OutcomeCounts, connect, counts
from infra.database.refusal import first_line, is_refused
from infra.deployment.bursts import look_at_burst
from infra.deployment.record import Deployment
from infra.models.installed import read_backbones
from infra.services import lock
from infra.services.probe import ask_status
from triggers.sweep.rule import RULE

if TYPE_CHECKING:
    from infra.openwhisk.client import Whisk

TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """`services` says `ok`, or why not, by service; `counts` is None where the database cannot say.

    `embedded`: some of it is ours to start; then `holder` is whoever has.
    """

    embedded: bool
    holder: lock.Holder | None
    services: Mapping[str, str]
    counts: OutcomeCounts | None
    # Whether MinIO tells us of the bucket's uploads: `ok`, or why not; None where it cannot be seen.
    subscription: str | None = None
    # By the audits; None where the database cannot say. `overdue`: none was clean within the operator's own limit.
    standing: Standing | None = None
    overdue: bool = False
    # Since when uploads go by batch, as they come faster than one by one would do; None: by their events.
    burst: datetime | None = None
    # A sweep that is gone had left the rule switched off; that is mended now.
    mended: bool = False

    @property
    def healthy(self) -> bool:
        answer = all(state == "ok" for state in self.services.values())
        return answer and self.subscription in ("ok", None) and not self.overdue


def examine(deployment: Deployment, audited_within: timedelta | None = None) -> Health:
    """Ask each service once, with the deployment's own keys; none is waited for longer than a few seconds.

    `audited_within` is how long ago the last clean audit may be.
    """
    database, found, standing = _database(deployment)
    burst = look_at_burst(deployment.database_url, deployment.apihost, deployment.auth)
    openwhisk = _openwhisk(deployment, by_batch=burst.since is not None, active=_find_active(found))
    services = {"postgres": database, "minio": _object_store(deployment), "openwhisk": openwhisk}
    return Health(
        embedded=deployment.embedded,
        holder=lock.holder(deployment.data),
        services=services,
        counts=found,
        subscription=_subscription(deployment) if services["minio"] == "ok" else None,
        standing=standing,
        overdue=standing is not None and standing.overdue(audited_within),
        burst=burst.since,
        mended=burst.mended,
    )


def _database(deployment: Deployment) -> tuple[str, OutcomeCounts | None, Standing | None]:
    try:
        with connect(deployment.database_url) as connection:
            return "ok", counts(connection, read_backbones()), read_standing(connection, deployment.bucket)
    except psycopg.Error as error:
        return f"refuses: {first_line(error)}" if is_refused(error) else "does not answer", None, None


def _object_store(deployment: Deployment) -> str:
    """With the deployment's own key, whether the bucket is there."""
    # Late: the client takes longer to import than a service that is away takes to say so.
    from urllib3.exceptions import HTTPError

    from actions.minio_client import MinioException, S3Error
    from infra.deployment.feeding import store_client

    status = ask_status(deployment.endpoint, timeout=TIMEOUT)
    if status is None and not deployment.endpoint.startswith("https:"):
        return "does not answer"
    try:
        found = store_client(deployment).bucket_exists(bucket_name=deployment.bucket)
    except S3Error as error:
        return f"refuses our key: {error.code}"
    except (MinioException, HTTPError, OSError) as error:
        # What keeps TLS from coming about, only the client says.
        if status is None:
            return f"does not answer: {name_cause(error)}"
        return f"answers {status}, and not as an object store does"
    return "ok" if found else f"has no bucket {deployment.bucket}"


def _subscription(deployment: Deployment) -> str | None:
    from infra.deployment.links import examine_subscription

    return examine_subscription(deployment)


def _find_active(found: OutcomeCounts | None) -> Collection[ModelReference]:
    """None are known where the database cannot say."""
    return [ModelReference(each.name, each.digest) for each in found.models if each.active] if found else []


def _openwhisk(deployment: Deployment, *, by_batch: bool, active: Collection[ModelReference]) -> str:
    """With the deployment's own key, whether it has a namespace for us, and passes uploads on there to what it should
    run.
    """
    from infra.openwhisk.client import Unauthorized, Unreachable, Whisk, WhiskError

    if ask_status(deployment.apihost, timeout=TIMEOUT) is None and not deployment.apihost.startswith("https:"):
        return "does not answer"
    try:
        with Whisk(deployment.apihost, deployment.auth) as whisk:
            whisk.namespace()
            return (
                _describe_passing(whisk, by_batch=by_batch) or _describe_actions(whisk, active, busy=by_batch) or "ok"
            )
    except Unauthorized:
        return "refuses our key"
    except Unreachable as error:
        return error.why
    except WhiskError as error:
        return f"refuses: {error}"


def _describe_actions(whisk: Whisk, active: Collection[ModelReference], *, busy: bool) -> str | None:
    """In a burst `classify` has better things to do than to say its models."""
    from infra.openwhisk.deployed import describe_code, describe_models

    return describe_code(whisk) or (describe_models(whisk, active) if active and not busy else None)


def _describe_passing(whisk: Whisk, *, by_batch: bool) -> str | None:
    rule = whisk.get("rules", RULE)
    if rule is None:
        return f"has no rule {RULE}: `pixwhisk deploy`"
    if rule["status"] != "active" and not by_batch:
        return f"brings no upload at once, as its rule {RULE} is inactive: `wsk rule enable {RULE}`"
    return None
