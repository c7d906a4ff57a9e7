"""What people type by mistake, in a shell that knows a running deployment: a line that says what to do, an exit
code, and nothing else.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.__main__ import run
from tests.e2e.test_main_job import COFFEE, wait_for
from tests.e2e.test_unmeant import become_quiet, state_of
from tests.fixtures.deployment import PIXWHISK, Deployment, eventually

USAGE, FAILED, AWAY = 2, 1, 3

# What is typed (FILE is one, DIR is a directory, NONE is a directory without a deployment), the code, what is said.
MISTAKES: list[tuple[str, int, str]] = [
    ("statsu", USAGE, "there is no command statsu: did you mean status?"),
    ("reslts", USAGE, "there is no command reslts: did you mean results?"),
    ("audti --repair", USAGE, "there is no command audti: did you mean audit?"),
    ("upp", USAGE, "there is no command upp: did you mean up?"),
    ("frobnicate", USAGE, "there is no command frobnicate; `pixwhisk --help` says what there is"),
    ("--jsno", USAGE, "there is no option --jsno"),
    ("help statsu", USAGE, "there is no command statsu: did you mean status?"),
    ("help up down", USAGE, "down is one too many"),
    ("completion tcsh", USAGE, "'tcsh' is none of bash, zsh, fish"),
    ("completion bash zsh", USAGE, "zsh is one too many"),
    ("up now", USAGE, "now is one too many; `pixwhisk up --help`"),
    ("up --detatch", USAGE, "there is no option --detatch: did you mean --detach?"),
    ("up --detach=yes", USAGE, "--detach takes no value"),
    ("up --api-port", USAGE, "--api-port needs a value"),
    ("up --api-port 0", USAGE, "--api-port: 0 is not a whole number from 1 to 65535"),
    ("up --api-port 65536", USAGE, "--api-port: 65536 is not a whole number from 1 to 65535"),
    ("up --s3-port http", USAGE, "--s3-port: 'http' is not a whole number from 1 to 65535"),
    ("up --s3-port 9000.5", USAGE, "--s3-port: '9000.5' is not a whole number"),
    ("up --data NONE --api-port 4000 --s3-port 4000", USAGE, "each service needs a port of its own"),
    ("up --bucket ''", USAGE, "--bucket: '' is no bucket's name"),
    ("up --bucket ab", USAGE, "--bucket: 'ab' is no bucket's name: 3 to 63 small letters"),
    ("up --bucket Photos", USAGE, "'Photos' is no bucket's name"),
    ("up --bucket my_photos", USAGE, "'my_photos' is no bucket's name"),
    ("up --bucket -photos", USAGE, "'-photos' is no bucket's name"),
    ("up --bucket a..b", USAGE, "'a..b' is no bucket's name"),
    ("up --bucket 10.0.0.1", USAGE, "'10.0.0.1' is no bucket's name"),
    (f"up --bucket {'x' * 64}", USAGE, "is no bucket's name"),
    ("up --bucket photos", FAILED, "already running with --bucket images"),
    ("up --api-port 1", FAILED, "already running with --api-port"),
    ("up --model /nowhere", USAGE, "/nowhere"),
    ("up --data FILE", USAGE, "is a file, not a directory"),
    ("up --data FILE/below", FAILED, "Not a directory"),
    ("up --data /proc/nothing", FAILED, "/proc/nothing"),
    ("down now", USAGE, "now is one too many"),
    ("down --data FILE", USAGE, "is a file, not a directory"),
    ("down --all", USAGE, "there is no option --all"),
    ("env now", USAGE, "now is one too many"),
    ("env --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("status --jsn", USAGE, "there is no option --jsn: did you mean --json?"),
    ("status --json=yes", USAGE, "--json takes no value"),
    ("status all", USAGE, "all is one too many"),
    ("status --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("logs mino", FAILED, "no logs of mino: did you mean minio?"),
    ("logs minio postgres", USAGE, "postgres is one too many"),
    ("logs -n -1", USAGE, "--lines: -1 is not a whole number of 0 or more"),
    ("logs --data NONE", FAILED, "no logs in "),
    ("results --limit", USAGE, "--limit needs a value"),
    ("results --limit 0", USAGE, "--limit: 0 is not a whole number of 1 or more"),
    ("results -n many", USAGE, "--limit: 'many' is not a whole number of 1 or more"),
    ("results -n 2.5", USAGE, "--limit: '2.5' is not a whole number"),
    ("results --limti 3", USAGE, "there is no option --limti: did you mean --limit?"),
    ("results --min-probability 95", USAGE, "--min-probability: 95 is not a number from 0 to 1"),
    ("results --min-probability nan", USAGE, "--min-probability: nan is not a number from 0 to 1"),
    ("results --max-probability 50%", USAGE, "--max-probability: '50%' is not a number from 0 to 1"),
    ("results --since tomorow", USAGE, "--since: 'tomorow' is none of 10m, 2h"),
    ("results --since 10x", USAGE, "--since: '10x' is none of 10m, 2h"),
    ("results --until 2026-13-01", USAGE, "--until: '2026-13-01' is none of"),
    ("results --status failed", USAGE, "--status: 'failed' is none of classified, rejected, deleted, all"),
    ("results --sort best", USAGE, "--sort: 'best' is none of newest, oldest, surest, unsurest"),
    ("results --format xml", USAGE, "--format: 'xml' is none of table, json, jsonl, csv"),
    ("results --json --format csv", USAGE, "--json and --format csv: one or the other"),
    ("results --follow --format csv", USAGE, "--follow goes on for ever"),
    ("results -f -o DIR/rows", USAGE, "--follow goes on for ever"),
    ("results -o DIR", USAGE, "is a directory"),
    ("results -o /nowhere/rows.csv", USAGE, "--output: /nowhere/rows.csv cannot be written"),
    ("results cofee.png", FAILED, "no row about cofee.png: did you mean coffee.png?"),
    ("results other/coffee.png", FAILED, "no row about other/coffee.png"),
    ("results --label Expresso", FAILED, "no row has label Expresso: did you mean espresso?"),
    ("results --prefix nowhere/", FAILED, "no key begins with nowhere/"),
    ("results --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("audit --grace -1", USAGE, "--grace: -1 is not a number of 0 or more"),
    ("audit --grace soon", USAGE, "--grace: 'soon' is not a number of 0 or more"),
    ("audit --bucket Images", USAGE, "'Images' is no bucket's name"),
    ("audit --bucket nowhere", AWAY, "nowhere"),
    ("audit --repiar", USAGE, "there is no option --repiar: did you mean --repair?"),
    ("audit images", USAGE, "images is one too many"),
    ("audit --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("backfill --bucket Images", USAGE, "'Images' is no bucket's name"),
    ("backfill images", USAGE, "images is one too many"),
    ("backfill --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("sweep --watch 0", USAGE, "--watch: 0 is not a number of 0.1 or more"),
    ("sweep --batch 0", USAGE, "--batch: 0 is not a whole number from 1 to 500"),
    ("sweep --batch 501", USAGE, "--batch: 501 is not a whole number from 1 to 500"),
    ("sweep --in-flight 65", USAGE, "--in-flight: 65 is not a whole number from 1 to 64"),
    ("sweep --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("replay", USAGE, "say which: --key KEY, --reason REASON or --all"),
    ("replay --key a --all", USAGE, "say which: --key KEY, --reason REASON or --all"),
    ("replay --reason", USAGE, "--reason needs a value"),
    ("replay coffee.png", USAGE, "coffee.png is one too many"),
    ("migrate --dry", USAGE, "there is no option --dry"),
    ("migrate --data NONE", AWAY, "not running: `pixwhisk up --data "),
    ("deploy --image a --kind b", USAGE, "--image and --kind exclude each other"),
    ("deploy --apihost http://127.0.0.1:1 --auth a:b", AWAY, "127.0.0.1:1"),
    ("deploy --dryrun", USAGE, "there is no option --dryrun: did you mean --dry-run?"),
    ("undeploy --apihost http://127.0.0.1:1 --auth a:b", AWAY, "127.0.0.1:1"),
    ("undeploy --apihost", USAGE, "--apihost needs a value"),
    ("bench --data NONE", FAILED, "nothing runs in "),
    ("bench --quik", USAGE, "there is no option --quik: did you mean --quick?"),
    ("bench -o /nowhere/figures.json", USAGE, "--output: /nowhere/figures.json cannot be written"),
    ("demo --phots DIR", USAGE, "there is no option --phots: did you mean --photos?"),
    ("demo --photos FILE", FAILED, "cannot write photos into "),
]

# Variables that are set wrongly, what is typed then, and what is said.
ENVIRONMENTS: list[tuple[dict[str, str], str, int, str]] = [
    ({"DATABASE_URL": "mysql://db/app"}, "results --data NONE", USAGE, "DATABASE_URL: expected postgresql://"),
    ({"DATABASE_URL": "postgresql://me:p@ss/word@db/app"}, "status --data NONE", USAGE, "DATABASE_URL: expected"),
    ({"DATABASE_URL": "postgresql://me@127.0.0.1:1/app"}, "results --data NONE", AWAY, "Postgres does not answer"),
    ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1"}, "up --data NONE", USAGE, "set AWS_ACCESS_KEY_ID and"),
    ({"WSK_APIHOST": "http://127.0.0.1:1"}, "up --data NONE", USAGE, "WSK_APIHOST is set: set WSK_AUTH as well"),
    (
        {"WSK_APIHOST": "http://me:hush@w", "WSK_AUTH": "a:b"},
        "up --data NONE",
        USAGE,
        "there must be no user or password",
    ),
    ({"SHELL": "/bin/tcsh"}, "completion", USAGE, "which shell? Name one: bash, zsh, fish"),
]


@pytest.fixture(scope="module")
def untouched(deployment: Deployment) -> Iterator[None]:
    """After all of them the deployment is what it was."""
    answer = deployment.s3().put_object(Bucket=deployment.bucket, Key="coffee.png", Body=COFFEE.read_bytes())
    wait_for(deployment, "coffee.png", answer["ETag"])
    # The journal comes a moment after the row.
    arrived = "SELECT FROM inbox WHERE key = 'coffee.png' AND state = 'settled'"
    eventually(lambda: deployment.query(arrived), "the journal")
    become_quiet(deployment)
    before = state_of(deployment)
    yield
    assert state_of(deployment) == before


@pytest.fixture
def home(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where one works: a shell that was told of the deployment by PIXWHISK_DATA alone."""
    for name in {*deployment.environment, "DATABASE_URL"}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIXWHISK_DATA", str(deployment.data))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "directory").mkdir()
    return tmp_path


