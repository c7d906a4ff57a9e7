"""The runtime image, run by Docker with the limits OpenWhisk sets: what is in it, what it costs, how it ends."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pictures

from infra import paths
from infra.host.containers.members import ENVIRONMENT
from infra.model.card import CARD
from infra.openwhisk import bundles, manifest
from infra.runtime import image as runtime_image
from tests.contract.proxy.containers import Client, logs_of
from tests.fixtures.docker import MEMORY, DockerContainer, Image, built_image, docker
from tests.fixtures.model import KnownPhoto

READ_ONLY = ("--read-only", "--tmpfs=/tmp")

Start = Callable[..., Client]


@pytest.fixture(scope="module")
def image() -> Image:
    """The runtime image."""
    return built_image()


@pytest.fixture
def start(image: Image) -> Iterator[Start]:
    """Starts containers of the runtime image, read only unless told otherwise."""
    clients: list[Client] = []

    def started(*arguments: str, options: tuple[str, ...] = READ_ONLY, name: str = "", **how: Any) -> Client:
        clients.append(Client(DockerContainer(name or image.name, *arguments, options=options, **how)))
        return clients[-1]

    yield started
    for client in clients:
        client.close()
        client.container.close()


@pytest.fixture
def container(start: Start) -> Client:
    """A stem cell."""
    return start()


def initialised(client: Client, name: str = "classify", **settings: str) -> Client:
    """Give a stem cell the very zip that is deployed."""
    assert client.init(bundles.bundle(bundles.ENTRIES[name]), env=settings) == (200, {"ok": True})
    return client


def classified(client: Client, picture: bytes) -> Mapping[str, Any]:
    """The outcome of an image given inline."""
    status, body = client.run({"image": base64.b64encode(picture).decode()})
    assert status == 200, body
    outcome: Mapping[str, Any] = body["outcomes"][0]
    return outcome


def evaluated(client: Client, expression: str) -> Any:
    """What an expression is to an action in the container."""
    code = f"import importlib.util, os, shutil, sys\ndef main(args): return {{'value': {expression}}}"
    assert client.init(code) == (200, {"ok": True})
    return client.run()[1]["value"]


def state(client: Client) -> Mapping[str, Any]:
    container = client.container
    assert isinstance(container, DockerContainer)
    found: Mapping[str, Any] = container.inspect()["State"]
    return found


def peak_megabytes(client: Client) -> float:
    """The most that the container's only process has ever held."""
    lines = Path(f"/proc/{state(client)['Pid']}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def test_classifies_with_the_model_it_names(
    container: Client, image: Image, photos: Mapping[str, KnownPhoto], model_directory: Path
) -> None:
    """The deployed zip classifies in a read-only container; rows carry the digest that image and card name."""
    outcome = classified(initialised(container), photos["coffee"].jpeg)
    assert outcome["classifications"][0]["label"] == "espresso"
    card = json.loads((model_directory / CARD).read_bytes())
    assert outcome["model"] == {"name": card["name"], "digest": card["digest"]}
    assert image.labels[runtime_image.LABEL_DIGEST] == card["digest"]


# As docs/image.md recommends.
CONFINED = (
    *READ_ONLY,
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
    f"--security-opt=seccomp={paths.ROOT / 'infra/runtime/seccomp.json'}",
)
ATTACKS = """
import ctypes, os, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, *arguments): return getattr(libc, name)(*arguments) < 0 and ctypes.get_errno()
def opened(path):
    try: return bool(open(path, 'w'))
    except OSError: return False
def main(args):
    started = threading.Thread(target=os.getpid); started.start(); started.join()
    done = os.waitstatus_to_exitcode(os.waitpid(os.fork() or os._exit(7), 0)[1])
    refusals = [refused('memfd_create', b'x', 0), refused('unshare', 0x10000000), refused('ptrace', 0, 0, 0, 0)]
    refusals += [refused('inotify_init1', 0), refused('shmget', 1, 4096, 0o1600), refused('mount', 0, b'/tmp', 0, 0, 0)]
    return {'refusals': refusals, 'child': done, 'root': opened('/x'), 'tmp': opened('/tmp/x'), 'user': os.getuid()}
"""


def test_under_the_recommended_profile_it_classifies(start: Start, photos: Mapping[str, KnownPhoto]) -> None:
    """With no capability, no new privileges, a root that is read only, and the system calls of the list alone."""
    outcome = classified(initialised(start(options=CONFINED)), photos["coffee"].jpeg)
    assert outcome["classifications"][0]["label"] == "espresso"


def test_the_recommended_profile_refuses_what_the_embedded_host_does(start: Start) -> None:
    """Children and threads there are."""
    client = start(options=CONFINED)
    assert client.init(ATTACKS) == (200, {"ok": True})
    came = client.run()[1]
    assert came == {"refusals": [1] * 6, "child": 7, "root": False, "tmp": True, "user": 65534}


def test_first_call_of_a_stem_cell_is_warm(container: Client, photos: Mapping[str, KnownPhoto]) -> None:
    """What loads is loaded before `/init`: the first call loads no model."""
    assert classified(initialised(container), photos["coffee"].jpeg)["receipt"]["cold"] is False
    assert "loadModel" not in logs_of(container, 1)[0]


