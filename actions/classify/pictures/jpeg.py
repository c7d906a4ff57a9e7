"""JPEG: reduced by libjpeg while it decodes."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame, reduction
from actions.classify.pictures.metadata import Metadata, measuring
from actions.classify.pictures.orientation import as_seen, read_orientation
from actions.classify.pictures.pixels import pixel_bytes
from actions.errors import CorruptImage

LIMIT_SCANS = 200


def examine(file: BinaryIO, frame: Frame) -> Examined:
    with measuring(file) as metadata:
        _walk(file, metadata)
    image = JpegImageFile(file)
    orientation = read_orientation(image)
    width, height = as_seen(image.size, orientation)
    memory = metadata.cost + _memory(image, frame)
    return Examined("JPEG", width, height, orientation, memory, lambda: _load(image, frame))


def _load(image: JpegImageFile, frame: Frame) -> Image.Image:
    # libjpeg leaves out detail that would be thrown away: 12 megapixels decode in 15 ms instead of 120.
    image.draft(None, (frame.short_side, frame.short_side))
    image.load()
    if image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes every CMYK JPEG for Adobe's, which are inverted; browsers go by the marker.
        return ImageChops.invert(image)
    return image


def _walk(file: BinaryIO, metadata: Metadata) -> None:
    """Up to the first scan: Pillow hands the rest to libjpeg."""
    file.seek(2)
    while (marker := _next_marker(file, metadata)) != 0xDA:
        if marker == 0x01 or 0xD0 <= marker <= 0xD9:
            metadata.add(2)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        metadata.add(length)
        file.seek(max(0, length - 2), io.SEEK_CUR)
    _count_scans(file)


def _count_scans(file: BinaryIO) -> None:
    """Each scan of a progressive JPEG is a pass over the whole picture, and takes a handful of bytes to ask for."""
    scans, before = 1, b""
    while piece := file.read(2**18):
        scans += (before + piece).count(b"\xff\xda")
        before = piece[-1:]
    if scans > LIMIT_SCANS:
        raise CorruptImage(f"{scans} scans, more than any encoder makes; save the image again")


def _next_marker(file: BinaryIO, metadata: Metadata) -> int:
    """The second byte of the next marker, which may come after fill bytes and junk."""
    before = b""
    while byte := file.read(1):
        if before == b"\xff" and byte not in b"\x00\xff":
            return byte[0]
        if before:
            metadata.add(1)
        before = byte
    raise IndexError


def _memory(image: JpegImageFile, frame: Frame) -> int:
    """The reduced picture, some rows, and, if its scans come one after the other, every coefficient of the whole."""
    width, height = image.size
    scale = reduction(image.size, frame)
    memory = (width // scale + 1) * (height // scale + 1) * pixel_bytes(image) + width * 128
    if "progressive" not in image.info and _has_single_scan(image):
        return memory
    across = max([layer[1] for layer in image.layer], default=1) or 1
    down = max([layer[2] for layer in image.layer], default=1) or 1
    blocks = sum(layer[1] * layer[2] for layer in image.layer) or 1
    # One coefficient is two bytes, one block has 64 of them.
    return memory + -(-width // (8 * across)) * -(-height // (8 * down)) * blocks * 128


def _has_single_scan(image: JpegImageFile) -> bool:
    """Whether the first scan, whose header Pillow has just read past, holds all components."""
    assert image.fp is not None
    length = 6 + 2 * image.layers
    position = image.fp.tell()
    image.fp.seek(max(0, position - length - 2))
    header = image.fp.read(length + 2)
    image.fp.seek(position)
    return header.startswith(bytes((0xFF, 0xDA, 0, length, image.layers)))
