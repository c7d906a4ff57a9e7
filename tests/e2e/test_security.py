"""What a running deployment gives away: nothing, in whatever it writes, shows or says when it fails."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import psycopg
import pytest
from psycopg import sql

from infra.host.containers.landlock import SINCE_SIGNALS, read_version
from infra.services.ports import is_free
from tests.e2e.test_main_job import COFFEE, wait_for
from tests.fixtures.deployment import PIXWHISK, Deployment, descendants, eventually, free_ports, pixwhisk, start
from tests.fixtures.needs import need
from tests.fixtures.processes import runs

# Where secrets are kept, in a directory that is the owner's alone: ours, what actions are bound to, MinIO's own users.
KEPT = ("secrets", "wskprops", "host/entities.db", "minio/data/.minio.sys")


@pytest.fixture(scope="module")
def troubled() -> Iterator[Deployment]:
    """A deployment that has worked, failed and recovered in every way that a test can bring about."""
    data = Path(tempfile.mkdtemp(prefix="px-"))
    running = start(data)
    put(running, "before.png")
    for trouble in (refuse_callers, fail_actions, use_the_feed, kill_services):
        trouble(running)
    put(running, "after.png")
    yield running
    pixwhisk("down", "--data", str(data), check=False)
    shutil.rmtree(data)


def put(running: Deployment, key: str) -> None:
    answer = running.s3().put_object(Bucket=running.bucket, Key=key, Body=COFFEE.read_bytes())
    wait_for(running, key, answer["ETag"])


def api(running: Deployment, *, authorized: bool = True) -> httpx.Client:
    user, _, secret = running.environment["WSK_AUTH"].partition(":")
    base = f"{running.environment['WSK_APIHOST']}/api/v1/namespaces/_"
    return httpx.Client(base_url=base, auth=(user, secret) if authorized else None, timeout=60)


def refuse_callers(running: Deployment) -> None:
    """Somebody knocks with no key, half a key, and a wrong one for the right user."""
    user = running.environment["WSK_AUTH"].partition(":")[0]
    with api(running, authorized=False) as stranger:
        assert stranger.post("/triggers/image-uploaded", json={}).status_code == 401
        for auth in ((user, ""), (user, "wrong"), ("", "")):
            assert stranger.post("/triggers/image-uploaded", json={}, auth=auth).status_code == 401


def fail_actions(running: Deployment) -> None:
    """Every action is called with what it cannot use, and with what would lead it elsewhere."""
    elsewhere = {
        "DATABASE_URL": "postgresql://x:y@127.0.0.1:1/z",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "image": 3,
    }
    with api(running) as owner:
        for action in ("classify", "store", "bucket", "sweep", "view"):
            path = f"/actions/pixwhisk/{action}?blocking=true"
            for arguments in ({}, {"outcomes": 7}, elsewhere, {"Records": [{"s3": 1}]}, {"x": "\0"}):
                answer = owner.post(path, json=arguments)
                assert answer.status_code < 500 or "error" in answer.json()["response"]["result"], answer.text
        assert owner.post("/triggers/image-uploaded", json={"Records": "none"}).status_code == 202
        credentials = {"Authorization": "Basic " + base64.b64encode(running.environment["WSK_AUTH"].encode()).decode()}
        for query in ("", "?label=%00", "?limit=-1", "?key='"):
            owner.get(
                f"{running.environment['WSK_APIHOST']}/api/v1/web/guest/pixwhisk/view{query}", headers=credentials
            )


def use_the_feed(running: Deployment) -> None:
    """Its arguments hold the caller's key."""
    with api(running) as owner:
        asked = {
            "lifecycleEvent": "READ",
            "triggerName": "/_/image-uploaded",
            "authKey": running.environment["WSK_AUTH"],
        }
        for more in ({}, {"lifecycleEvent": "CREATE", "bucket": "not there"}, {"lifecycleEvent": "NONE"}):
            owner.post("/actions/pixwhisk/bucket?blocking=true", json=asked | more)


