"""One deployment: which services it uses, and where; kept in its data directory.

`DATA/deployment.json` says what is not secret, `DATA/secrets/` (files 0600) what is. A service named in the environment
(`DATABASE_URL`, `AWS_ENDPOINT_URL_S3`, `WSK_APIHOST`) is used instead of the embedded one. Only `establish` writes:
whatever else looks at a deployment leaves the directory as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import paths
from infra.deployment.ambient import drop_ambient
from infra.deployment.external import GROUPS, NAMES, External
from infra.deployment.ownership import check_ownership
from infra.deployment.secrets import DeploymentSecrets
from infra.deployment.target_names import TargetNames, make_mark, name_targets, read_mark
from infra.errors import OperatorError
from infra.files import write_private
from infra.services.kept import SecretMissing
from infra.services.minio import Credentials
from infra.services.postgres import OWNER, Postgres, Role

API_PORT, S3_PORT, BUCKET = 3233, 9000, "images"
AUDIT_EVERY = "1h"
TRIGGER = "image-uploaded"
RECORD = "deployment.json"
# What `up` was told or made, and the next one need not be told again.
_RECORDED = ("api_port", "s3_port", "bucket", "model", "mark", "audit_every")


class NoDeployment(OperatorError):
    """There is nothing in the data directory, and the environment does not name the service either."""


@dataclass(frozen=True)
class Deployment:
    """Ports, bucket and models as recorded; everything else follows from them, the secrets, and `external`.

    An attribute that is or holds a secret raises `SecretMissing` where `establish` never was.
    """

    data: Path
    api_port: int = API_PORT
    s3_port: int = S3_PORT
    bucket: str = BUCKET
    # As `PIXWHISK_MODEL` has it; empty: the default model.
    model: str = ""
    # What tells it from others, on a MinIO that is not its own.
    mark: str = ""
    # How long after one audit the next is, as people type it; or `never`.
    audit_every: str = AUDIT_EVERY
    # As `PIXWHISK_JOURNAL_TARGET` has it, where nothing was ever started here.
    journal: str | None = None
    external: External = field(default_factory=External)
    # False where nothing was ever started here: then only `external` services can be meant.
    embedded: bool = True

    @property
    def secrets(self) -> DeploymentSecrets:
        return DeploymentSecrets(self.data / "secrets")

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.data)

    @property
    def model_setting(self) -> str:
        """`PIXWHISK_MODEL` of the embedded host and of `classify` there."""
        return self.model or str(paths.default_model())

    @property
    def database_url(self) -> str:
        """Of the schema's owner."""
        return self.database_url_of(OWNER)

    def database_url_of(self, role: Role) -> str:
        """With the rights of a part of the product alone; an operator's own database has one URL for all."""
        return self.external.database_url or self._own("DATABASE_URL").postgres.database_url(role)

    @property
    def endpoint(self) -> str:
        return self.external.endpoint or f"http://127.0.0.1:{self._own('AWS_ENDPOINT_URL_S3').s3_port}"

    @property
    def credentials(self) -> Credentials:
        """Of the store, for people and for making buckets: the embedded MinIO's root, or the operator's."""
        return self.external.credentials or self._own("AWS_ACCESS_KEY_ID").secrets.credentials("root")

    @property
    def reader(self) -> Credentials:
        """Of `classify` and `view`."""
        return self.external.credentials or self._own("AWS_ACCESS_KEY_ID").secrets.credentials("classify")

    @property
    def feeder(self) -> Credentials:
        """Of the feed."""
        return self.external.credentials or self._own("AWS_ACCESS_KEY_ID").secrets.credentials("feed")

    @property
    def listener(self) -> Credentials:
        """Of the sweep, which hears of uploads."""
        return self.external.credentials or self._own("AWS_ACCESS_KEY_ID").secrets.credentials("sweep")

    @property
    def apihost(self) -> str:
        return self.external.apihost or f"http://127.0.0.1:{self._own('WSK_APIHOST').api_port}"

    @property
    def trigger_apihost(self) -> str:
        """Where MinIO fires triggers."""
        return self.external.trigger_apihost or self.apihost

    @property
    def auth(self) -> str:
        return self.external.auth or self._own("WSK_AUTH").secrets.auth

    @property
    def namespace(self) -> str:
        return "_" if self.external.apihost else "guest"

    @property
    def page(self) -> str:
        """Where a browser finds the results."""
        return f"{self.apihost}/api/v1/web/guest/pixwhisk/view"

    @property
    def targets(self) -> TargetNames:
        """What MinIO's two targets of this deployment are called."""
        return TargetNames(self.mark if self.external.endpoint else "", self.journal)

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def wskprops(self) -> Path:
        """`WSK_CONFIG_FILE`, 0600, which holds a key."""
        return self.data / "wskprops"

    def _own(self, variable: str) -> Deployment:
        if not self.embedded:
            raise NoDeployment(f"{variable} is not set, and {self.data} holds no deployment: set it, or `pixwhisk up`")
        return self


