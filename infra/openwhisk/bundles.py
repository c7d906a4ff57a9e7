"""Actions as zips: the same source gives the same bytes, on any machine, at any time.

A zip holds a root `__main__.py`, where OpenWhisk looks for `main`, and below `actions/` and `triggers/` exactly the
modules the action imports, found by reading the imports, with the data files that lie beside them. Files are stored
uncompressed: they are small, `/init` is quicker, and no version of a compressor can change the bytes.
"""

from __future__ import annotations

import ast
import io
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from infra.paths import ROOT

# The module whose `main` is the action's, by the name of the zip.
ENTRIES: Mapping[str, str] = {
    "classify": "actions.classify.__main__",
    "store": "actions.store.__main__",
    "view": "actions.view.__main__",
    "bucket": "triggers.feed.__main__",
    "sweep": "triggers.sweep.__main__",
}

_OURS = ("actions", "triggers")
# Beside a module that is taken, these are its data.
_DATA_SUFFIXES = {".html", ".css", ".json", ".sql"}
# The earliest date a zip can hold.
_DATE = (1980, 1, 1, 0, 0, 0)
_LAUNCHER = '"""Where OpenWhisk looks for the action."""\n\nfrom {entry} import main as main\n'


def bundle(entry: str, root: Path = ROOT) -> bytes:
    """The zip of the action whose `main` is in module `entry`."""
    files = {"__main__.py": _LAUNCHER.format(entry=entry).encode()}
    files |= {name: (root / name).read_bytes() for name in sources(entry, root)}
    return archive(files)


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on names and contents only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zipped:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # Unix, wherever this runs: the mode below means something there
            entry.external_attr = 0o100644 << 16
            zipped.writestr(entry, files[name])
    return buffer.getvalue()


def sources(entry: str, root: Path = ROOT) -> Sequence[str]:
    """Paths of all files of ours that `entry` needs, relative to `root`, in order."""
    found: set[str] = set()
    waiting = [entry]
    while waiting:
        path = _file(waiting.pop(), root)
        if path is not None and path not in found:
            found.add(path)
            waiting += _find_imported(path, root)
    data = {f"{Path(path).parent}/{file.name}" for path in found for file in _data_beside(root / path)}
    return sorted(found | data)


def _file(module: str, root: Path) -> str | None:
    stem = module.replace(".", "/")
    for path in (f"{stem}.py", f"{stem}/__init__.py"):
        if (root / path).is_file():
            return path
    return None


def _find_imported(path: str, root: Path) -> Iterator[str]:
    tree = ast.parse((root / path).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import name`: the name may be a module, or something a module defines.
            named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in named:
            yield from _with_packages(name)
    yield from _with_packages(path.removesuffix(".py").replace("/", "."))


def _with_packages(module: str) -> Iterator[str]:
    parts = module.split(".")
    if parts[0] in _OURS:
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _data_beside(module: Path) -> Iterator[Path]:
    # An `__init__.py` is taken for every package on the way; only a module that does something owns the data.
    if module.name != "__init__.py":
        yield from (file for file in module.parent.iterdir() if file.suffix in _DATA_SUFFIXES)


def write_all(directory: Path) -> Sequence[Path]:
    """Write every action's zip that has a source, for wskdeploy; returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, entry in ENTRIES.items():
        if _file(entry, ROOT):
            path = directory / f"{name}.zip"
            path.write_bytes(bundle(entry))
            written.append(path)
    return written


if __name__ == "__main__":
    for each in write_all(Path(sys.argv[1] if len(sys.argv) > 1 else "build")):
        print(each)
