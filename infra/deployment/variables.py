"""The variables in which a deployment tells others where it is: shells and clients, and the manifest's actions."""

from __future__ import annotations

from infra.deployment.record import Deployment
from infra.services.kept import SecretMissing


def wsk_variables(deployment: Deployment) -> dict[str, str]:
    """Where `wsk` finds its property file; nothing where none was started here, for then `~/.wskprops` is meant."""
    if not deployment.embedded:
        return {}
    if not deployment.wskprops.is_file():
        raise SecretMissing(f"{deployment.wskprops} is not there: `pixwhisk up` makes it")
    return {"WSK_CONFIG_FILE": str(deployment.wskprops)}


def export_variables(deployment: Deployment) -> dict[str, str]:
    """Addresses and keys for shells and clients; some of it is secret."""
    return {
        "WSK_APIHOST": deployment.apihost,
        "WSK_AUTH": deployment.auth,
        "DATABASE_URL": deployment.database_url,
        "AWS_ENDPOINT_URL_S3": deployment.endpoint,
        "AWS_ACCESS_KEY_ID": deployment.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": deployment.credentials.secret_key,
        "PIXWHISK_BUCKET": deployment.bucket,
    }


def manifest_variables(deployment: Deployment) -> dict[str, str]:
    """What `infra/manifest.yaml` is filled in with: least privilege where the services are ours."""
    return {
        "AWS_ENDPOINT_URL_S3": deployment.endpoint,
        "PIXWHISK_CLASSIFY_ACCESS_KEY_ID": deployment.reader.access_key,
        "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY": deployment.reader.secret_key,
        "PIXWHISK_FEED_ACCESS_KEY_ID": deployment.feeder.access_key,
        "PIXWHISK_FEED_SECRET_ACCESS_KEY": deployment.feeder.secret_key,
        "PIXWHISK_STORE_DATABASE_URL": deployment.database_url_of("pixwhisk_store"),
        "PIXWHISK_VIEW_DATABASE_URL": deployment.database_url_of("pixwhisk_view"),
        "PIXWHISK_SWEEP_DATABASE_URL": deployment.database_url_of("pixwhisk_sweep"),
        "PIXWHISK_TRIGGER_APIHOST": deployment.trigger_apihost,
        **deployment.targets.variables(),
        # Restarting somebody else's MinIO is not ours to do.
        "PIXWHISK_DECLARE_TARGETS": "" if deployment.external.endpoint else "on",
        "PIXWHISK_BUCKET": deployment.bucket,
        # Somebody else's OpenWhisk has the model in its image.
        **({} if deployment.external.apihost else {"PIXWHISK_MODEL": deployment.model_setting}),
    }
