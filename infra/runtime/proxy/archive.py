"""Archives: bytes in, files in a directory out."""

# pathlib delays a cold start.
# ruff: noqa: PTH101, PTH103, PTH118

from __future__ import annotations

import os
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

LIMIT_ENTRIES = 20_000
LIMIT_EXTRACTED = 512 << 20


class BadArchive(Exception):
    """The action's archive is damaged, hostile or larger than allowed."""


class ArchiveEntry:
    """One file of an archive. `read` returns exactly `size` bytes or raises `BadArchive`."""

    __slots__ = ("mode", "name", "read", "size")

    def __init__(self, name: str, mode: int, size: int, read: Callable[[], bytes]) -> None:
        self.name = name
        self.mode = mode
        self.size = size
        self.read = read


def extract(archive: bytes, directory: str, present: dict[str, bytes] | None = None) -> set[str]:
    """Write the archive's files below `directory`. Nothing is written anywhere else, nor beyond the limits.

    What is `present` there already, by name, is not written again: the names of those files are returned.
    """
    present = {} if present is None else present
    total, kept = 0, set()
    made = {directory}
    for count, entry in enumerate(entries(archive), 1):
        total += entry.size
        if count > LIMIT_ENTRIES or total > LIMIT_EXTRACTED:
            raise BadArchive(f"more than {LIMIT_ENTRIES} files or {LIMIT_EXTRACTED >> 20} MiB")
        try:
            if write_entry(entry, check_path(entry.name, directory), made, present):
                kept.add(entry.name)
        except (OSError, EOFError, ValueError, struct.error, zlib.error) as failure:
            raise BadArchive(f"{entry.name[:100]!r}: {failure}") from None
    return kept & present.keys()


def entries(archive: bytes) -> Iterator[ArchiveEntry]:
    return zip_entries(archive) if archive.startswith(b"PK") else tar_entries(archive)


def check_path(name: str, directory: str) -> str:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise BadArchive(f"{name[:100]!r} leads out of the archive")
    return os.path.join(directory, *parts)


def write_entry(entry: ArchiveEntry, path: str, made: set[str], present: dict[str, bytes]) -> bool:
    """Whether it was there. One that was, with other content, is not what was `present` any more."""
    parent, name = os.path.split(path)
    if parent not in made:
        os.makedirs(parent, 0o700, exist_ok=True)
        made.add(parent)
    if not name:
        return False
    content = entry.read()
    if present.get(entry.name) == content and not entry.mode & 0o111:
        return True
    present.pop(entry.name, None)
    write_file(path, content)
    if entry.mode & 0o111:
        os.chmod(path, 0o700)
    return False


def write_file(path: str, content: bytes) -> None:
    """Without the buffers that `open` makes: of an action with dozens of files they are a third of its start."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)


def zip_entries(archive: bytes) -> Iterator[ArchiveEntry]:
    """Walk the zip's central directory (no zip64: 48 MB of code never needs it)."""
    try:
        end = archive.rindex(b"PK\x05\x06")
        count, _, start, _ = struct.unpack_from("<HIIH", archive, end + 10)
        for _ in range(count):
            entry, start = zip_entry(archive, start)
            yield entry
    except (ValueError, struct.error):
        raise BadArchive("the zip's directory is damaged") from None


def zip_entry(archive: bytes, start: int) -> tuple[ArchiveEntry, int]:
    magic, host, flags, method, crc, packed, size, named, extra, comment, mode, offset = struct.unpack_from(
        "<4sxBxxHH4xIIIHHH6xHI", archive, start
    )
    if magic != b"PK\x01\x02":
        raise ValueError
    raw = archive[start + 46 : start + 46 + named]
    # Most names are ASCII, and cp437's table would have to be imported.
    name = raw.decode("utf-8" if flags & 0x800 or raw.isascii() else "cp437")
    # The upper half of the attributes holds Unix's mode where the zip was made on Unix (3) or macOS (19).
    mode = mode if host in (3, 19) else 0
    if mode & 0o170000 == 0o120000 or flags & 1 or method not in (0, 8):
        raise BadArchive(f"{name[:100]!r}: links, encryption and methods but deflate are refused")

    def read() -> bytes:
        return unpack(archive, offset, packed, size, crc, deflated=method == 8)

    return ArchiveEntry(name, mode, size, read), start + 46 + named + extra + comment


def unpack(archive: bytes, offset: int, packed: int, size: int, crc: int, *, deflated: bool) -> bytes:
    """One member's bytes; never unpacks more than `size`, whatever the member holds."""
    named, extra = struct.unpack_from("<HH", archive, offset + 26)
    start = offset + 30 + named + extra
    data = archive[start : start + packed]
    if deflated:
        try:
            data = zlib.decompressobj(-15).decompress(data, size + 1)
        except zlib.error:
            raise BadArchive("a member of the zip is damaged") from None
    if len(data) != size or zlib.crc32(data) != crc:
        raise BadArchive("a member of the zip is damaged")
    return data


def tar_entries(archive: bytes) -> Iterator[ArchiveEntry]:
    # Late: rare, and tarfile is slow to import.
    import io
    import tarfile
    from functools import partial

    def read(content: IO[bytes]) -> bytes:
        try:
            return content.read()
        except tarfile.TarError:
            raise ValueError("damaged") from None

    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise BadArchive(f"{member.name[:100]!r}: neither file nor directory")
                content = tar.extractfile(member)
                name = member.name.removeprefix("./") + ("" if content else "/")
                yield ArchiveEntry(name, member.mode, member.size, partial(read, content) if content else bytes)
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error):
        raise BadArchive("the tar.gz is damaged") from None
