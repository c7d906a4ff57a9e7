"""Commands in a shell in which a live deployment's variables are set: nothing of that deployment changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.cli import bench
from tests.fixtures.deployment import Deployment, environment_of, eventually, free_ports, pixwhisk, working_in


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory that is not the live deployment's, with a short name for sockets."""
    made = Path(tempfile.mkdtemp(prefix="px-"))
    yield made
    pixwhisk("down", "--data", str(made / "data"), check=False)
    shutil.rmtree(made)


@pytest.fixture
def loaded(deployment: Deployment) -> Mapping[str, str]:
    """The environment of a shell after `eval "$(pixwhisk env)"`."""
    return {**os.environ, **environment_of(deployment.pixwhisk("env").stdout)}


@pytest.fixture(autouse=True)
def untouched(deployment: Deployment) -> Iterator[None]:
    """Entities with their versions and bindings, subscription, objects and rows are afterwards what they were."""
    become_quiet(deployment)
    before = state_of(deployment)
    yield
    assert state_of(deployment) == before


def become_quiet(deployment: Deployment) -> None:
    """Wait until what others uploaded has been told of in full, and is done."""

    def quiet() -> bool:
        queued = [path for path in (deployment.data / "minio/journal").rglob("*") if path.is_file()]
        return not queued and not deployment.query("SELECT FROM work WHERE state = 'pending' LIMIT 1")

    eventually(quiet, "no event in MinIO's queue, and nothing pending")


def state_of(deployment: Deployment) -> dict[str, Any]:
    key, secret = deployment.environment["WSK_AUTH"].split(":", 1)
    base = f"{deployment.environment['WSK_APIHOST']}/api/v1/namespaces/_/"
    with httpx.Client(base_url=base, auth=httpx.BasicAuth(key, secret)) as whisk:
        listed = {name: whisk.get(name).json() for name in ("packages", "triggers", "rules", "actions")}
        actions = {each["name"]: whisk.get(f"actions/pixwhisk/{each['name']}").json() for each in listed["actions"]}
    notifications = deployment.s3().get_bucket_notification_configuration(Bucket=deployment.bucket)
    return {
        "entities": listed,
        "actions": actions,
        "subscriptions": notifications["QueueConfigurations"],
        "buckets": [each["Name"] for each in deployment.s3().list_buckets()["Buckets"]],
        "objects": deployment.s3().list_objects_v2(Bucket=deployment.bucket)["KeyCount"],
        "rows": deployment.query("SELECT count(*) AS count, max(stored_at) AS newest FROM results"),
        "models": deployment.query("SELECT models::text FROM models ORDER BY id"),
        "inbox": deployment.query("SELECT count(*) AS count FROM inbox"),
    }


def test_the_demo_uses_services_of_its_own(loaded: Mapping[str, str], elsewhere: Path) -> None:
    """Every photo becomes a row, in a deployment that is gone when it ends."""
    shown = pixwhisk("demo", "--data", str(elsewhere / "data"), env=loaded, cwd=elsewhere)
    assert "espresso" in shown.stdout
    assert working_in(elsewhere) == []


def test_the_bench_measures_a_deployment_of_its_own(loaded: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --data, whatever the environment names."""
    for name, value in loaded.items():
        monkeypatch.setenv(name, value)
    with bench._deployed(None) as (measured, _):
        addresses = {measured.apihost, measured.endpoint, measured.database_url}
    assert not addresses & set(loaded.values())


def test_status_only_looks(loaded: Mapping[str, str], elsewhere: Path) -> None:
    """Of the deployment that the environment names."""
    assert pixwhisk("status", env=loaded, cwd=elsewhere).stdout.startswith("healthy")
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("left", [(), ("DATABASE_URL",), ("AWS_ENDPOINT_URL_S3", "DATABASE_URL")], ids=len)
def test_up_in_another_directory_says_what_it_would_use_and_is_refused(
    loaded: Mapping[str, str], elsewhere: Path, left: tuple[str, ...]
) -> None:
    """Every action would get more rights, or another service; nothing goes on running."""
    ports = [str(port) for port in free_ports(2)]
    environment = {name: value for name, value in loaded.items() if name not in left}
    data = ("--data", str(elsewhere / "data"), "--api-port", ports[0], "--s3-port", ports[1])
    refused = pixwhisk("up", *data, env=environment, cwd=elsewhere, check=False)
    assert refused.returncode == 1
    assert f"using OpenWhisk at {loaded['WSK_APIHOST']}, which WSK_APIHOST names" in refused.stdout
    assert "action pixwhisk/store: DATABASE_URL would be " in refused.stderr
    assert "--force" in refused.stderr
    assert working_in(elsewhere) == []


def test_deploying_from_another_directory_is_refused_and_a_dry_run_says_why(
    loaded: Mapping[str, str], elsewhere: Path
) -> None:
    """First of all that it says; with no secret in it."""
    data = ("--data", str(elsewhere / "data"))
    refused = pixwhisk("deploy", *data, env=loaded, cwd=elsewhere, check=False)
    assert refused.returncode == 1
    dry = pixwhisk("deploy", "--dry-run", *data, env=loaded, cwd=elsewhere).stdout.splitlines()
    needed = [line for line in dry if line.startswith("would need --force: ")]
    assert dry[: len(needed)] == needed
    assert len(needed) > 5
    assert all(line.removeprefix("would need --force: ") in refused.stderr for line in needed)
    assert loaded["AWS_SECRET_ACCESS_KEY"] not in refused.stderr + "".join(dry)
