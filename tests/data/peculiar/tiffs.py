"""TIFFs of scanners and cameras."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from PIL import Image

from tests.data.peculiar.parts import (
    Peculiar,
    Photo,
    directory_of,
    jpeg,
    tiff,
    wide,
)


def tiffs(photo: Photo) -> Iterator[Peculiar]:
    grey = photo.convert("L")
    shown = grey.convert("RGB")
    yield Peculiar("tiff-white-is-zero-16-bit", tiff(photo, wide(inverted(grey), "<"), (16,), 0), 0.75, shown=shown)
    yield Peculiar("tiff-12-bit", tiff(photo, packed_in_twelve(grey), (12,), 1), 0.75, shown=shown)
    indexed = photo.quantize(256)
    palette = (indexed.getpalette() or []) + [0] * 768
    for name, factor in (("8", 1), ("16", 257)):
        values = [palette[3 * index + band] * factor for band in range(3) for index in range(256)]
        colours = (320, 3, 768, struct.pack("<768H", *values))
        yield Peculiar(f"tiff-palette-of-{name}-bit-values", tiff(photo, indexed.tobytes(), (8,), 3, colours))
    planes = b"".join(wide(band.tobytes(), "<") for band in photo.split())
    length = photo.width * photo.height * 2
    places = struct.pack("<3I", *(8 + length * band for band in range(3)))
    separate = (284, 3, 1, struct.pack("<H", 2)), (273, 4, 3, places), (279, 4, 3, struct.pack("<3I", *[length] * 3))
    yield Peculiar("tiff-16-bit-planes", tiff(photo, planes, (16, 16, 16), 2, *separate))
    thinned = (530, 3, 2, struct.pack("<HH", 2, 2))
    yield Peculiar("tiff-thinned-out-colours", tiff(photo, thinned_out(photo), (8, 8, 8), 6, thinned))
    layers = (37724, 7, 9_000_000, b"Adobe Photoshop Document Data Block\0".ljust(9_000_000, b"\7"))
    yield Peculiar("tiff-9-MB-of-layers", tiff(photo, photo.tobytes(), (8, 8, 8), 2, layers))
    premultiplied = Image.merge("LA", (grey, Image.new("L", photo.size, 255)))
    extra = (338, 3, 1, struct.pack("<H", 1))
    yield Peculiar("tiff-grey-premultiplied", tiff(photo, premultiplied.tobytes(), (8, 8), 1, extra), 0.75, shown=shown)
    floating = struct.pack(f"<{photo.width * photo.height * 3}f", *(value / 255 for value in photo.tobytes()))
    kind = (339, 3, 3, struct.pack("<HHH", 3, 3, 3))
    body = tiff(photo, floating, (32, 32, 32), 2, kind)
    yield Peculiar("tiff-floating-point-colours", body, reason="unsupported-format")
    small = (254, 4, 1, struct.pack("<I", 1))
    thumbnail = photo.resize((60, 40))
    first = tiff(thumbnail, thumbnail.tobytes(), (8, 8, 8), 2, small)
    yield Peculiar("tiff-thumbnail-first", followed_by(first, photo), size=photo.size)


def inverted(grey: Image.Image) -> bytes:
    return bytes(255 - value for value in grey.tobytes())


def packed_in_twelve(grey: Image.Image) -> bytes:
    values = [value * 16 + (value >> 4) for value in grey.tobytes()]
    pairs = zip(values[::2], values[1::2], strict=True)
    return b"".join(bytes((one >> 4, (one & 15) << 4 | other >> 8, other & 255)) for one, other in pairs)


def thinned_out(photo: Photo) -> bytes:
    """Four brightnesses and one pair of colour differences for every square of four pixels."""
    light, blue, red = photo.convert("YCbCr").split()
    half = photo.width // 2, photo.height // 2
    blues, reds = (band.resize(half, Image.Resampling.BOX).tobytes() for band in (blue, red))
    bright, width = light.tobytes(), photo.width
    units = bytearray()
    for y in range(half[1]):
        for x in range(half[0]):
            at = 2 * y * width + 2 * x
            units += bright[at : at + 2] + bright[at + width : at + width + 2]
            units += bytes((blues[y * half[0] + x], reds[y * half[0] + x]))
    return bytes(units)


def followed_by(first: bytes, photo: Photo, kind: int = 2) -> bytes:
    """A TIFF with a second page, RGB or grey as `kind` says."""
    data = photo.tobytes()
    at = len(first) + len(data) + (len(first) + len(data)) % 2
    bands = len(photo.getbands())
    entries = {
        256: (4, 1, struct.pack("<I", photo.width)),
        257: (4, 1, struct.pack("<I", photo.height)),
        258: (3, bands, struct.pack(f"<{bands}H", *[8] * bands)),
        259: (3, 1, struct.pack("<H", 1)),
        262: (3, 1, struct.pack("<H", kind % 2**16)),
        273: (4, 1, struct.pack("<I", len(first))),
        277: (3, 1, struct.pack("<H", bands)),
        278: (4, 1, struct.pack("<I", photo.height)),
        279: (4, 1, struct.pack("<I", len(data))),
    }
    directory, values = directory_of(entries, at, 0)
    (place,) = struct.unpack_from("<I", first, 4)
    (count,) = struct.unpack_from("<H", first, place)
    linked = bytearray(first)
    struct.pack_into("<I", linked, place + 2 + 12 * count, at)
    return bytes(linked) + data.ljust(at - len(first), b"\0") + directory + values


def raws(photo: Photo) -> Iterator[Peculiar]:
    sensor = photo.convert("L")
    body = tiff(photo, sensor.tobytes(), (8,), 32803)
    yield Peculiar("raw-without-preview", body, reason="unsupported-format")
    small = (254, 4, 1, struct.pack("<I", 1))
    thumbnail = photo.resize((160, 120))
    first = tiff(thumbnail, thumbnail.tobytes(), (8, 8, 8), 2, small)
    yield Peculiar("raw-with-thumbnail", followed_by(first, sensor, 32803), reason="unsupported-format")
    first = tiff(photo, photo.tobytes(), (8, 8, 8), 2, small)
    large = sensor.resize((photo.width * 2, photo.height * 2))
    yield Peculiar("raw-with-preview", followed_by(first, large, 32803), size=photo.size)
    preview = jpeg(photo)
    method, length = (259, 3, 1, struct.pack("<H", 6)), (279, 4, 1, struct.pack("<I", len(preview)))
    first = tiff(photo, preview, (8, 8, 8), 6, small, method, length)
    yield Peculiar("raw-with-jpeg-preview", followed_by(first, large, 32803), size=photo.size)
