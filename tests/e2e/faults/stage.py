"""What the faults are done to: a deployment whose hooks come through a post office, and its processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil

from infra import paths
from tests.e2e.faults.hooks import Mode
from tests.fixtures.clock import Clock
from tests.fixtures.deployment import (
    Deployment,
    descendants,
    environment_of,
    eventually,
    free_ports,
    pixwhisk,
    working_in,
)

DEFAULT_QUOTAS = {"PIXWHISK_QUOTAS": "openwhisk"}


@dataclass
class Post:
    """The post office's process, from outside."""

    port: int
    upstream: str
    seed: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Returns once it takes hooks; it is faithful at first."""
        program = [sys.executable, "-m", "tests.e2e.faults.hooks", "--port", str(self.port)]
        self.process = subprocess.Popen([*program, "--upstream", self.upstream, "--seed", self.seed])
        eventually(self._answers, "the post office")

    def become(self, mode: Mode) -> None:
        httpx.put(f"{self.url}/mode", content=mode).raise_for_status()

    def score(self) -> dict[str, Any]:
        """What it did with how many hooks; nothing while it is closed."""
        return dict(httpx.get(f"{self.url}/score").json()) if self.process else {}

    def underway(self) -> int:
        """How many hooks it has taken and not passed on yet."""
        return int(self.score().get("underway", 0))

    def close(self) -> None:
        """From now on nobody listens there."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            return bool(self.score())
        except httpx.TransportError:
            return False


@dataclass
class Stage:
    """A deployment that is up, or should be. `settings` go to `up` with its environment; `models` are the directories
    of the active ones.

    While its post office is closed, `up` has MinIO fire the trigger itself.
    """

    deployment: Deployment
    post: Post
    settings: Mapping[str, str] = field(default_factory=dict)
    models: Sequence[Path] = ()
    # MinIO's, as users see it.
    clock: Clock = field(default_factory=Clock)
    # From when to when its own bucket was not subscribed: nobody told of what was done then.
    untold: list[tuple[float, float]] = field(default_factory=list)

    def up(self) -> None:
        """Start it (again), on the same ports."""
        through = {"PIXWHISK_TRIGGER_APIHOST": self.post.url} if self.post.process else {}
        environment = {**os.environ, **through, **self.settings}
        ports = ("--api-port", str(self.deployment.api_port), "--s3-port", str(self.deployment.s3_port))
        models = ("--model", os.pathsep.join(map(str, self.models))) if self.models else ()
        pixwhisk("up", "--detach", "--data", str(self.deployment.data), *ports, *models, env=environment)

    def model_names(self) -> Sequence[str]:
        """Who must have spoken about every object."""
        return [directory.name for directory in self.models or [paths.default_model()]]

    def containers(self) -> list[psutil.Process]:
        """Processes in which actions run."""
        return descendants(self.deployment.service("openwhisk"))

    def healthy(self) -> bool:
        return self.deployment.pixwhisk("status", check=False).returncode == 0


@contextlib.contextmanager
def staged(
    seed: str,
    *,
    directly: bool = False,
    models: Sequence[Path] = (),
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Stage]:
    """A deployment of its own, behind a post office unless `directly`.

    Afterwards nothing runs; after a failure its files are kept.
    """
    data = Path(tempfile.mkdtemp(prefix="px-"))
    api_port, s3_port, post_port = free_ports(3)
    post = Post(post_port, f"http://127.0.0.1:{api_port}", seed)
    stage = Stage(Deployment(data, {}, api_port, s3_port), post, settings, models)
    with _down_afterwards(stage):
        if not directly:
            post.open()
        stage.up()
        environment = environment_of(pixwhisk("env", "--data", str(data)).stdout)
        stage.deployment = Deployment(data, environment, api_port, s3_port)
        yield stage
    assert working_in(stage.deployment.data) == []
    shutil.rmtree(data)


@contextlib.contextmanager
def _down_afterwards(stage: Stage) -> Iterator[None]:
    data = stage.deployment.data
    try:
        yield
    except BaseException:
        print(f"the data directory is kept: {data}", file=sys.stderr)
        raise
    finally:
        pixwhisk("down", "--data", str(data), check=False)
        stage.post.close()


def versioned_bucket(stage: Stage, name: str) -> str:
    """A second bucket, with versioning, that notifies whom the deployment's own notifies."""
    s3 = stage.deployment.s3()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    subscribed = s3.get_bucket_notification_configuration(Bucket=stage.deployment.bucket)
    wanted = {"QueueConfigurations": subscribed["QueueConfigurations"]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=wanted)
    return name


def audited(stage: Stage, bucket: str, *arguments: str) -> dict[str, Any]:
    """`pixwhisk audit --json`; however young a difference is, it counts."""
    done = stage.deployment.pixwhisk("audit", "--json", "--grace", "0", "--bucket", bucket, *arguments, check=False)
    assert done.returncode in (0, 1), done.stderr
    return dict(json.loads(done.stdout))
