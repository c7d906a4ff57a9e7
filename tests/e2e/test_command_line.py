"""The command line as a user runs it: up, down, twice, in the way of others, killed."""

from __future__ import annotations

import csv
import json
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import httpx
import psutil
import pytest

from infra import paths
from infra.cli.demo import PHOTOS
from tests.e2e.test_main_job import CAT, COFFEE, wait_for
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


def put(deployment: Deployment, key: str, photo: Path = COFFEE) -> None:
    answer = deployment.s3().put_object(Bucket=deployment.bucket, Key=key, Body=photo.read_bytes())
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


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_second_up_says_where_everything_is(deployment: Deployment, detach: tuple[str, ...]) -> None:
    """It names the process that runs, since when, and the addresses; that it was to run is so, and no error."""
    second = deployment.pixwhisk("up", *detach).stdout
    holder = json.loads(deployment.pixwhisk("status", "--json").stdout)["up"]
    assert second.startswith(f"already running: process {holder['pid']}, since ")
    assert f"openwhisk  {deployment.environment['WSK_APIHOST']}\n" in second


def test_a_second_up_that_is_to_be_another_is_refused(deployment: Deployment) -> None:
    """One line says in which way it runs, and what to do first."""
    second = deployment.pixwhisk("up", "--bucket", "others", check=False)
    assert second.returncode == 1
    assert second.stderr == (
        f"Error: already running with --bucket images: `pixwhisk down --data {deployment.data}` first\n"
    )


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
    assert pixwhisk("down", "--data", str(directory)).stdout == f"not running: nothing to stop in {directory}\n"


def test_down_says_where_something_runs(deployment: Deployment, directory: Path) -> None:
    """From the wrong place one is told of the right one."""
    said = pixwhisk("down", "--data", str(directory)).stderr
    assert f"one runs in {deployment.data}: `pixwhisk down --data {deployment.data}`\n" in said


def test_commands_without_a_deployment_say_what_to_do(directory: Path) -> None:
    """Each in the same words, with exit code 3."""
    for command in ("env", "status", "results", "audit", "backfill", "sweep", "migrate"):
        refused = pixwhisk(command, "--data", str(directory), check=False)
        assert refused.returncode == 3
        assert refused.stderr.startswith(f"Error: not running: `pixwhisk up --data {directory}`")
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
    """By key, prefix, label, probability, status and time, in any order, as JSON; what matches nothing is no error."""
    put(deployment, "asked/for.png", CAT)
    answer = deployment.s3().put_object(Bucket=deployment.bucket, Key="asked/no picture.jpg", Body=b"text")
    wait_for(deployment, "asked/no picture.jpg", answer["ETag"])

    def found(*arguments: str) -> list[str]:
        printed = deployment.pixwhisk("results", "--json", *arguments).stdout
        return [row["key"] for row in json.loads(printed)["results"]]

    (row,) = deployment.rows("asked/for.png")
    synonym = row["labels"][1]["className"].split(", ")[-1].upper()
    for only in (
        ("asked/for.png",),
        ("images/asked/for.png",),
        ("asked/for.png", "--label", "Tiger Cat", "--min-probability", "0.3"),
        ("--prefix", "asked/", "--label", synonym, "--label", "unheard of"),
        ("--prefix", "images/asked/", "--status", "classified", "--since", "10m"),
        ("--prefix", "asked/", "--label", synonym, "--max-probability", "0.5"),
    ):
        assert found(*only) == ["asked/for.png"], only
    for none in (
        ("asked/for.png", "--label", "tiger cat", "--max-probability", "0.0001"),
        ("asked/for.png", "--until", "yesterday"),
        ("--prefix", "asked/", "--unsure"),
        ("--prefix", "asked/", "--reason", "too-many-pixels"),
    ):
        assert found(*none) == [], none
    assert found("--prefix", "asked/", "--sort", "oldest") == ["asked/for.png", "asked/no picture.jpg"]
    assert found("--prefix", "asked/", "--status", "rejected", "--since", "today") == ["asked/no picture.jpg"]


