"""The kinds of action this host runs, and the command that starts a container of each."""

from __future__ import annotations

import compileall
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, assert_never

from infra.host.containers.landlock import Confinement
from infra.paths import ROOT

Family = Literal["python", "nodejs"]

PROXIES = ROOT / "infra/runtime"
# Where `actions` and `triggers` are imported from for preloading.
SOURCES = ROOT
PACKAGES = ("actions", "triggers")


class UnknownKind(Exception):
    """No such kind here; the message is OpenWhisk's own, listing those there are."""

    def __init__(self, kind: str, valid: Sequence[str]) -> None:
        super().__init__(
            f"The specified runtime '{kind}' is not supported by this platform. Valid values are: "
            + ", ".join(f"'{each}'" for each in valid)
            + "."
        )


@dataclass(frozen=True, slots=True)
class Runtime:
    """One kind, as the operator of an OpenWhisk declares it."""

    kind: str
    family: Family
    image: str
    default: bool = False

    def dump(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "image": self.image,
            "default": self.default,
            "deprecated": False,
            "requireMain": False,
            "attached": True,
            "stemCells": [],
        }


PYTHON = (
    Runtime("python:3", "python", "pixwhisk/runtime"),
    Runtime("python:3.11", "python", "pixwhisk/runtime", default=True),
)
NODE = (Runtime("nodejs:20", "nodejs", "pixwhisk/runtime-nodejs", default=True),)


@dataclass(frozen=True, slots=True)
class Runtimes:
    """What can be run. `environment` is given to every action process, beside its own directory and `PATH`.

    A blackbox, whatever its image, runs in the local Python runtime. `readable` is what all of them may read beside
    their own runtime.
    """

    declared: Sequence[Runtime] = PYTHON
    environment: Mapping[str, str] = field(default_factory=dict)
    node: str | None = None
    readable: Sequence[Path] = ()

    def resolve(self, kind: str) -> str:
        """The declared kind meant by `kind` (`python:default` → `python:3.11`). Raises `UnknownKind`."""
        for each in self.declared:
            if kind == each.kind or (each.default and kind == f"{each.family}:default"):
                return each.kind
        raise UnknownKind(kind, [*(each.kind for each in self.declared), "sequence", "blackbox"])

    def document(self) -> dict[str, list[dict[str, Any]]]:
        """`runtimes` of `GET /`: the kinds by family."""
        families: dict[str, list[dict[str, Any]]] = {}
        for each in self.declared:
            families.setdefault(each.family, []).append(each.dump())
        return families

    def family(self, runtime: str) -> Family:
        """The family of an executable's runtime. Raises `UnknownKind`."""
        if runtime.startswith("blackbox:"):
            return "python"
        kind = self.resolve(runtime)
        return next(each.family for each in self.declared if each.kind == kind)

    def command(self, runtime: str, preload: Sequence[str], given: Sequence[int]) -> list[str]:
        """The proxy for `runtime`, serving the one connection that it inherits, the first of the descriptors `given`.

        Raises `UnknownKind`.
        """
        family = self.family(runtime)
        if family == "python":
            return python_command(preload, f"connection:{given[0]}")
        if family == "nodejs":
            return [self.node or "node", str(PROXIES / "proxy.js"), "--listen", f"connection:{given[0]}"]
        assert_never(family)

    def confinement(self, runtime: str, preload: Sequence[str]) -> Confinement:
        """What a container of `runtime` sees of this machine. Raises `UnknownKind`."""
        family = self.family(runtime)
        if family == "python":
            packages = [SOURCES / name for name in PACKAGES] if preload else []
            # Importing from a directory takes listing it, and a list of one directory is one of all below.
            return Confinement([*python_files(), *packages, PROXIES, *self.readable], [SOURCES] if preload else [])
        if family == "nodejs":
            return Confinement([*node_files(self.node), PROXIES, *self.readable])
        assert_never(family)


def zygote_command(preload: Sequence[str], given: Sequence[int]) -> list[str]:
    """Python's proxy as a zygote, which inherits the descriptors `given`, its lifeline the last."""
    return python_command(preload, f"orders:{given[0]},{given[-1]}")


def python_command(preload: Sequence[str], listen: str) -> list[str]:
    """Isolated (`-I`) and without `site` (`-S`): 15 ms less, and no checkout that an editable install would let in."""
    libraries = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    command = [sys.executable, "-I", "-S", str(PROXIES / "proxy/__main__.py"), "--listen", listen]
    for library in libraries:
        command += ["--path", library]
    if preload:
        command += ["--preload-path", str(SOURCES)]
    for module in preload:
        command += ["--preload", module]
    return command


def compile_sources() -> None:
    """Compile what has changed of what every container imports, the proxy itself and the packages that are preloaded:
    containers cannot keep what they compile.
    """
    for directory in (PROXIES / "proxy", *(SOURCES / name for name in PACKAGES)):
        compileall.compile_dir(directory, quiet=2)


def python_files() -> list[Path]:
    """This interpreter with its libraries, in and out of its virtual environment."""
    return list(
        dict.fromkeys(Path(each) for each in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix))
    )


def node_files(node: str | None) -> list[Path]:
    """Node's program, and the libraries of an installation of its own; never all that lies around a lone program."""
    if node is None:
        return []
    program = Path(node).resolve()
    return [program, program.parent.parent / "lib"] if program.parent.name == "bin" else [program]


def local_runtimes(environment: Mapping[str, str] | None = None, readable: Sequence[Path] = ()) -> Runtimes:
    """The kinds this machine can run: Python's always, Node's where `node` is on the `PATH`.

    A zygote has `environment` before there is an action, as a container has what its image sets.
    """
    node = shutil.which("node")
    return Runtimes(PYTHON + NODE if node else PYTHON, environment or {}, node, readable)
