"""The command line as a user runs it: up, down, twice, in the way of others, killed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from infra import paths
from infra.cli.demo import PHOTOS
from tests.e2e.test_main_job import COFFEE, wait_for
from tests.fixtures.deployment import (
    DEADLINE,
    PIXWHISK,
    Deployment,
    eventually,
    free_ports,
    pixwhisk,
    start,
    working_in,
)


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory with a short name, for a socket lies in it; whatever still runs there is stopped."""
    made = Path(tempfile.mkdtemp(prefix="px-"))
    yield made
    pixwhisk("down", "--data", str(made), check=False)
    shutil.rmtree(made)


def put(deployment: Deployment, key: str) -> None:
    answer = deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=COFFEE.read_bytes())
    wait_for(deployment, key, answer["ETag"])


def test_what_was_there_is_there_after_a_restart(directory: Path) -> None:
    """Rows, entities and subscription survive down and up; nothing is deployed anew; no process is left in between."""
    first = start(directory)
    put(first, "before.png")
    assert pixwhisk("down", "--data", str(directory)).stdout == "stopped\n"
    assert working_in(directory) == []
    up = pixwhisk("up", "--detach", "--data", str(directory)).stdout
    assert not [line for line in up.splitlines() if line.startswith(("created", "updated", "subscribed"))]
    assert len(first.rows("before.png")) == 1
    put(first, "after.png")


def test_a_second_up_says_who_holds_the_directory(deployment: Deployment) -> None:
    """It exits 1 with one line that names the process and since when."""
    second = deployment.pixwhisk("up", "--detach", check=False)
    holder = json.loads(deployment.pixwhisk("status", "--json").stdout)["up"]
    assert second.returncode == 1
    assert f"in use by process {holder['pid']}, since " in second.stderr
    assert len(second.stderr.splitlines()) == 1


def test_a_taken_port_is_an_error_that_names_the_flag(directory: Path) -> None:
    """Nothing is started beside a stranger on our port."""
    api_port, s3_port = free_ports(2)
    with socket.create_server(("127.0.0.1", s3_port)):
        ports = ("--api-port", str(api_port), "--s3-port", str(s3_port))
        refused = pixwhisk("up", "--data", str(directory), *ports, check=False)
    assert refused.returncode == 1
    assert f"port {s3_port} is taken" in refused.stderr
    assert "--s3-port" in refused.stderr
    assert working_in(directory) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_cleanly(directory: Path, number: signal.Signals) -> None:
    """In the foreground, SIGTERM and Ctrl-C stop all: exit 0, no process left."""
    api_port, s3_port = free_ports(2)
    ports = ("--api-port", str(api_port), "--s3-port", str(s3_port))
    arguments = [PIXWHISK, "up", "--data", str(directory), *ports]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        lines = iter(up.stdout.readline, "")
        assert any(line.startswith("ready") for line in lines)
        up.send_signal(number)
        assert up.wait(DEADLINE) == 0
    assert working_in(directory) == []


def test_a_killed_up_leaves_nothing_and_the_next_one_starts(directory: Path) -> None:
    """After kill -9 of `up` every service ends by itself; the same directory starts again, with its rows."""
    first = start(directory)
    put(first, "kept.png")
    os.kill(json.loads(first.pixwhisk("status", "--json").stdout)["up"]["pid"], signal.SIGKILL)
    pixwhisk("up", "--detach", "--data", str(directory))
    assert len(first.rows("kept.png")) == 1
    put(first, "more.png")
    os.kill(json.loads(first.pixwhisk("status", "--json").stdout)["up"]["pid"], signal.SIGKILL)
    eventually(lambda: not working_in(directory), "the end of every process")


@pytest.mark.parametrize("service", ["minio", "openwhisk", "postgres"])
def test_a_killed_service_comes_back(deployment: Deployment, service: str) -> None:
    """After kill -9 of one service photos become rows again without anybody's doing."""
    victim: psutil.Process = eventually(lambda: deployment.service(service), service)
    victim.kill()
    victim.wait(DEADLINE)
    eventually(lambda: deployment.pixwhisk("status", check=False).returncode == 0, f"{service} back")
    put(deployment, f"after {service}.png")


def test_down_where_nothing_runs_is_no_error(directory: Path) -> None:
    """It says so and exits 0."""
    assert "nothing runs in" in pixwhisk("down", "--data", str(directory)).stdout