def kill_services(running: Deployment) -> None:
    """Postgres, then MinIO are gone while an event is on its way."""
    with api(running) as owner:
        for service in ("postgres", "minio"):
            victim: psutil.Process = eventually(partial(running.service, service), service)
            victim.kill()
            lost = {"key": f"lost {service}.png", "eTag": "0" * 32, "size": 1, "sequencer": "1"}
            record = {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": running.bucket}, "object": lost}}
            owner.post("/actions/pixwhisk/classify-and-store?blocking=true", json={"Records": [record]})
            running.pixwhisk("status", check=False)
            eventually(lambda: running.pixwhisk("status", check=False).returncode == 0, f"{service} back")


def secrets_of(running: Deployment) -> dict[str, str]:
    """Every secret by its file; of `user:secret` the secret."""
    files = [path for path in (running.data / "secrets").iterdir() if path.name != "external.json"]
    found = {path.name: path.read_text().strip().rpartition(":")[2] for path in files}
    assert {"minio-root", "minio-classify", "minio-feed", "openwhisk-guest", "postgres-postgres"} <= set(found)
    assert all(len(secret) > 15 for secret in found.values())
    return found


def encodings(secret: str) -> Iterator[bytes]:
    """How it could be written: plain, for a URL, in hexadecimal, or in base64 wherever in a text it begins."""
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield plain.hex().encode()
    for offset, unsure in ((0, 0), (1, 2), (2, 3)):
        whole = (offset + len(plain)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(offset) + plain)[unsure:whole]


def given_away(running: Deployment, shown: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """Which secret is in which of the texts."""
    needles = [(name, needle) for name, secret in secrets_of(running).items() for needle in encodings(secret)]
    return sorted({(name, place) for place, text in shown.items() for name, needle in needles if needle in text})


def test_a_secret_would_be_found(troubled: Deployment) -> None:
    """The search finds a secret in an `Authorization` header, a URL and a line of text: it is no blind one."""
    auth = troubled.environment["WSK_AUTH"]
    shown = {
        "header": base64.b64encode(auth.encode()),
        "other header": base64.b64encode(b"x" + auth.encode()),
        "url": troubled.environment["DATABASE_URL"].encode(),
        "kept": (troubled.data / "secrets" / "minio-root").read_bytes(),
    }
    assert given_away(troubled, shown) == [
        ("minio-root", "kept"),
        ("openwhisk-guest", "header"),
        ("openwhisk-guest", "other header"),
        ("postgres-pixwhisk", "url"),
    ]


def test_files_hold_no_secret_but_where_secrets_are_kept(troubled: Deployment) -> None:
    """Logs, activations, alarms, queued events and the database's own files, byte by byte."""
    found = [path for path in troubled.data.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {str(path.relative_to(troubled.data)): path for path in found}
    shown = {}
    for name, path in names.items():
        # A queued event goes as soon as it is a row.
        with contextlib.suppress(FileNotFoundError):
            shown.update({} if name.startswith(KEPT) else {name: path.read_bytes()})
    assert {"logs/up.log", "logs/minio.log", "logs/openwhisk.log", "host/activations.db"} <= set(shown)
    assert given_away(troubled, shown) == []


def test_activations_and_rows_hold_no_secret(troubled: Deployment) -> None:
    """Neither arguments nor results, logs, annotations; neither the journal's rows nor the outcomes'."""
    shown: dict[str, bytes] = {}
    with api(troubled) as owner:
        shown["activations"] = owner.get("/activations?docs=true&limit=200").content
        for path in (
            "",
            "/triggers",
            "/triggers/image-uploaded",
            "/rules",
            "/packages",
            "/actions",
            "/packages/pixwhisk",
        ):
            shown[f"api{path}"] = owner.get(path).content
    assert b"lost" in shown["activations"]
    with psycopg.connect(troubled.environment["DATABASE_URL"]) as connection:
        relations = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'public'::regnamespace"
        for (relation,) in connection.execute(relations).fetchall():
            rows = connection.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(relation)))
            shown[f"rows of {relation}"] = "\n".join(row[0] for row in rows).encode()
    assert b"before.png" in shown["rows of inbox"] + shown["rows of objects"]
    assert given_away(troubled, shown) == []


def test_the_page_holds_no_secret(troubled: Deployment) -> None:
    """Its pictures are links that are signed, not keys."""
    page = httpx.get(f"{troubled.environment['WSK_APIHOST']}/api/v1/web/guest/pixwhisk/view")
    document = httpx.get(f"{troubled.environment['WSK_APIHOST']}/api/v1/web/guest/pixwhisk/view.json")
    assert "before.png" in page.text
    assert given_away(troubled, {"page": page.content, "document": document.content}) == []


def test_no_process_shows_a_secret_in_its_arguments(troubled: Deployment) -> None:
    """`ps auxww` is for everybody to read."""
    listed = subprocess.run(["ps", "auxww"], capture_output=True, check=True).stdout
    assert str(troubled.data).encode() in listed
    assert given_away(troubled, {"ps": listed}) == []


def test_commands_print_no_secret(troubled: Deployment) -> None:
    """What they say of the deployment, and of what would change; `env` alone is for handing secrets on."""
    data = ("--data", str(troubled.data))
    commands = [
        ("status",),
        ("status", "--json"),
        ("results",),
        ("results", "--json"),
        ("audit", "--json"),
        ("deploy", "--dry-run"),
        ("up", "--detach"),
        ("replay", "--all"),
    ]
    shown = {" ".join(each): printed(*each, *data) for each in commands}
    changed = {
        "PIXWHISK_CLASSIFY_SECRET_ACCESS_KEY": "another-secret",
        "PIXWHISK_STORE_DATABASE_URL": "postgresql://x:another-secret@h",
    }
    shown["deploy with other secrets"] = printed("deploy", "--dry-run", *data, environ=changed)
    assert b"update" in shown["deploy with other secrets"]
    assert given_away(troubled, shown) == []
    assert b"another-secret" not in shown["deploy with other secrets"]


def test_errors_repeat_no_secret(troubled: Deployment) -> None:
    """Wrong credentials, wrong hosts: the message names the variable or the service, never what was in it."""
    ours = dict(troubled.environment)
    database, minio = ours["DATABASE_URL"], ours["AWS_ENDPOINT_URL_S3"]
    wrong = "wrong-secret"
    elsewhere = "--data", str(troubled.data / "nothing here")
    environs = [
        {"DATABASE_URL": database.replace(database.split(":")[2].split("@")[0], wrong)},
        {"DATABASE_URL": f"postgresql://x:{wrong}@127.0.0.1:1/y"},
        {"DATABASE_URL": f"postgresql://x:a@{wrong}@127.0.0.1:1/y"},
        {
            "DATABASE_URL": database,
            "AWS_ENDPOINT_URL_S3": minio,
            "AWS_ACCESS_KEY_ID": ours["AWS_ACCESS_KEY_ID"],
            "AWS_SECRET_ACCESS_KEY": wrong,
        },
        {
            "DATABASE_URL": database,
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": wrong,
            "AWS_SECRET_ACCESS_KEY": wrong,
        },
        {**ours, "WSK_AUTH": f"{ours['WSK_AUTH'].partition(':')[0]}:{wrong}"},
        {**ours, "WSK_AUTH": wrong},
    ]
    shown = {
        f"{' '.join(command)} {number}": printed(*command, *elsewhere, environ=environ)
        for number, environ in enumerate(environs)
        for command in (["results"], ["audit", "--grace", "0"], ["deploy"])
    }
    assert given_away(troubled, shown) == []
    assert [place for place, text in shown.items() if wrong.encode() in text] == []
    assert [place for place, text in shown.items() if b"Traceback" in text] == []


def printed(*arguments: str, environ: Mapping[str, str] | None = None) -> bytes:
    """Both streams of a command, whatever its exit code."""
    done = subprocess.run(
        [PIXWHISK, *arguments], capture_output=True, timeout=120, check=False, env={**os.environ, **(environ or {})}
    )
    return done.stdout + done.stderr


def test_everything_of_a_deployment_is_its_owners_alone(troubled: Deployment) -> None:
    """Nobody else gets into the data directory; secrets, the database and its socket keep others out by themselves."""
    data = troubled.data
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    directories = ("secrets", "logs", "host", "minio", "minio/data", "minio/journal", "postgres", "postgres/cluster")
    assert {name: oct(stat.S_IMODE((data / name).stat().st_mode)) for name in directories} == dict.fromkeys(
        directories, "0o700"
    )
    files = [*(data / "secrets").iterdir(), data / "wskprops", data / "deployment.json", *(data / "host").glob("*.db*")]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in files if path.stat().st_mode & 0o077} == {}
    (place,) = (path for path in (data / "postgres").iterdir() if stat.S_ISSOCK(path.stat().st_mode))
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_nothing_listens_but_on_loopback(troubled: Deployment) -> None:
    """Two ports, the API's and MinIO's; Postgres has its socket alone."""
    listening = []
    for process in troubled.processes():
        # Who has ended and keeps only a number is nobody's to look at.
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            listening += [each.laddr for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN]
    assert {each.port for each in listening} == {troubled.api_port, troubled.s3_port}
    assert all(ipaddress.ip_address(each.ip).is_loopback for each in listening)


