"""`python -m infra.runtime.image --base IMAGE`: builds the runtime image with Docker, without a network of its own."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from infra import paths
from infra.model import card
from infra.runtime.context import FORMATS, BaseImage, CannotBuild, Sources, Target, write

NAMES: Mapping[Target, str] = {"runtime": "pixwhisk/runtime", "tensorflow": "pixwhisk/runtime-tensorflow"}
BASE = "python:3.11-slim"
PRELOAD = "actions.classify.__main__"

LABEL_RECIPE = "pixwhisk.recipe"
LABEL_MODEL = "pixwhisk.model.name"
LABEL_DIGEST = "pixwhisk.model.digest"

# Run by the base's Python.
PROBE = "import json, platform as p; print(json.dumps([p.python_version(), p.machine(), *p.libc_ver()]))"


def main() -> int:
    wanted = options()
    try:
        sources = Sources(wanted.model, wanted.target, tuple(wanted.without))
        build(wanted.base, wanted.tag or tag(wanted.target), sources, wanted.preload)
    except CannotBuild as problem:
        print(f"no image: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.runtime.image", description=__doc__)
    parser.add_argument("--base", default=BASE, metavar="IMAGE", help="an image with Python (default: %(default)s)")
    parser.add_argument("--tag", metavar="NAME", help=f"default: {tag('runtime')}, or the like for the target")
    parser.add_argument("--target", choices=list(NAMES), default="runtime", help="default: %(default)s")
    parser.add_argument(
        "--preload",
        default=PRELOAD,
        metavar="MODULES",
        help="what a container has warm before it is told its action (default: %(default)s)",
    )
    parser.add_argument(
        "--without", nargs="+", choices=list(FORMATS), default=[], help="formats that the image shall not read"
    )
    parser.add_argument("--model", type=Path, default=paths.default_model(), metavar="DIR", help="as set-up builds it")
    return parser.parse_args()


def tag(target: Target) -> str:
    """The image's name as `infra/manifest.yaml` knows it."""
    return f"{NAMES[target]}:{version('pixwhisk')}"


def build(base: str, name: str, sources: Sources, preload: str) -> None:
    """Build and tag, unless the very same is there. Raises `CannotBuild`."""
    if not shutil.which("docker"):
        raise CannotBuild("there is no `docker` on the PATH: install Docker, or run this where it is")
    if fault := card.fault(sources.model, card.recipe(paths.ROOT)):
        raise CannotBuild(f"the model cannot be used, because {fault}: run `make setup`")
    python = probe(base)
    wanted = labels(sources, preload, inspect_image(base, "{{.Id}}"))
    if find_labels(name) != wanted:
        with tempfile.TemporaryDirectory(prefix="pixwhisk-image-") as directory:
            context = Path(directory)
            write(context, sources, python)
            command = ["docker", "build", "--quiet", "--network", "none", "--target", sources.target, "--tag", name]
            settings = [f"--build-arg=BASE={base}", f"--build-arg=PRELOAD={preload}"]
            described = [f"--label={key}={value}" for key, value in wanted.items()]
            if output([*command, *settings, *described, str(context)]) is None:
                raise CannotBuild("`docker build` failed; its words are above")
    print(f"{name}: {int(inspect_image(name, '{{.Size}}')) / 1e6:.0f} MB, {wanted[LABEL_MODEL]} {wanted[LABEL_DIGEST]}")


def labels(sources: Sources, preload: str, base: str) -> Mapping[str, str]:
    """What an image says of itself. `base` is the identity of its base."""
    described = sources.card()
    return {
        "org.opencontainers.image.title": NAMES[sources.target],
        "org.opencontainers.image.version": version("pixwhisk"),
        "org.opencontainers.image.licenses": "Apache-2.0",
        "pixwhisk.base": base,
        "pixwhisk.preload": preload,
        LABEL_MODEL: str(described["name"]),
        LABEL_DIGEST: str(described["digest"]),
        LABEL_RECIPE: sources.recipe(),
    }


def find_labels(name: str) -> Mapping[str, str] | None:
    """What the image of that name says of itself, None where there is none or no Docker."""
    said = output(["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", name], quiet=True)
    found: dict[str, str] | None = json.loads(said) if said else None
    return found


def probe(base: str) -> BaseImage:
    """Ask the base's Python what it is; Docker fetches the base if it is not there. Raises `CannotBuild`."""
    said = output(["docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", base, "-c", PROBE])
    if said is None:
        raise CannotBuild(f"{base} does not run `python3`; docs/image.md says how to make a base")
    python, machine, libc, libc_version = json.loads(said)
    if libc != "glibc" or number(libc_version) < (2, 28) or not (3, 11) <= number(python) < (3, 14):
        raise CannotBuild(f"{base} has Python {python} and {libc or 'no glibc'}: take 3.11 to 3.13, with glibc 2.28")
    return BaseImage(python, machine)


def number(text: str) -> tuple[int, int]:
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def inspect_image(name: str, what: str) -> str:
    return (output(["docker", "image", "inspect", "--format", what, name]) or "").strip()


def output(command: Sequence[str], *, quiet: bool = False) -> str | None:
    """What a command prints, None where it fails; what it says of that goes to our stderr unless `quiet`."""
    said = subprocess.DEVNULL if quiet else None
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return ended.stdout if ended.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