def test_results_as_a_table_and_as_csv(deployment: Deployment, tmp_path: Path) -> None:
    """With a header and UTC; how many there are beyond those shown is said beside them, not among them."""
    for name in ("a", "b", "c"):
        put(deployment, f"shaped/{name}.png")
    shown = deployment.pixwhisk("results", "--prefix", "shaped/", "-n", "2")
    assert shown.stdout.splitlines()[0].split() == ["TIME", "(UTC)", "LABEL", "SURE", "OBJECT"]
    assert shown.stderr == "2 of 3; --limit 3 shows all\n"
    stored = deployment.rows("shaped/c.png")[0]["stored_at"].astimezone(UTC)
    assert shown.stdout.splitlines()[1].startswith(f"{stored:%Y-%m-%d %H:%M:%S}  espresso ")
    file = tmp_path / "labels.csv"
    asked = ("results", "--prefix", "shaped/", "--sort", "oldest", "--format", "csv", "-o", str(file))
    assert deployment.pixwhisk(*asked).stdout == ""
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["key"], row["label"]) for row in rows] == [(f"shaped/{name}.png", "espresso") for name in "abc"]
    assert re.match(r"espresso [01]\.\d{3}", rows[0]["labels"])


def test_an_audit_of_a_prefix_that_is_nowhere_is_a_warning(deployment: Deployment) -> None:
    """It is clean, exit 0, and says what is near."""
    answer = deployment.s3().put_object(Bucket=deployment.bucket, Key="holiday/coffee.png", Body=COFFEE.read_bytes())
    wait_for(deployment, "holiday/coffee.png", answer["ETag"])
    audit = deployment.pixwhisk("audit", "--grace", "0", "--prefix", "holidays/")
    assert audit.stderr == "warning: no key begins with holidays/: did you mean holiday/?\n"
    deployment.s3().delete_object(Bucket=deployment.bucket, Key="holiday/coffee.png")
    eventually(lambda: deployment.rows("holiday/coffee.png")[0]["status"] == "deleted", "the removal")