def test_nobody_takes_the_port_while_the_host_is_away(troubled: Deployment) -> None:
    """Whoever did would be sent the key with the next upload. Callers are refused meanwhile, not left waiting."""
    victim: psutil.Process = eventually(partial(troubled.service, "openwhisk"), "openwhisk")
    victim.kill()
    came = []

    def is_back() -> bool:
        assert not is_free(troubled.api_port), "somebody else may have it"
        try:
            came.append(httpx.get(f"{troubled.environment['WSK_APIHOST']}/", timeout=30).status_code)
        except httpx.TransportError:
            came.append(0)
        return came[-1] == 200

    eventually(is_back, "the host")
    assert came[0] == 0


TRYING = """
import os
def tried(attempt):
    try: return ['did', str(attempt())[:200]]
    except OSError as error: return ['failed', type(error).__name__]
def main(args):
    data, pids = args['data'], args['pids']
    attempts = [lambda p=p: open(p, 'rb').read() for p in args['files']]
    attempts += [lambda: os.listdir(data), lambda: os.listdir(data + '/secrets'), lambda: open(data + '/new', 'w')]
    environs = {p: tried(lambda: open(f'/proc/{p}/environ').read()) for p in pids}
    signals = {p: tried(lambda: os.kill(p, 0)) for p in pids} if args['signals'] else {}
    came = [tried(each) for each in attempts]
    return {'came': came, 'environs': environs, 'signals': signals, 'environment': dict(os.environ)}
"""