def test_without_preloading(start: Start, photos: Mapping[str, KnownPhoto]) -> None:
    """An image that preloads nothing serves as well; its first call is the cold one."""
    client = initialised(start(environment={"PIXWHISK_PRELOAD": ""}))
    assert [classified(client, photos["coffee"].jpeg)["receipt"]["cold"] for _ in range(2)] == [True, False]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_twelve_megapixels_fit(container: Client, photos: Mapping[str, KnownPhoto], form: str) -> None:
    """Pictures of 12 megapixels, again and again, stay within the smallest container OpenWhisk has."""
    large = io.BytesIO()
    with Pictures.open(photos["coffee"].path) as picture:
        # Of few colours where it is a PNG, or it would not fit into arguments.
        small = picture.convert("RGB").quantize(16).convert("RGB") if form == "PNG" else picture.convert("RGB")
        small.resize((4000, 3000), Pictures.Resampling.NEAREST).save(large, form, quality=80)
    initialised(container)
    for _ in range(5):
        assert classified(container, large.getvalue())["width"] == 4000
    assert container.container.alive()
    assert peak_megabytes(container) < MEMORY


def test_memory_limit(container: Client) -> None:
    """An action that wants more memory than it may have ends with its container, by the kernel."""
    assert container.init("def main(args): return {'x': len(b'x' * args['size'])}")[0] == 200
    assert container.run({"size": 10 << 20})[0] == 200
    with pytest.raises((OSError, HTTPException)):
        container.run({"size": 1 << 30})
    assert isinstance(container.container, DockerContainer)
    ended = container.container.ended()
    assert (ended["OOMKilled"], ended["ExitCode"]) == (True, 137)


@pytest.mark.parametrize("name", [name for name, entry in bundles.ENTRIES.items() if bundles.sources(entry)])
def test_every_zip_starts(container: Client, name: str) -> None:
    """Every action's zip finds its libraries in the image, and answers without settings in words."""
    initialised(container, name)
    status, body = container.run({})
    assert (status, type(body)) == (200, dict)
    assert "ModuleNotFoundError" not in "".join(container.container.output())


def test_preloading_another_action(start: Start) -> None:
    """An operator may keep stem cells of another action warm instead."""
    client = start(environment={"PIXWHISK_PRELOAD": "actions.store.__main__"})
    initialised(client, "store")
    assert client.run({})[0] == 200


def test_nothing_else_is_in_it(container: Client) -> None:
    """No shell, installer, compiler, or TensorFlow: neither for actions nor for who breaks into one."""
    programs = ["sh", "bash", "gcc", "cc", "ld", "pip", "pip3", "apt", "dpkg", "perl"]
    modules = ["pip", "ensurepip", "setuptools", "tensorflow", "numpy", "infra"]
    there = f"[n for n in {programs} if shutil.which(n)] + [n for n in {modules} if importlib.util.find_spec(n)]"
    assert evaluated(container, there) == []


def test_is_nobody(start: Start) -> None:
    """The action is not root, and can change nothing of the image even where its root may be written."""
    client = start(options=())
    paths = ["/", "/pixwhisk", "/pixwhisk/code/proxy/__main__.pyc", "/usr/lib", "/etc"]
    kept = f"[p for p in {paths} if os.access(p, os.W_OK)]"
    assert evaluated(client, f"[os.getuid(), os.getgid(), {kept}]") == [65534, 65534, []]


def test_bytecode_is_shipped(image: Image) -> None:
    """Nothing that classify imports is compiled at start, neither ours nor of libraries nor Python's own."""
    program = (
        "import sys; sys.stderr = sys.stdout; sys.path += ['/pixwhisk/libraries', '/pixwhisk/code']; "
        "import actions.classify.__main__, actions.store.__main__"
    )
    options = ["--rm", "--network=none", *READ_ONLY, "--entrypoint=python3"]
    said = docker("run", *options, image.name, "-I", "-S", "-B", "-v", "-c", program)
    # Python tells where code came from: a quoted path is bytecode's, a bare one the source's.
    assert "code object from '/pixwhisk/code/actions/classify/__pycache__/__main__." in said
    assert "code object from /" not in said


def test_writes_nothing_outside_of_tmp(start: Start, photos: Mapping[str, KnownPhoto]) -> None:
    """A container that may write its root writes to its temporary directory alone."""
    client = initialised(start(options=()))
    classified(client, photos["coffee"].jpeg)
    assert isinstance(client.container, DockerContainer)
    changed = [line.split(" ", 1)[1] for line in docker("diff", client.container.name).splitlines()]
    assert changed
    assert [path for path in changed if path != "/tmp" and not path.startswith("/tmp/action-")] == []


def test_it_is_the_image_of_the_manifest(image: Image) -> None:
    """The name that `make image` gives is the one every action is deployed with."""
    ((_, package),) = manifest.read().items()
    assert {action["docker"] for action in package["actions"].values()} == {image.name}
    assert image.labels["org.opencontainers.image.version"] == image.name.rpartition(":")[2]


def test_has_the_pool_s_environment(image: Image) -> None:
    """An action finds the same settings of its libraries in the image as in a local process."""
    given = json.loads(docker("image", "inspect", "--format", "{{json .Config.Env}}", image.name))
    assert ENVIRONMENT.items() <= dict(each.split("=", 1) for each in given).items()


def test_tensorflow_serves_the_saved_model(start: Start, photos: Mapping[str, KnownPhoto]) -> None:
    """The image with TensorFlow classifies by the SavedModel, given four times the memory."""
    image = built_image("tensorflow")
    client = initialised(start(name=image.name, memory=512))
    outcome = classified(client, photos["coffee"].jpeg)
    assert outcome["classifications"][0]["label"] == "espresso"
    assert outcome["receipt"]["cold"] is False
    assert outcome["model"]["digest"] == image.labels[runtime_image.LABEL_DIGEST]
    assert outcome["model"]["name"] == "efficientnet-lite0"
