"""The directories of a TIFF, each of which describes a picture: read by seeking, without what they hold beside that."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from actions.classify.pictures.metadata import LIMIT_METADATA_BLOCKS, LIMIT_TAG_NUMBERS
from actions.classify.pictures.spliced import SplicedFile, Window, rest
from actions.errors import CorruptImage, TruncatedImage

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
STRIPS, ORIENTATION, SAMPLES, ROWS, STRIP_BYTES, PLANES, COLOURS = 273, 274, 277, 278, 279, 284, 320
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, INNER = 322, 323, 324, 325, 330
SAMPLE_KIND, JPEG_TABLES, JPEG_OFFSET, JPEG_LENGTH, PROFILE, DNG_VERSION = 339, 347, 513, 514, 34675, 50706

# What decoding needs. All other tags are metadata, and some hold a document's layers or a maker's secrets.
_WANTED = {
    *(SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, 266, STRIPS, SAMPLES, ROWS, STRIP_BYTES, PLANES),
    *(292, 293, 317, COLOURS, TILE_WIDTH, TILE_HEIGHT, TILES, TILE_BYTES, 338, SAMPLE_KIND, JPEG_TABLES),
    *(JPEG_OFFSET, JPEG_LENGTH, 529, 530, 531, 532),
}
_LIMIT_DIRECTORIES = 64
_LIMIT_PROFILE = 4 * 2**20

# Kinds of values: a byte, a short, a long, a directory's place, and BigTIFF's long ones.
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag: `value` holds its numbers or, where they are too many, where they stand."""

    kind: int
    count: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """How numbers are written in this file."""

    order: str
    big: bool

    @property
    def counter(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def place(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture's description. `file` stays the caller's."""

    file: BinaryIO
    layout: Layout
    offset: int
    entries: Mapping[int, Entry]
    following: int

    def numbers(self, tag: int) -> tuple[int, ...]:
        """A tag's whole numbers; none where it is missing, of another kind, or longer than any picture needs."""
        entry = self.entries.get(tag)
        code = _NUMBERS.get(entry.kind) if entry else None
        if entry is None or code is None or entry.count > LIMIT_TAG_NUMBERS:
            return ()
        wanted = struct.Struct(f"{self.layout.order}{entry.count}{code}")
        data = self.content(tag, wanted.size)
        return wanted.unpack(data) if len(data) == wanted.size else ()

    def number(self, tag: int, default: int = 0) -> int:
        """A tag's first number."""
        return next(iter(self.numbers(tag)), default)

    def content(self, tag: int, size: int) -> bytes:
        """The first `size` bytes of what a tag holds."""
        entry = self.entries[tag]
        if size <= len(entry.value):
            return entry.value[:size]
        (place,) = self.layout.place.unpack(entry.value)
        self.file.seek(min(place, 2**62))
        return self.file.read(size)

    @property
    def size(self) -> tuple[int, int]:
        return self.number(WIDTH), self.number(HEIGHT)

    @property
    def area(self) -> int:
        width, height = self.size
        return width * height

    @property
    def is_reduced(self) -> bool:
        """Whether it says of itself that it is a smaller copy, or a mask, of another."""
        return bool(self.number(SUBFILE) & 0b101) or self.number(OLD_SUBFILE) == 2

    @property
    def profile(self) -> bytes | None:
        entry = self.entries.get(PROFILE)
        if entry is None or not 128 <= entry.count <= _LIMIT_PROFILE:
            return None
        return self.content(PROFILE, entry.count)


def read_directories(file: BinaryIO) -> Iterator[Directory]:
    """Each directory, and behind it those within it, as far as they can be followed; only what is asked for is read."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    layout = Layout(order, big=head[2:4] in (b"\x2b\0", b"\0\x2b"))
    (place,) = layout.place.unpack_from(head, 8 if layout.big else 4)
    seen: set[int] = set()
    while place and place not in seen and len(seen) < _LIMIT_DIRECTORIES:
        seen.add(place)
        directory = _read_directory(file, layout, place)
        yield directory
        for inner in directory.numbers(INNER)[:_LIMIT_DIRECTORIES]:
            if inner not in seen and len(seen) < _LIMIT_DIRECTORIES:
                seen.add(inner)
                yield _read_directory(file, layout, inner)
        place = directory.following


def _read_directory(file: BinaryIO, layout: Layout, place: int) -> Directory:
    file.seek(min(place, 2**62))
    (count,) = layout.counter.unpack(file.read(layout.counter.size))
    if count > LIMIT_METADATA_BLOCKS:
        raise CorruptImage("its metadata has more parts than any picture needs; save it again without metadata")
    body = file.read(count * layout.entry.size)
    if len(body) < count * layout.entry.size:
        raise TruncatedImage("a TIFF that is cut off: what says where its picture is is missing; upload it again")
    following = file.read(layout.place.size)
    entries: dict[int, Entry] = {}
    for tag, *entry in layout.entry.iter_unpack(body):
        entries.setdefault(tag, Entry(*entry))
    (after,) = layout.place.unpack(following) if len(following) == layout.place.size else (0,)
    return Directory(file, layout, place, entries, after)


def isolate(directory: Directory, changed: Mapping[int, Entry]) -> SplicedFile:
    """The file as if this directory were its only one, with nothing in it but what decoding needs.

    Raises `CorruptImage` where reading that would take more than any picture needs.
    """
    layout = directory.layout
    entries = {tag: entry for tag, entry in {**directory.entries, **changed}.items() if tag in _WANTED}
    if sum(entry.count for tag, entry in entries.items() if tag != JPEG_TABLES) > LIMIT_TAG_NUMBERS:
        raise CorruptImage("its metadata is larger than any picture needs; save the image again")
    packed = [layout.entry.pack(tag, each.kind, each.count, each.value) for tag, each in sorted(entries.items())]
    body = layout.counter.pack(len(packed)) + b"".join(packed) + layout.place.pack(0)
    magic = b"II" if layout.order == "<" else b"MM"
    version = struct.pack(layout.order + "HHH", 43, 8, 0) if layout.big else struct.pack(layout.order + "H", 42)
    head = magic + version + layout.place.pack(directory.offset)
    if directory.offset < len(head):
        raise CorruptImage("a TIFF that is damaged; upload it again from its source")
    between = Window(len(head), directory.offset - len(head))
    return SplicedFile(directory.file, [head, between, body, rest(directory.file, directory.offset + len(body))])


def file_size(directory: Directory) -> int:
    return directory.file.seek(0, io.SEEK_END)