def test_an_action_reaches_nothing_of_the_deployment(troubled: Deployment) -> None:
    """One that anybody with the key deploys: no file, no environment of a service, no signal; `up` and MinIO go on."""
    need(read_version(), "this kernel has no Landlock (Linux 5.13 or later): actions are not confined here")
    up: psutil.Process = eventually(troubled.leader, "up")
    services = [up, *descendants(up, recursive=False)]
    containers = descendants(troubled.service("openwhisk"))
    pids = [each.pid for each in (up, *descendants(up)) if each not in containers]
    files = [*(troubled.data / "secrets").iterdir(), troubled.data / "wskprops", *(troubled.data / "host").glob("*.db")]
    given = {"data": str(troubled.data), "files": [str(each) for each in files], "pids": pids}
    answer = run(troubled, TRYING, given | {"signals": read_version() >= SINCE_SIGNALS})
    assert [each for each in answer["came"] if each != ["failed", "PermissionError"]] == []
    for came in (answer["environs"], answer["signals"]):
        # Of a child of Postgres that has ended meanwhile there is nothing to be kept from.
        reached = {pid for pid, each in came.items() if each != ["failed", "PermissionError"]}
        assert [pid for pid in reached if psutil.pid_exists(int(pid))] == []
    assert len(pids) >= 5
    assert given_away(troubled, {"environment": json.dumps(answer["environment"]).encode()}) == []
    for process in services:
        assert process.is_running()
        assert process.status() != psutil.STATUS_ZOMBIE


