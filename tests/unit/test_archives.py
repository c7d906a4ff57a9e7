"""Hostile archives: refused in one way, and nothing is ever written outside the directory."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.runtime.proxy.archive import BadArchive, extract

FILES = {"__main__.py": "def main(args): return {}\n" * 5, "package/module.py": "x = 1\n" * 50, "data": ""}


def as_zip(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def as_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


GOOD = {"zip": as_zip(), "stored zip": as_zip(zipfile.ZIP_STORED), "tar.gz": as_tar()}


@pytest.mark.parametrize("archive", GOOD.values(), ids=GOOD)
def test_files_come_out_whole(archive: bytes, tmp_path: Path) -> None:
    """What went in comes out, and no more."""
    extract(archive, str(tmp_path))
    found = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == FILES


@settings(max_examples=500, deadline=None)
@given(
    archive=st.sampled_from(sorted(GOOD.values())),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 4)), max_size=8
    ),
)
def test_any_damage(archive: bytes, changes: list[tuple[float, bytes, int]]) -> None:
    """However an archive is damaged, it is extracted or refused, and all stays within the directory."""
    damaged = bytearray(archive)
    for place, put, removed in changes:
        at = int(place * len(damaged))
        damaged[at : at + removed] = put
    with tempfile.TemporaryDirectory() as outer:
        directory = Path(outer) / "inner"
        directory.mkdir()
        with suppress(BadArchive):
            extract(bytes(damaged), str(directory))
        assert [path.name for path in Path(outer).iterdir()] == ["inner"]


def test_links_are_refused(tmp_path: Path) -> None:
    """A zip made on Unix can hold links, too."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadArchive, match="links"):
        extract(buffer.getvalue(), str(tmp_path))


def test_programs_stay_executable(tmp_path: Path) -> None:
    """A program that an action brings can be run by it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        program = zipfile.ZipInfo("bin/tool")
        program.create_system = 3
        program.external_attr = 0o100755 << 16
        archive.writestr(program, "#!/bin/sh\n")
    extract(buffer.getvalue(), str(tmp_path))
    assert (tmp_path / "bin/tool").stat().st_mode & 0o777 == 0o700
