"""What the image's build is given: a directory of hashed libraries, our code, and the model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actions.classify.model import directory_digest
from infra.model import card
from infra.openwhisk import bundles
from infra.paths import ROOT
from infra.setup.bootstrap import installer_environment

Target = Literal["runtime", "tensorflow"]

HERE = ROOT / "infra/runtime"
LOCK = ROOT / "requirements/runtime.txt"
LOCK_TENSORFLOW = ROOT / "requirements/model.txt"

# LiteRT's Python binding wants these; the actions call its C interface (`actions/classify/litert.py`).
BINDING = frozenset({"numpy", "ml-dtypes", "flatbuffers", "protobuf", "tqdm", "colorama", "backports-strenum"})
# Compilers, measuring tools and the like that TensorFlow's wheel asks for and serving a SavedModel does not.
BUILDING = frozenset({"libclang", "wheel"})

# Within the libraries: what no action imports. Patterns are relative to the directory of libraries.
UNUSED = (
    # Tests, and what only compilers and editors read.
    *("bin", "**/SelfTest", "**/tests", "sqlalchemy/testing", "**/__pycache__"),
    *("**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h"),
    *("sqlalchemy/dialects/mysql", "sqlalchemy/dialects/mssql", "sqlalchemy/dialects/oracle"),
    # Drawing text, and windows.
    *("PIL/_imagingft.*", "PIL/_imagingtk.*"),
)
# Formats that an image may be built without, and what of the libraries each needs.
FORMATS: Mapping[str, tuple[str, ...]] = {
    "heic": ("pi_heif", "pi_heif.libs", "pi_heif-*", "_pi_heif.*"),
    "avif": ("PIL/_avif.*", "pillow.libs/libavif-*"),
}
UNUSED_TENSORFLOW = ("bin", "tensorflow/include", "**/__pycache__")
# All of LiteRT that the actions load.
LITERT = frozenset({"__init__.py", "libLiteRt.so"})


class CannotBuild(Exception):
    """The image cannot be made; the message says what would help."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The Python of a base image: its version (3.11.2), and its machine (x86_64)."""

    python: str
    machine: str

    @property
    def platform(self) -> str:
        """As uv calls it. The base's glibc may be newer: the libraries are chosen for the oldest there is for all."""
        return f"{self.machine}-manylinux_2_28"


@dataclass(frozen=True, slots=True)
class Sources:
    """What an image is made of, beside its base. `model` is a model's directory, as set-up builds it; `without` are
    formats that it shall not read.
    """

    model: Path
    target: Target = "runtime"
    without: tuple[str, ...] = ()

    def recipe(self) -> str:
        """One digest for all of it."""
        files = [HERE / "Dockerfile", Path(__file__), HERE / "assemble.py", LOCK, self.model / card.CARD]
        if self.target == "tensorflow":
            files.append(LOCK_TENSORFLOW)
        parts = [path.read_bytes() for path in files] + [f"without {name}\n".encode() for name in self.without]
        parts += [f"{name}\0{card.digest(path.read_bytes())}\n".encode() for name, path in code()]
        return card.digest(b"".join(card.digest(part).encode() for part in parts))

    def card(self) -> dict[str, object]:
        """The card of the model that the image serves."""
        described: dict[str, object] = json.loads((self.model / card.CARD).read_bytes())
        if self.target == "runtime":
            return described
        del described["backbone"], described["head"], described["size"]
        return {
            **described,
            "name": str(described["name"]).removesuffix("-int8"),
            "digest": directory_digest(self.model / str(described["savedModel"])),
        }


def write(directory: Path, sources: Sources, base: BaseImage) -> None:
    """Fill an empty directory. Raises `CannotBuild`."""
    for name in ("Dockerfile", "assemble.py"):
        shutil.copyfile(HERE / name, directory / name)
    for name, path in code():
        place(path, directory / "code" / name)
    write_model(directory / "model", Sources(sources.model))
    install(LOCK, BINDING, directory / "libraries", base)
    drop(directory / "libraries", UNUSED + tuple(each for name in sources.without for each in FORMATS[name]))
    only(directory / "libraries/ai_edge_litert", LITERT)
    if sources.target == "tensorflow":
        write_model(directory / "saved-model", sources)
        install(LOCK_TENSORFLOW, find_served(LOCK, BINDING) | BUILDING, directory / "tensorflow", base)
        drop(directory / "tensorflow", UNUSED_TENSORFLOW)


def code() -> Iterator[tuple[str, Path]]:
    """Our own files by their names in the image: the proxy, and all that an action's zip may hold."""
    names = {name for entry in bundles.ENTRIES.values() for name in bundles.sources(entry)}
    for path in sorted((HERE / "proxy").glob("*.py")):
        yield f"proxy/{path.name}", path
    for name in sorted(names):
        yield name, ROOT / name


def write_model(directory: Path, sources: Sources) -> None:
    described = sources.card()
    directory.mkdir()
    (directory / card.CARD).write_text(json.dumps(described, ensure_ascii=False))
    if sources.target == "runtime":
        for file in card.FILES.values():
            shutil.copyfile(sources.model / file, directory / file)
    else:
        shutil.copytree(sources.model / card.SAVED_MODEL, directory / card.SAVED_MODEL)


def place(path: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, destination)


def install(lock: Path, excluded: Collection[str], directory: Path, base: BaseImage) -> None:
    """Install a lock's wheels for the base's Python, each checked against its hashes. Nothing of them is run."""
    wanted = directory.with_suffix(".txt")
    wanted.write_text(without(lock.read_text(), excluded))
    command = [
        *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--target", str(directory)),
        *("--python", sys.executable, "--python-version", base.python, "--python-platform", base.platform),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy", "-r", str(wanted)),
    ]
    if subprocess.run(command, env={**os.environ, **installer_environment()}, check=False).returncode:
        raise CannotBuild(f"the libraries of {lock.name} cannot be installed for {base}; run it again")
    wanted.unlink()


def without(lock: str, excluded: Collection[str]) -> str:
    """A lock's text without some distributions."""
    entries = re.split(r"\n(?=\S)", lock)
    return "\n".join(entry for entry in entries if parse_name(entry) not in excluded) + "\n"


def find_served(lock: Path, excluded: Collection[str]) -> frozenset[str]:
    """The names of a lock's distributions, without the excluded."""
    return frozenset(parse_name(entry) for entry in re.split(r"\n(?=\S)", lock.read_text())) - frozenset(excluded)


def parse_name(entry: str) -> str:
    return entry.partition("==")[0].strip()


def drop(directory: Path, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        for path in list(directory.glob(pattern)):
            remove(path)


def only(directory: Path, kept: Collection[str]) -> None:
    for path in directory.iterdir():
        if path.name not in kept:
            remove(path)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