def run(running: Deployment, code: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The result of an action of one's own."""
    with api(running) as owner:
        body = {"exec": {"kind": "python:default", "code": code}}
        assert owner.put("/actions/tried?overwrite=true", json=body).status_code == 200
        answer = owner.post("/actions/tried?blocking=true&result=true", json=dict(arguments))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


# Left where our programs start, under names that they import, of ours and of others.
PLANTED = "import os\nopen(os.environ['PLANTED'], 'a').write(__file__ + '\\n')\nraise SystemExit('planted')\n"


def plant(directory: Path) -> None:
    """Modules that say they were run."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for name in ("infra", "actions", "triggers"):
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(PLANTED)
    for name in ("asyncio", "click", "json", "logging", "psycopg", "sitecustomize", "usercustomize", "uvloop"):
        (directory / f"{name}.py").write_text(PLANTED)


def test_nothing_is_run_out_of_the_directories_we_start_in(tmp_path: Path) -> None:
    """A package called `infra` beside the user, or in the data directory, is neither run nor in the way."""
    data = Path(tempfile.mkdtemp(prefix="px-"))
    for directory in (tmp_path, data, *(data / each for each in ("host", "minio", "postgres", "logs"))):
        plant(directory)
    mark = tmp_path / "planted"
    api_port, s3_port = map(str, free_ports(2))
    environ = {**os.environ, "PLANTED": str(mark)}
    up = ("up", "--detach", "--data", str(data), "--api-port", api_port, "--s3-port", s3_port)
    try:
        pixwhisk(*up, cwd=tmp_path, env=environ)
        for command in ("status", "results", "down"):
            pixwhisk(command, "--data", str(data), cwd=tmp_path, env=environ)
        assert not mark.exists(), mark.read_text()
    finally:
        pixwhisk("down", "--data", str(data))
        shutil.rmtree(data)


# Starts a process that has no parent, wants a session of its own, and holds nothing open that would tell it of an end.
OUTLIVING = """
import fcntl, os, time
def main(args):
    first = os.fork()
    if first == 0:
        try: os.setsid()
        except OSError: pass
        second = os.fork()
        if second == 0:
            os.closerange(0, 1024)
            while True: time.sleep(600)
        open('outliving', 'w').write(str(second))
        os._exit(0)
    os.waitpid(first, 0)
    for n in range(3, 64):
        try: 'pipe' in os.readlink(f'/proc/self/fd/{n}') and fcntl.fcntl(n, 3) & 3 == os.O_RDONLY and os.close(n)
        except OSError: pass
    return {'pids': [os.getpid(), int(open('outliving').read())]}
"""


def test_nothing_that_an_action_starts_outlives_a_killed_host(troubled: Deployment) -> None:
    """Not even what does everything to be forgotten: `up` ends what its host did not live to end."""
    pids = run(troubled, OUTLIVING, {})["pids"]
    assert all(map(psutil.pid_exists, pids))
    victim: psutil.Process = eventually(partial(troubled.service, "openwhisk"), "openwhisk")
    victim.kill()
    eventually(lambda: not any(map(runs, pids)), "the action's processes are gone")
    eventually(lambda: troubled.pixwhisk("status", check=False).returncode == 0, "openwhisk back")