def test_commands_without_a_deployment_say_what_to_do(directory: Path) -> None:
    """`env`, `status` and `results` name `pixwhisk up` in one line."""
    for command in ("env", "status", "results"):
        refused = pixwhisk(command, "--data", str(directory), check=False)
        assert refused.returncode == 1
        assert "pixwhisk up" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_results_of_a_stopped_deployment_are_unreachable(directory: Path) -> None:
    """Exit 3: the service is to blame, not the question."""
    start(directory)
    pixwhisk("down", "--data", str(directory))
    assert pixwhisk("results", "--data", str(directory), check=False).returncode == 3
    assert pixwhisk("status", "--data", str(directory), check=False).returncode == 1


def test_secrets_are_readable_by_their_owner_only(deployment: Deployment) -> None:
    """Every file with a secret is 0600, its directory 0700, and no process shows one in its arguments."""
    files = [
        deployment.data / "deployment.json",
        deployment.data / "wskprops",
        *(deployment.data / "secrets").iterdir(),
    ]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (deployment.data / "secrets").stat().st_mode & 0o777 == 0o700
    shown = " ".join(word for process in working_in(deployment.data) for word in process.cmdline())
    for secret in (deployment.environment["AWS_SECRET_ACCESS_KEY"], deployment.environment["WSK_AUTH"]):
        assert secret not in shown


def test_logs_hold_no_secret(deployment: Deployment) -> None:
    """Neither `up` nor a service writes one down."""
    logs = "".join(path.read_text(errors="replace") for path in (deployment.data / "logs").iterdir())
    for secret in (deployment.data / "secrets").iterdir():
        assert secret.read_text().strip().rpartition(":")[2] not in logs or secret.name == "external.json"


def test_wsk_finds_its_host_and_key(deployment: Deployment) -> None:
    """The file that `env` names as WSK_CONFIG_FILE is one that `wsk` reads."""
    lines = Path(deployment.environment["WSK_CONFIG_FILE"]).read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert properties["APIHOST"] == deployment.environment["WSK_APIHOST"]
    assert properties["AUTH"] == deployment.environment["WSK_AUTH"]


def test_results_can_be_asked_for(deployment: Deployment) -> None:
    """By key, by label, by probability, as JSON; what matches nothing is no row and no error."""
    put(deployment, "asked/for.png")

    def found(*arguments: str) -> list[str]:
        printed = deployment.pixwhisk("results", "--json", *arguments).stdout
        return [row["key"] for row in json.loads(printed)["results"]]

    assert found("asked/for.png") == ["asked/for.png"]
    assert found("asked/for.png", "--label", "Espresso", "--min-probability", "0.5") == ["asked/for.png"]
    assert found("asked/for.png", "--label", "espresso", "--min-probability", "0.9999") == []
    assert found("asked/for.png", "--label", "zebra") == []
    assert "espresso" in deployment.pixwhisk("results", "asked/for.png").stdout