def test_deleted_rows_are_shown_when_they_are_asked_for(deployment: Deployment) -> None:
    """By their key or their status, and not among all."""
    put(deployment, "gone/soon.png")
    deployment.s3().delete_object(Bucket=deployment.bucket, Key="gone/soon.png")
    eventually(lambda: deployment.rows("gone/soon.png")[0]["status"] == "deleted", "the removal")
    assert "gone/soon.png" not in deployment.pixwhisk("results", "-n", "500").stdout
    for asked in (("gone/soon.png",), ("--status", "deleted", "--prefix", "gone/"), ("--status", "all", "-n", "500")):
        assert "images/gone/soon.png" in deployment.pixwhisk("results", *asked).stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("near/cofee.png",), "no row about near/cofee.png: did you mean near/coffee.png?"),
        (("--label", "Expresso"), "no row has label Expresso: did you mean espresso?"),
        (("--prefix", "naer/"), "no key begins with naer/: did you mean near/?"),
    ],
)
def test_what_is_unknown_is_an_error_with_what_is_near(
    deployment: Deployment, asked: tuple[str, ...], said: str
) -> None:
    """Exit 1: a typing mistake must not look like an empty answer."""
    put(deployment, "near/coffee.png")
    refused = deployment.pixwhisk("results", *asked, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: {said[:-1]}")


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


@pytest.mark.parametrize(
    ("named", "service", "said"),
    [
        ({"AWS_ENDPOINT_URL_S3": "", "AWS_SECRET_ACCESS_KEY": "wrong" * 4}, "minio", "refuses our key: "),
        ({"AWS_ENDPOINT_URL_S3": "", "PIXWHISK_BUCKET": "elsewhere"}, "minio", "has no bucket elsewhere"),
        ({"WSK_APIHOST": "", "WSK_AUTH": "a:b"}, "openwhisk", "refuses our key"),
        ({"DATABASE_URL": "postgresql://pixwhisk:wrong@/pixwhisk?host={sockets}"}, "postgres", "refuses: "),
    ],
)
def test_status_asks_each_service_with_its_key(
    deployment: Deployment, tmp_path: Path, named: dict[str, str], service: str, said: str
) -> None:
    """A key that is refused is not health, and not silence; nor is a bucket that is not there."""
    sockets = re.search(r"host=([^&]+)", deployment.environment["DATABASE_URL"])
    assert sockets
    theirs = {name: value.format(sockets=sockets[1]) for name, value in named.items()}
    told = {**os.environ, **deployment.environment, **{name: value for name, value in theirs.items() if value}}
    status = pixwhisk("status", "--json", "--data", str(tmp_path), env=told, check=False)
    document = json.loads(status.stdout)
    assert (status.returncode, document["healthy"]) == (1, False)
    assert document["services"][service].startswith(said)


def test_status_of_what_is_not_running(directory: Path) -> None:
    """The sentence that every command says, and exit code 1: there is something, and it should run."""
    start(directory)
    pixwhisk("down", "--data", str(directory))
    status = pixwhisk("status", "--data", str(directory), check=False)
    assert status.returncode == 1
    assert status.stdout.startswith(f"not running: `pixwhisk up --data {directory}`")


def test_the_environment_names_its_deployment_everywhere(deployment: Deployment, tmp_path: Path) -> None:
    """After `eval "$(pixwhisk env)"` other commands mean this one, wherever they are called."""
    told = {**os.environ, **deployment.environment}
    assert told["PIXWHISK_DATA"] == str(deployment.data)
    assert json.loads(pixwhisk("status", "--json", env=told, cwd=tmp_path).stdout)["up"]


def test_status_for_programs(deployment: Deployment) -> None:
    """`status --json` is one document with stable keys."""
    status = json.loads(deployment.pixwhisk("status", "--json").stdout)
    assert set(status) >= {"healthy", "up", "services", "outcomes", "pending", "parked", "oldest_pending_seconds"}
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


def test_logs_of_one_service_or_all(deployment: Deployment) -> None:
    """The last lines of each, told apart where there are several; followed until Ctrl-C, which is no error."""
    everything = deployment.pixwhisk("logs", "-n", "3").stdout.splitlines()
    assert {"openwhisk", "postgres", "up"} <= {line.partition("|")[0].strip() for line in everything}
    last_two = deployment.pixwhisk("logs", "up", "-n", "2").stdout.splitlines()
    assert len(last_two) == 2
    assert deployment.pixwhisk("logs", "up", "-n", "1").stdout.splitlines() == last_two[1:]
    arguments = [PIXWHISK, "logs", "up", "-f", "-n", "0", "--data", str(deployment.data)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as following:
        screen = following.stdout
        assert screen
        # It may not have looked yet: so more is said until one of it is shown.
        with (deployment.data / "logs" / "up.log").open("a") as log:

            def shown() -> bool:
                log.write("a new line\x1b[31m\n")
                log.flush()
                return bool(select.select([screen], [], [], 0.1)[0])

            eventually(shown, "a line that was written meanwhile")
        assert screen.readline() == "a new line\\u001b[31m\n"
        following.send_signal(signal.SIGINT)
        assert following.wait(DEADLINE) == 0


@pytest.mark.parametrize("terminal", [{"COLUMNS": "40"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_any_terminal_will_do(deployment: Deployment, terminal: dict[str, str]) -> None:
    """No escape sequence is printed, and help fits into 40 columns."""
    told = {**os.environ, **terminal}
    for command in ("status", "results", "audit --grace 0", "logs -n 1"):
        assert "\x1b" not in deployment_output(command, deployment, told)
    shown = pixwhisk("help", "results", env=told).stdout
    assert "COLUMNS" not in terminal or max(len(line) for line in shown.partition("Examples:")[0].splitlines()) <= 40


def deployment_output(command: str, deployment: Deployment, told: dict[str, str]) -> str:
    done = pixwhisk(*command.split(), "--data", str(deployment.data), env=told, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".local/share/bash-completion/completions/pixwhisk"),
        ("fish", ".config/fish/completions/pixwhisk.fish"),
        ("zsh", ".zfunc/_pixwhisk"),
    ],
)
def test_completion_is_installed_by_one_command(directory: Path, shell: str, place: str) -> None:
    """Where the shell looks; in bash it completes commands, options and values."""
    told = {**os.environ, "HOME": str(directory), "SHELL": f"/bin/{shell}"}
    assert str(directory / place) in pixwhisk("completion", "--install", env=told).stdout
    assert "_PIXWHISK_COMPLETE" in (directory / place).read_text()
    for typed, offered in (("pixwhisk sta", "status"), ("pixwhisk results --uns", "--unsure")):
        words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_PIXWHISK_COMPLETE": "bash_complete"}
        done = subprocess.run([PIXWHISK], env={**told, **words}, capture_output=True, text=True, check=False)
        assert f"plain,{offered}\n" in done.stdout
