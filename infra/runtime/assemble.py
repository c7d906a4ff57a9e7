"""Inside the image's build, by the base's own Python: picks out of the base what runs the actions, and compiles it.

    assemble.py root ROOT LIBRARIES…       make in ROOT all that Python and LIBRARIES need of the base
    assemble.py libraries ROOT LIBRARIES…  finish more LIBRARIES for a ROOT that is there
    assemble.py code DIRECTORY…            finish what is our own

Each directory becomes a layer: what lies in it as `pixwhisk/code` will be `/pixwhisk/code` in the image. Every Python
file gets its bytecode, which is used unasked and never written again: a read-only root stays fast. Dates and modes are
made the same each time, so that the same files make the same layers. Standard library only.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

# 1980-01-01: the earliest date that zips can hold, too.
DATE = 315532800
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH

# Of the standard library: what develops or shows programs.
STAYS_BEHIND = (
    *(
        "test",
        "tests",
        "idlelib",
        "lib2to3",
        "ensurepip",
        "pydoc_data",
        "tkinter",
        "turtledemo",
        "turtle.py",
        "venv",
        "_tkinter.*",
    ),
    *("config-*", "site-packages", "dist-packages", "__pycache__", "sitecustomize.py", "EXTERNALLY-MANAGED", "*.a"),
)
# Shared libraries that a Linux wheel may count on, or that glibc opens by name when it needs them.
ALWAYS = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libresolv.so.2"),
    *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libnss_dns.so.2", "libnss_files.so.2"),
)
# Where programs look for certificates of authorities, if the base has any.
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf")
FILES = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/tmp:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def main(arguments: Sequence[str]) -> None:
    what, *directories = arguments
    paths = [Path(each) for each in directories]
    if what == "root":
        make_root(*paths)
    elif what == "libraries":
        finish_libraries(*paths)
    else:
        for path in paths:
            finish(path)


def make_root(root: Path, *libraries: Path) -> None:
    root.mkdir()
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if (link := Path("/", name)).is_symlink():
            (root / name).symlink_to(link.readlink())
    python = shutil.which("python3") or sys.executable
    bring(Path(python), root)
    standard = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(standard, below(root, standard), ignore=shutil.ignore_patterns(*STAYS_BEHIND))
    objects = [Path(python).resolve(), *find_shared_objects(below(root, standard)), *find_fixed_libraries()]
    for path in [*find_needed(objects), *find_fixed_libraries(), *map(Path, CERTIFICATES)]:
        if path.exists():
            bring(path, root)
    write_files(root)
    finish_libraries(root, *libraries, into=root)
    subprocess.run(["ldconfig", "-r", str(root)], check=True)
    finish(root)
    temporary = root / "tmp"
    temporary.mkdir()
    temporary.chmod(0o1777)
    os.utime(temporary, (DATE, DATE))


def finish_libraries(root: Path, *libraries: Path, into: Path | None = None) -> None:
    """Drop the bundled shared libraries that nothing needs; see that the others are in `root`, or bring them there."""
    for directory in libraries:
        reached = find_needed([each for each in find_shared_objects(directory) if not is_bundled(each)])
        for each in [each for each in find_shared_objects(directory) if is_bundled(each)]:
            if each.resolve() not in reached:
                each.unlink()
        outside = {each for each in reached if not each.is_relative_to(directory)}
        for path in sorted(outside):
            if into:
                bring(path, into)
            elif not below(root, path).exists():
                sys.exit(f"{directory} needs {path}, which is not in the image")
        finish(directory)


def is_bundled(path: Path) -> bool:
    """Whether it lies where wheels keep copies of other projects' libraries."""
    return path.parent.suffix == ".libs"


def find_shared_objects(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*.so*") if path.is_file() and ".so" in path.suffixes)


def find_needed(objects: Sequence[Path]) -> set[Path]:
    """All shared libraries that `objects` name, at any depth, as the loader finds them here."""
    listed = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=False).stdout
    if missing := sorted(set(re.findall(r"^\s+(\S+) => not found", listed, re.MULTILINE))):
        sys.exit(f"the base has no {', '.join(missing)}: add it to the base, or take another one")
    found = {Path(each) for each in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", listed, re.MULTILINE)}
    return {path for each in found for path in (each.parent.resolve() / each.name, each.resolve())}


def find_fixed_libraries() -> list[Path]:
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    places = dict(re.findall(r"^\s+(\S+) .*=> (/\S+)$", listed, re.MULTILINE)[::-1])
    return [Path(places[name]) for name in ALWAYS if name in places]


def bring(path: Path, root: Path) -> None:
    """Copy a file to its own place below `root`, with the links that lead to it."""
    path = path.parent.resolve() / path.name
    place = below(root, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.exists():
        return
    if path.is_symlink():
        place.symlink_to(path.readlink())
        bring(path.parent / path.readlink(), root)
    else:
        shutil.copyfile(path, place)
        shutil.copymode(path, place)


def below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def write_files(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for path in Path("/etc").glob("ld.so.conf*"):
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, below(root, path))


def finish(layer: Path) -> None:
    """Compile all Python files, then give everything one date and one of two modes."""
    compile_all(layer)
    for entry in layer.glob("pixwhisk/code/proxy/__main__.py"):
        # Python caches what is imported, never the file it was started with.
        started = entry.with_suffix(".pyc")
        name = str(Path("/", started.relative_to(layer)))
        py_compile.compile(str(entry), str(started), name, doraise=True, invalidation_mode=UNCHECKED)
    for path in walk(layer):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (DATE, DATE), follow_symlinks=False)


def compile_all(layer: Path) -> None:
    # Libraries may carry files for other versions of Python, so failures are not errors.
    compileall.compile_dir(
        layer,
        maxlevels=50,
        quiet=2,
        force=True,
        workers=0,
        stripdir=str(layer),
        prependdir="/",
        invalidation_mode=UNCHECKED,
    )


def walk(directory: Path) -> Iterator[Path]:
    """All paths below, the contents of a directory before it."""
    for parent, directories, files in os.walk(directory, topdown=False):
        yield from (Path(parent, name) for name in (*files, *directories))


if __name__ == "__main__":
    main(sys.argv[1:])
