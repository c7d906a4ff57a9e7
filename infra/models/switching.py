"""Other models for a running deployment: without a stop, and nothing is lost or given to the wrong one.

First the action, so that what comes is classified by the new models; then the table that says who must have an outcome.
What a container that was at work before still stores goes under its own model, and is pending until the new ones have
spoken about it, too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from infra.database import migrations
from infra.deployment.provisioning import models_of
from infra.deployment.record import Deployment, record_models
from infra.deployment.variables import manifest_variables
from infra.models.installed import BadModel, InstalledModel
from infra.openwhisk import plan
from infra.openwhisk.client import Whisk
from infra.reports import Report


def use_models(deployment: Deployment, models: Sequence[InstalledModel], report: Report) -> None:
    """Make exactly these the active models, in this order. Raises `BadModel` where the OpenWhisk is somebody else's."""
    if deployment.external.apihost:
        raise BadModel(
            "the models of somebody else's OpenWhisk are in its image:"
            " `PIXWHISK_MODEL=/path/in/image pixwhisk deploy` switches there"
        )
    changed = record_models(deployment, os.pathsep.join(str(each.directory) for each in models))
    with Whisk(changed.apihost, changed.auth) as whisk:
        wanted, state = plan.prepare(whisk, manifest_variables(changed), read_feed=None)
        plan.apply(whisk, changed.auth, plan.plan(wanted, state), report)
    migrations.activate_models(changed.database_url, models_of(changed))
