"""What peculiar pictures are made of, and what is expected of one."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.data.hostile import chunk, saved


@dataclass(frozen=True, slots=True)
class Peculiar:
    """`least` is the probability that the photo's label must have at least; `reason`, where there is one, rejects it.

    `shown` is what is to be seen where that is not the photo itself, None where nothing is compared. `size` is that of
    the picture in the row.
    """

    name: str
    body: bytes
    least: float = 0.9
    reason: str | None = None
    shown: Image.Image | None = None
    size: tuple[int, int] | None = None


Photo = Image.Image


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def behind_start(body: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments right behind its start."""
    return body[:2] + b"".join(segments) + body[2:]


def jpeg(photo: Photo, **options: Any) -> bytes:
    return saved(photo, "JPEG", **{"quality": 92, **options})


def into_png(body: bytes, name: str, data: bytes, crc: int | None = None) -> bytes:
    at = body.index(b"IDAT") - 4
    made = chunk(name, data)
    return body[:at] + (made if crc is None else made[:-4] + struct.pack(">I", crc)) + body[at:]


def exif(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)


def xmp(orientation: int) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/>'
        b"</rdf:RDF></x:xmpmeta>" % orientation
    )


def tiff(
    photo: Photo, rows: bytes, bits: tuple[int, ...], photometric: int, *more: tuple[int, int, int, bytes]
) -> bytes:
    """One strip; `more` are tag, type, count and bytes, and replace those of the same tag."""
    count = len(bits)
    entries = {
        256: (4, 1, struct.pack("<I", photo.width)),
        257: (4, 1, struct.pack("<I", photo.height)),
        258: (3, count, struct.pack(f"<{count}H", *bits)),
        259: (3, 1, struct.pack("<H", 1)),
        262: (3, 1, struct.pack("<H", photometric)),
        273: (4, 1, struct.pack("<I", 8)),
        277: (3, 1, struct.pack("<H", count)),
        278: (4, 1, struct.pack("<I", photo.height)),
        279: (4, 1, struct.pack("<I", len(rows))),
    } | {tag: rest for tag, *rest in more}
    at = 8 + len(rows) + len(rows) % 2
    directory, data = directory_of(entries, at, 0)
    return b"II*\0" + struct.pack("<I", at) + rows.ljust(at - 8, b"\0") + directory + data


def directory_of(entries: dict[int, Any], at: int, following: int) -> tuple[bytes, bytes]:
    """A TIFF's directory that stands at `at`, and the values too large for it, which stand right behind it."""
    packed, data, behind = struct.pack("<H", len(entries)), b"", at + 6 + 12 * len(entries)
    for tag, (kind, count, value) in sorted(entries.items()):
        if len(value) <= 4:
            packed += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
        else:
            packed += struct.pack("<HHII", tag, kind, count, behind + len(data))
            data += value + bytes(len(value) % 2)
    return packed + struct.pack("<I", following), data


def wide(channel: bytes, order: str = ">") -> bytes:
    """Sixteen bits of each eight."""
    return b"".join(struct.pack(order + "H", value * 257) for value in channel)


def png_rows(data: bytes, stride: int) -> bytes:
    return b"".join(b"\0" + data[at : at + stride] for at in range(0, len(data), stride))