def typed(command: str, home: Path) -> list[str]:
    places = {"FILE": "file", "DIR": "directory", "NONE": "none"}
    return [
        "/".join(str(home / places[part]) if part in places else part for part in word.split("/"))
        for word in shlex.split(command)
    ]


def assert_refused(command: str, code: int, said: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(typed(command, home)) == code
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Error: ")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1
    assert {path.name for path in home.iterdir()} == {"file", "directory"}
    assert (home / "file").read_text() == "mine"
    assert list((home / "directory").iterdir()) == []


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("command", "code", "said"), MISTAKES, ids=[command for command, _, _ in MISTAKES])
def test_a_mistake_changes_nothing(
    command: str, code: int, said: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr, nothing on stdout, no traceback, nothing left behind."""
    assert_refused(command, code, said, home, capfd)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("mistake", ENVIRONMENTS, ids=lambda mistake: " ".join(mistake[0]))
def test_a_mistake_in_the_environment_changes_nothing(
    mistake: tuple[dict[str, str], str, int, str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The variable is named; a password in it is not repeated."""
    named, command, code, said = mistake
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert_refused(command, code, said, home, capfd)


@pytest.mark.parametrize("shape", ["table", "json", "jsonl", "csv"])
def test_a_full_device_is_an_error_in_a_line(deployment: Deployment, shape: str) -> None:
    """Whatever is printed: exit 1, and no traceback at the end of the program either."""
    command = [PIXWHISK, "results", "--format", shape, "--data", str(deployment.data)]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n")


@pytest.mark.parametrize("command", ["results -n 500", "status", "logs", "audit --grace 0", "help", "env"])
def test_a_closed_pipe_is_no_error(deployment: Deployment, command: str) -> None:
    """Whoever reads has had enough: nothing is said."""
    reader, writer = os.pipe()
    os.close(reader)
    data = [] if command == "help" else ["--data", str(deployment.data)]
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [PIXWHISK, *command.split(), *data], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