def is_recorded(data: Path) -> bool:
    """Whether a deployment was started there, now or ever."""
    return (data / RECORD).is_file()


def choose_deployment(data: Path, environ: Mapping[str, str] = os.environ, **flags: Any) -> Deployment:
    """The deployment to start: `flags` (None: not given) over what is recorded over the defaults.

    What `pixwhisk env` printed for this very deployment names its embedded services, not somebody's own. This process
    forgets what else its own environment says of how to reach those. Raises `NotPrivate`.
    """
    check_ownership(data)
    recorded = _read_recorded(data)
    settings = recorded | {name: value for name, value in flags.items() if value is not None}
    external = External.from_env(_outside(data, environ))
    settings["mark"] = _choose_mark(data, recorded, environ)
    drop_ambient(external)
    return Deployment(data, **settings, external=external)


def find_deployment(data: Path, environ: Mapping[str, str] = os.environ) -> Deployment:
    """The deployment that was started here, for commands that start nothing. Raises `NoDeployment` if there is none
    and the environment names no service either. Forgets as `choose_deployment` does. Raises `NotPrivate`.
    """
    check_ownership(data)
    recorded = _read_recorded(data)
    external = External.from_env({**_json(data / "secrets" / "external.json"), **_outside(data, environ)})
    if not recorded and not (external.database_url or external.endpoint or external.apihost):
        raise NoDeployment(f"{data} holds no deployment: start one with `pixwhisk up`, or name another with --data")
    drop_ambient(external)
    return Deployment(data, **(recorded or _read_named(environ)), external=external, embedded=bool(recorded))


def establish(deployment: Deployment) -> None:
    """Make what the deployment reads ever after: its secrets, unless they are there, and what later commands need to
    know. Only whoever holds the data directory may, for two at once would each hand out secrets of their own.
    """
    external = deployment.external
    if not external.database_url:
        deployment.postgres.make_secrets()
    if not external.endpoint:
        deployment.secrets.make_credentials()
    if not external.apihost:
        deployment.secrets.make_auth()
    write_private(deployment.data / "secrets" / "external.json", json.dumps(external.dump()))
    write_private(
        deployment.wskprops,
        f"APIHOST={deployment.apihost}\nAUTH={deployment.auth}\nNAMESPACE={deployment.namespace}\n",
    )
    # Last: with this file there, commands take the others for granted.
    _record(deployment)


def record_models(deployment: Deployment, model: str) -> Deployment:
    """The same deployment with other models, from now on and at its next start."""
    return _record(dataclasses.replace(deployment, model=model))


def record_mark(deployment: Deployment, mark: str) -> Deployment:
    """The same deployment with another mark, from now on."""
    return _record(dataclasses.replace(deployment, mark=mark))


def _record(changed: Deployment) -> Deployment:
    recorded = {name: getattr(changed, name) for name in _RECORDED}
    write_private(changed.data / RECORD, json.dumps(recorded, indent=1))
    return changed


def _choose_mark(data: Path, recorded: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """As the environment says, or as it was, or a new one. Who used another's MinIO before there were marks did so by
    the names without one, which an operator has declared there.
    """
    if (named := read_mark(environ)) is not None:
        return named
    if recorded and "mark" not in recorded:
        before = External.from_env(_json(data / "secrets" / "external.json"))
        return "" if before.endpoint else make_mark()
    return str(recorded.get("mark") or "") if recorded else make_mark()


def _read_named(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment says of a deployment that was not started here."""
    names = name_targets(environ)
    named: dict[str, Any] = {"mark": names.mark, "journal": names.journal_named}
    return named | ({"bucket": environ["PIXWHISK_BUCKET"]} if environ.get("PIXWHISK_BUCKET") else {})


def _outside(data: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that name services of somebody's own, and how MinIO reaches ours."""
    named = {name: environ[name] for name in (*NAMES, "PIXWHISK_TRIGGER_APIHOST") if environ.get(name)}
    if "DATABASE_URL" not in named:
        # The database that is recorded has its schema; an embedded one is ours as a whole.
        named.pop("PIXWHISK_SCHEMA", None)
    if not (recorded := _read_recorded(data)):
        return named
    ours = _addresses(Deployment(data, **recorded))
    for group in GROUPS:
        if group[0] in named and named[group[0]] == ours.get(group[0]):
            named = {name: value for name, value in named.items() if name not in group}
    return named


def _addresses(ours: Deployment) -> dict[str, str]:
    """Where the embedded services are, by the variable that would name them."""
    found = {"AWS_ENDPOINT_URL_S3": ours.endpoint, "WSK_APIHOST": ours.apihost}
    # A database that was never ours has no password, and no URL that could be meant.
    with contextlib.suppress(SecretMissing):
        found["DATABASE_URL"] = ours.database_url
    return found


def _read_recorded(data: Path) -> dict[str, Any]:
    found = _json(data / RECORD)
    return {name: found[name] for name in _RECORDED if name in found}


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        return {}
