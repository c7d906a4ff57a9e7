"""HEIC as phones write it: a grid of tiles, turned by a property of its own, with a small picture beside it.

pillow-heif writes single pictures only. Their coded bytes are taken out of its files and put together anew.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image


def box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def full_box(kind: bytes, version: int, *content: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24), *content)


@dataclass(frozen=True, slots=True)
class _Coded:
    """One picture in HEVC: its coded bytes, and the box that tells a decoder of them."""

    data: bytes
    configuration: bytes
    size: tuple[int, int]


def _encode(picture: Image.Image, quality: int) -> _Coded:
    import pillow_heif  # late: only the few tests that need an encoder

    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, quality=quality)
    body = file.getvalue()
    at = body.index(b"hvcC") - 4
    configuration = body[at : at + int.from_bytes(body[at : at + 4], "big")]
    # Behind the one box with data nothing follows.
    return _Coded(body[body.index(b"mdat") + 4 :], configuration, picture.size)


def heic_grid(
    picture: Image.Image,
    tile: int = 512,
    *,
    quality: int = 60,
    rotation: int = 0,
    mirror: int | None = None,
    crop: tuple[int, int, int, int] | None = None,
    thumbnail: Image.Image | None = None,
    profile: bytes | None = None,
) -> bytes:
    """`picture` in tiles of `tile` pixels square, the last ones filled up.

    Whoever shows it cuts `crop` out of it (left, top, right, bottom), turns that `rotation` quarters against the clock,
    then mirrors it (0: top to bottom, 1: left to right). A `thumbnail` is turned likewise.
    """
    columns, rows = -(-picture.width // tile), -(-picture.height // tile)
    places = [(column * tile, row * tile) for row in range(rows) for column in range(columns)]
    items = [_Item(b"hvc1", _encode(picture.crop((x, y, x + tile, y + tile)), quality)) for x, y in places]
    turns = [] if crop is None else [clean_aperture(picture.size, crop)]
    turns += [box(b"irot", bytes((rotation,)))] if rotation else []
    turns += [] if mirror is None else [box(b"imir", bytes((mirror,)))]
    about = [] if profile is None else [box(b"colr", b"prof", profile)]
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *picture.size)
    items.append(_Item(b"grid", _Coded(grid, b"", picture.size), (*about, *turns)))
    if thumbnail is not None:
        items.append(_Item(b"hvc1", _encode(thumbnail, quality), (*about, *turns)))
    return _put_together(items, main=len(places) + 1)


def clean_aperture(size: tuple[int, int], crop: tuple[int, int, int, int]) -> bytes:
    """The property that says which part of a picture is shown: how large it is, and how far off the centre."""
    left, top, right, bottom = crop
    off = (left + right - size[0], 2, top + bottom - size[1], 2)
    return box(b"clap", struct.pack(">IIIIiIiI", right - left, 1, bottom - top, 1, *off))


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of a file, with properties beside its size and its configuration."""

    kind: bytes
    coded: _Coded
    properties: Sequence[bytes] = ()


def _put_together(items: Sequence[_Item], main: int) -> bytes:
    """Items are numbered from 1: the tiles of `main`, that itself, and what is a small picture of it."""
    tiles, small = range(1, main), range(main + 1, len(items) + 1)
    # Hidden are the tiles, which are no pictures by themselves.
    infos = [
        box(b"infe", struct.pack(">IHH", 2 << 24 | (number < main), number, 0), item.kind, b"\0")
        for number, item in enumerate(items, 1)
    ]
    references = [box(b"dimg", struct.pack(f">HH{len(tiles)}H", main, len(tiles), *tiles))]
    references += [box(b"thmb", struct.pack(">HHH", each, 1, main)) for each in small]
    properties: list[bytes] = []
    associations = b"".join(_associate(number, item, properties) for number, item in enumerate(items, 1))
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(begin: int) -> bytes:
        return full_box(
            b"meta",
            0,
            full_box(b"hdlr", 0, b"\0\0\0\0pict", bytes(13)),
            full_box(b"pitm", 0, struct.pack(">H", main)),
            full_box(b"iinf", 0, struct.pack(">H", len(infos)), *infos),
            full_box(b"iref", 0, *references),
            box(b"iprp", box(b"ipco", *properties), full_box(b"ipma", 0, struct.pack(">I", len(items)), associations)),
            full_box(b"iloc", 0, b"\x44\0", struct.pack(">H", len(items)), *_places(items, begin)),
        )

    begin = len(head) + len(meta(0)) + 8
    return head + meta(begin) + box(b"mdat", *(item.coded.data for item in items))


def _associate(number: int, item: _Item, properties: list[bytes]) -> bytes:
    """An item's properties, added to those of all unless they are there; turns are essential."""
    size = full_box(b"ispe", 0, struct.pack(">II", *item.coded.size))
    wanted = [each for each in (item.coded.configuration, size, *item.properties) if each]
    properties += [each for each in dict.fromkeys(wanted) if each not in properties]
    places = (properties.index(each) + 1 | 0x80 * (each[4:8] in {b"clap", b"irot", b"imir"}) for each in wanted)
    return struct.pack(">HB", number, len(wanted)) + bytes(places)


def _places(items: Sequence[_Item], begin: int) -> Iterator[bytes]:
    for number, item in enumerate(items, 1):
        yield struct.pack(">HHHII", number, 0, 1, begin, len(item.coded.data))
        begin += len(item.coded.data)
