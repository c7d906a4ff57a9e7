"""Webhook targets that the feed itself keeps in MinIO's configuration: one for each trigger that names no other.

MinIO reads its targets at start only, so a new one costs a restart of the server (in place, about half a second, the
journal loses nothing). The feed does it only when the target is new or was changed, and only where it may
(`PIXWHISK_DECLARE_TARGETS`, and a MinIO user with `admin:ConfigUpdate` and `admin:ServiceRestart`), as in an embedded
deployment; elsewhere the operator declares targets and callers name one as `target`.
"""

from __future__ import annotations

import base64
from typing import Protocol
from urllib.parse import quote

from minio.error import MinioAdminException

from actions.errors import BadSettings
from actions.settings import api_url
from triggers.feed.request import FedTrigger


class Administration(Protocol):
    """The part of `minio.MinioAdmin` used here."""

    def config_get(self, key: str | None = None) -> str: ...

    def config_set(self, key: str, config: dict[str, str] | None = None) -> str: ...

    def config_reset(self, key: str, name: str | None = None) -> str: ...

    def service_restart(self) -> str: ...


def trigger_url(apihost: str, trigger: FedTrigger) -> str:
    """Where MinIO posts an event to fire a trigger."""
    namespace, name = quote(trigger.namespace, safe=""), quote(trigger.name, safe="")
    return f"{api_url(apihost)}/api/v1/namespaces/{namespace}/triggers/{name}"


def configuration(endpoint: str, key: str) -> dict[str, str]:
    """A webhook target's settings. The token has two words, so MinIO sends it verbatim."""
    token = base64.b64encode(key.encode()).decode()
    return {"enable": "on", "endpoint": endpoint, "auth_token": f'"Basic {token}"'}


def declare(administration: Administration, target: str, wanted: dict[str, str]) -> bool:
    """Make MinIO know `target` as `wanted`. True if it restarts for that, in a moment."""
    name = f"notify_webhook:{target}"
    try:
        if _is_declared(administration, name, wanted):
            return False
        administration.config_set(name, wanted)
        administration.service_restart()
    except MinioAdminException as refused:
        raise BadSettings(advice(target, str(refused).partition(",")[0])) from None
    return True


def forget(administration: Administration, target: str) -> None:
    """Drop a target from the configuration; MinIO keeps it, unused, until it next starts."""
    try:
        administration.config_reset("notify_webhook", target)
    except MinioAdminException:
        # Not there, or not ours to change: either way nothing listens to it any more.
        return


def _is_declared(administration: Administration, name: str, wanted: dict[str, str]) -> bool:
    try:
        line = administration.config_get(name)
    except (MinioAdminException, UnboundLocalError):
        # The library (7.2.20) turns any refusal here into the second: its clean-up trips over the missing answer.
        return False
    return all(f"{setting}={value}" in line for setting, value in wanted.items() if setting != "enable")


def advice(target: str, why: str) -> str:
    """What to do where the feed cannot declare a target itself."""
    return (
        f"MinIO has no webhook target {target}, and the feed did not declare it ({why}): declare one with "
        f"`mc admin config set ALIAS notify_webhook:NAME endpoint=… auth_token=…`, restart it, and pass -p target NAME"
    )
