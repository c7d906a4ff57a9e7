"""What the host says of itself, without being asked who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.host.activations.throttle import Quotas
from infra.host.assembly import Host
from infra.host.entities.limits import BOUNDS
from infra.host.entities.parameters import LIMIT_BYTES

DESCRIPTION = "OpenWhisk"
BUILD = "pixwhisk"


def root_document(host: Host) -> Mapping[str, Any]:
    """`GET /`: wskdeploy reads kinds and limits from it before anything else."""
    quotas = host.throttle.quotas
    return {
        "api_paths": ["/api/v1"],
        "description": DESCRIPTION,
        "support": {"github": "https://github.com/apache/openwhisk/issues"},
        "limits": {
            "actions_per_minute": quotas.invocations,
            "triggers_per_minute": quotas.fires,
            "concurrent_actions": quotas.concurrent,
            "sequence_length": 50,
            "min_action_duration": BOUNDS["timeout"].least,
            "max_action_duration": BOUNDS["timeout"].most,
            "min_action_memory": BOUNDS["memory"].least * 2**20,
            "max_action_memory": BOUNDS["memory"].most * 2**20,
            "min_action_logs": BOUNDS["logs"].least * 2**20,
            "max_action_logs": BOUNDS["logs"].most * 2**20,
            "max_action_payload": LIMIT_BYTES,
        },
        "runtimes": host.runtimes.document(),
    }


def api_document() -> Mapping[str, Any]:
    """`GET /api/v1`: what `wsk property get --all` shows."""
    return {
        "description": "OpenWhisk API",
        "api_version": "1.0.0",
        "api_version_path": "v1",
        "build": BUILD,
        "buildno": "0.2.0",
        "swagger_paths": {"ui": "/docs/index.html", "api-docs": "/api-docs"},
    }


def limits_document(quotas: Quotas) -> Mapping[str, Any]:
    """`GET /namespaces/_/limits`."""
    return {
        "invocationsPerMinute": quotas.invocations,
        "firesPerMinute": quotas.fires,
        "concurrentInvocations": quotas.concurrent,
        "maxActionMemory": BOUNDS["memory"].most,
        "maxActionTimeout": BOUNDS["timeout"].most,
        "maxActionLogs": BOUNDS["logs"].most,
        "maxActionConcurrency": BOUNDS["concurrency"].most,
        "maxActionInstances": quotas.concurrent,
        "minActionMemory": BOUNDS["memory"].least,
        "minActionTimeout": BOUNDS["timeout"].least,
        "minActionLogs": BOUNDS["logs"].least,
        "minActionConcurrency": BOUNDS["concurrency"].least,
        "maxParameterSize": f"{LIMIT_BYTES} B",
    }
