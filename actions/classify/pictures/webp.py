"""WebP: a still picture reduced by libwebp while it decodes; of an animation the first frame that shows something."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from actions.classify.pictures import libwebp
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame, reduction
from actions.classify.pictures.orientation import as_seen, parse_exif, parse_xmp
from actions.classify.pictures.pixels import is_blank
from actions.errors import CorruptImage, TruncatedImage

# An animation that fades in begins with a frame of one colour; so many are looked at for one that shows something.
_LIMIT_FRAMES = 32
_LIMIT_BLOCKS = 4096
_LIMIT_PICKED = 4 * 2**20


def examine(file: BinaryIO, frame: Frame) -> Examined:
    header = _read_header(file)
    if not (header.width and header.height):
        raise CorruptImage("a WebP without a picture; upload it again from its source")
    memory = _memory(header, file.seek(0, io.SEEK_END), frame) + len(header.profile or b"")
    width, height = as_seen((header.width, header.height), header.orientation)
    scale = 1 if header.frame_ends else reduction((header.width, header.height), frame)
    return Examined(
        "WEBP",
        width,
        height,
        header.orientation,
        memory,
        lambda: _load(file, header, frame),
        profile=header.profile,
        scale=scale,
    )


def _load(file: BinaryIO, header: _Header, frame: Frame) -> Image.Image:
    try:
        if header.frame_ends or not libwebp.is_available():
            return _load_frame(file, header)
        scale = reduction((header.width, header.height), frame)
        size = -(-header.width // scale), -(-header.height // scale)
        file.seek(0)
        return libwebp.decode(file.read(), size, scaled=scale > 1)
    except OSError:
        if header.size_said > file.seek(0, io.SEEK_END):
            raise TruncatedImage("a WebP that is cut off: its end is missing; upload it again") from None
        raise


def _load_frame(file: BinaryIO, header: _Header) -> Image.Image:
    """Pillow's decoder allocates the whole canvas as soon as it is opened, so it is opened as late as this.

    Of an animation it is given the first frame alone, and more only where that shows nothing.
    """
    image = _open_frames(file, header.frame_ends[:1])
    if len(header.frame_ends) < 2 or not is_blank(image):
        return image
    image = _open_frames(file, header.frame_ends)
    for number in range(1, len(header.frame_ends)):
        image.seek(number)
        image.load()
        if not is_blank(image):
            break
    return image


def _open_frames(file: BinaryIO, ends: Sequence[int]) -> WebPImageFile:
    file.seek(0)
    body = bytearray(file.read(ends[-1] if ends else -1))
    struct.pack_into("<I", body, 4, len(body) - 8)
    image = WebPImageFile(io.BytesIO(body))
    image.load()
    return image


@dataclass(slots=True)
class _Header:
    """What a file is made of. `frame_ends` is where the first frames of an animation end; a still picture has none.

    `width` and `height` are 0 where they cannot be read.
    """

    width: int
    height: int
    size_said: int = 0
    lossless: bool = False
    alpha: bool = False
    frame_ends: list[int] = field(default_factory=list)
    profile: bytes | None = None
    exif: int | None = None
    xmp: int | None = None

    @property
    def orientation(self) -> int:
        return self.exif or self.xmp or 1


def _read_header(file: BinaryIO) -> _Header:
    """All chunks by their heads, whatever the flags of the first one say of them."""
    head = file.read(30).ljust(30, b"\0")
    header = _Header(*_read_size(head), size_said=int.from_bytes(head[4:8], "little") + 8)
    at, still = 12, False
    for _ in range(_LIMIT_BLOCKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        at += 8 + length + (length & 1)
        if kind in (b"VP8 ", b"VP8L"):
            still, header.lossless = True, header.lossless or kind == b"VP8L"
        elif kind == b"ANMF" and not still and len(header.frame_ends) < _LIMIT_FRAMES:
            header.frame_ends.append(at)
        elif kind == b"ALPH":
            header.alpha = True
        elif length <= _LIMIT_PICKED:
            _pick(header, kind, file, length)
    return header


def _pick(header: _Header, kind: bytes, file: BinaryIO, length: int) -> None:
    match kind:
        case b"ICCP":
            header.profile = file.read(length)
        case b"EXIF":
            header.exif = header.exif or parse_exif(file.read(length))
        case b"XMP ":
            header.xmp = header.xmp or parse_xmp(file.read(length))


def _read_size(head: bytes) -> tuple[int, int]:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _memory(header: _Header, size: int, frame: Frame) -> int:
    """libwebp holds a lossless picture or a compressed alpha plane whole, anything else by rows."""
    area = header.width * header.height
    if header.frame_ends or not libwebp.is_available():
        # The animation decoder's two canvases, its result, Pillow's copy, one more where lossless; the file, thrice.
        return area * 20 + min(size, max(header.frame_ends, default=size)) * 3
    scale = reduction((header.width, header.height), frame)
    whole = area * (4 if header.lossless else 5 if header.alpha else 0)
    return whole + (header.width // scale + 1) * (header.height // scale + 1) * 4 + header.width * 128 + size
