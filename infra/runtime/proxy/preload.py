"""Preloading: which modules a stem cell imports, and which of them it may keep."""

# pathlib delays a cold start.
# ruff: noqa: PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import builtins
import gc
import importlib
import os
import sys

from .logs import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType
    from typing import Any


class Preloaded:
    """Modules imported before the action was known, the bytes they came from, and who imported whom."""

    def __init__(self, modules: Sequence[str], paths: Sequence[str]) -> None:
        self.paths = [os.path.realpath(path) for path in paths]
        # Where an installed distribution is preloaded from, its libraries lie side by side with it.
        self.shared = {os.path.realpath(path) for path in sys.path}
        self.named = {name.partition(".")[0] for name in modules}
        self.sources: dict[str, tuple[str, bytes]] = {}
        self.imports: dict[str, set[str]] = {}
        self.libraries: set[str] = set()
        self.retired: list[object] = []
        if modules:
            self._preload(modules)

    def _preload(self, modules: Sequence[str]) -> None:
        before = set(sys.modules)
        original = builtins.__import__
        sys.path[:0] = [path for path in self.paths if path not in self.shared]
        builtins.__import__ = self._make_recorder(original)
        try:
            for name in modules:
                preload(name)
        finally:
            builtins.__import__ = original
        for name in set(sys.modules) - before:
            self._note(name)

    def _make_recorder(self, original: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
        def record(
            name: str,
            of: Mapping[str, Any] | None = None,
            local: Mapping[str, Any] | None = None,
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            module = original(name, of, local, fromlist, level)
            imported = self.imports.setdefault(str((of or {}).get("__name__")), set())
            found = getattr(module, "__name__", name)
            imported.update([found, *(f"{found}.{each}" for each in fromlist or ())])
            if not level:
                imported.add(name)
            return module

        return record

    def _note(self, name: str) -> None:
        file = os.path.realpath(getattr(sys.modules[name], "__file__", None) or os.sep)
        top = name.partition(".")[0]
        for path in self.paths:
            relative = file.removeprefix(os.path.join(path, ""))
            # The exact place, because libraries may lie somewhere below a preload path.
            exact = relative in [name.replace(".", os.sep) + end for end in (".py", "/__init__.py")]
            if exact and (path not in self.shared or top in self.named):
                with open(file, "rb") as opened:
                    self.sources[name] = (relative, opened.read())
                return
        self.libraries.add(top)

    def contents(self) -> dict[str, bytes]:
        """The files that an action would have to bring for all to be kept, by their names in it."""
        return dict(self.sources.values())

    def adopt(self, directory: str, kept: set[str]) -> None:
        """Keep what the action in `directory` brings unchanged as its own; forget everything else. Files that are
        `kept`, by name, are known not to have changed.
        """
        sys.path[:] = [path for path in sys.path if path not in self.paths or path in self.shared]
        forgotten = self._with_importers(self._find_changed(directory, kept) | self._find_shadowed(directory))
        for name in forgotten:
            forget(name)
        for name in self.sources.keys() - forgotten:
            move(sys.modules[name], os.path.join(directory, self.sources[name][0]))
        if forgotten:
            gc.unfreeze()
            gc.collect()
        # Not freed: of a copy, each page that they are on would be copied for it.
        self.retired.append((self.sources, self.imports, self.libraries))
        self.sources, self.imports, self.libraries = {}, {}, set()

    def _find_changed(self, directory: str, kept: set[str]) -> set[str]:
        return {
            name
            for name, (path, source) in self.sources.items()
            if path not in kept and not holds(directory, path, source)
        }

    def _find_shadowed(self, directory: str) -> set[str]:
        brought = {name.removesuffix(".py") for name in os.listdir(directory)}
        shadowed = (self.libraries & brought) - sys.stdlib_module_names
        # Whoever looks at all modules of a copy has each page copied that they are on.
        if not shadowed:
            return set()
        return {name for name in sys.modules if name.partition(".")[0] in shadowed}

    def _with_importers(self, forgotten: set[str]) -> set[str]:
        """Whoever imported a forgotten module holds parts of it, and is forgotten too."""
        while forgotten:
            more = {name for name in self.sources.keys() - forgotten if self._needs(name) & forgotten}
            if not more:
                break
            forgotten |= more
        return forgotten

    def _needs(self, name: str) -> set[str]:
        parents = {name[:at] for at, letter in enumerate(name) if letter == "."}
        return parents | self.imports.get(name, set())


def preload(name: str) -> None:
    """Import a module and let it warm up. What fails here is only slower later, so it is told and survived."""
    try:
        warm_up = getattr(importlib.import_module(name), "preload", None)
        if warm_up is not None:
            warm_up()
    except Exception as failure:  # noqa: BLE001 - process boundary: somebody else's module
        show(failure)


def holds(directory: str, path: str, content: bytes) -> bool:
    try:
        file = os.open(os.path.join(directory, path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # One read gives all of a small file; a longer one differs, a shorter one too.
        return os.read(file, len(content) + 1) == content
    except OSError:
        return False
    finally:
        os.close(file)


def forget(name: str) -> None:
    """Drop a module, also from its package: `from package import module` would still find it there."""
    sys.modules.pop(name, None)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(child, None)


def move(module: ModuleType, path: str) -> None:
    """Make a module's data files and later imports come from `path`."""
    module.__file__ = path
    spec = module.__spec__
    if spec is None:
        return
    spec.origin = path
    if hasattr(spec.loader, "path"):
        vars(spec.loader)["path"] = path
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations = [os.path.dirname(path)]