def test_results_are_followed(deployment: Deployment) -> None:
    """`--follow` prints a row that comes after it was started."""
    arguments = [PIXWHISK, "results", "--follow", "--json", "--limit", "1", "--data", str(deployment.data)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout
        put(deployment, "first.png")
        following.stdout.readline()
        put(deployment, "followed.png")
        keys = (json.loads(line)["key"] for line in iter(following.stdout.readline, ""))
        assert "followed.png" in keys
        following.send_signal(signal.SIGINT)
        assert following.wait(DEADLINE) == 0


def test_status_for_programs(deployment: Deployment) -> None:
    """`status --json` is one document with stable keys."""
    status = json.loads(deployment.pixwhisk("status", "--json").stdout)
    assert set(status) >= {"healthy", "up", "services", "outcomes", "pending", "parked", "oldestPendingSeconds"}
    assert status["healthy"] is True


def test_deploying_again_changes_nothing_and_undeploying_leaves_nothing(directory: Path) -> None:
    """`deploy` finds nothing to change; after `undeploy` OpenWhisk has no entity and MinIO no subscription of ours."""
    running = start(directory)
    target = ("--apihost", running.environment["WSK_APIHOST"], "--auth", running.environment["WSK_AUTH"])
    assert running.pixwhisk("deploy", *target).stdout == "nothing to change\n"
    running.pixwhisk("undeploy", *target)
    assert "<QueueConfiguration>" not in subscription(running)
    with httpx.Client(
        base_url=f"{running.environment['WSK_APIHOST']}/api/v1/namespaces/_/",
        auth=httpx.BasicAuth(*running.environment["WSK_AUTH"].split(":", 1)),
    ) as whisk:
        for collection in ("packages", "actions", "triggers", "rules"):
            assert whisk.get(collection).json() == []
    dry = running.pixwhisk("deploy", "--dry-run", *target).stdout
    assert "would create package pixwhisk" in dry
    assert running.environment["AWS_SECRET_ACCESS_KEY"] not in dry
    running.pixwhisk("deploy", *target)
    put(running, "deployed again.png")


def subscription(running: Deployment) -> str:
    found = running.s3().get_bucket_notification_configuration(Bucket=running.bucket)
    return "<QueueConfiguration>" if found.get("QueueConfigurations") else ""


def test_another_trigger_on_the_same_bucket(deployment: Deployment) -> None:
    """What `wsk trigger create more-images --feed pixwhisk/bucket` sends makes MinIO fire the second trigger too."""
    auth = httpx.BasicAuth(*deployment.environment["WSK_AUTH"].split(":", 1))
    base = f"{deployment.environment['WSK_APIHOST']}/api/v1/namespaces/_/"
    with httpx.Client(base_url=base, auth=auth, timeout=60) as whisk:
        annotations = [{"key": "feed", "value": "/_/pixwhisk/bucket"}]
        assert whisk.put("triggers/more-images", json={"annotations": annotations}).status_code == 200
        params = {
            "lifecycleEvent": "CREATE",
            "triggerName": "/_/more-images",
            "authKey": deployment.environment["WSK_AUTH"],
        }
        desired = {"bucket": deployment.bucket, "prefix": "in/", "suffix": ".jpg"}
        created = whisk.post("actions/pixwhisk/bucket", params={"blocking": "true"}, json=params | desired)
        assert created.status_code == 200, created.text
        body = {"trigger": "/_/more-images", "action": "/_/pixwhisk/classify"}
        assert whisk.put("rules/more", json=body).status_code == 200
        deployment.s3().upload_file(str(paths.PHOTOS / "coffee.jpg"), deployment.bucket, "in/more.jpg")

        def fired() -> bool:
            found = whisk.get("activations", params={"name": "more-images"}).json()
            return any(each["name"] == "more-images" for each in found)

        eventually(fired, "an activation of the second trigger")
        gone = whisk.post(
            "actions/pixwhisk/bucket", params={"blocking": "true"}, json=params | {"lifecycleEvent": "DELETE"}
        )
        assert gone.status_code == 200, gone.text
        whisk.delete("rules/more")
        whisk.delete("triggers/more-images")


def test_the_demo_shows_photos_become_rows(directory: Path) -> None:
    """In a pipe it exits 0 with a line per photo, espresso among them, leaves nothing running, and says so."""
    shown = pixwhisk("demo", "--data", str(directory)).stdout
    assert "espresso" in shown
    assert shown.count(" ms\n") == len(PHOTOS)
    assert "/api/v1/web/guest/pixwhisk/view" not in shown.partition("photos into")[2]
    assert "It has stopped; " in shown
    assert working_in(directory) == []


def test_the_demo_stays_up_on_a_terminal_until_ctrl_c(directory: Path) -> None:
    """Its page answers meanwhile; what it says to type next works; then it exits 0 and nothing is left running."""
    ours, theirs = os.openpty()
    arguments = [PIXWHISK, "demo", "--data", str(directory)]
    with subprocess.Popen(arguments, stdout=theirs, stderr=subprocess.PIPE, start_new_session=True) as demo:
        os.close(theirs)
        with os.fdopen(ours, errors="replace") as screen:
            shown = []
            for line in screen:
                shown.append(line.strip())
                if "Ctrl-C" in line:
                    break
            (page,) = [line.rpartition(" ")[2] for line in shown if line.startswith("All of it as a page")]
            assert "espresso" in httpx.get(page, timeout=DEADLINE).text
            (results,) = [line for line in shown if line.endswith(f"results --follow --data {directory}")]
            assert "espresso" in pixwhisk(*shlex.split(results.replace("--follow", "--limit 20"))[1:]).stdout
            os.kill(demo.pid, signal.SIGINT)
            assert demo.wait(DEADLINE) == 0
    assert working_in(directory) == []


def test_the_demo_writes_its_photos_to_try_with(directory: Path) -> None:
    """Every one, twice as well as once; a file of somebody's own stays as it is."""
    photos = directory / "my photos"
    for _ in range(2):
        pixwhisk("demo", "--photos", str(photos))
    assert {path.name for path in photos.iterdir()} == set(PHOTOS.values())
    (photos / "rocket.jpg").write_bytes(b"mine")
    refused = pixwhisk("demo", "--photos", str(photos), check=False)
    assert (refused.returncode, "rocket.jpg is there already" in refused.stderr) == (1, True)
    assert (photos / "rocket.jpg").read_bytes() == b"mine"
