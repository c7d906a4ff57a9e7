"""PNGs of every program, and the colours that a profile means."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.data.hostile import chunk, png, saved
from tests.data.peculiar.parts import (
    Peculiar,
    Photo,
    into_png,
    png_rows,
    wide,
)


def pngs(photo: Photo) -> Iterator[Peculiar]:
    plain = saved(photo, "PNG")
    text = b"parameters\0\0" + zlib.compress(b"a masterpiece, best quality, " * 500_000, 9)
    yield Peculiar("png-14-MB-of-compressed-text", into_png(plain, "zTXt", text))
    wrong = into_png(plain, "pHYs", struct.pack(">IIB", 7874, 7874, 1), crc=0x679FD252)
    yield Peculiar("png-wrong-checksum-of-its-resolution", wrong)
    yield Peculiar("png-broken-profile", into_png(plain, "iCCP", b"icc\0\0junk"))
    apple = plain[:8] + chunk("CgBI", b"\x50\0\x20\6") + plain[8:]
    yield Peculiar("png-for-iphones", apple, reason="unsupported-format")
    yield from _keyed(photo)


def _keyed(photo: Photo) -> Iterator[Peculiar]:
    """One colour stands for transparent, at sixteen bits."""
    half = Image.new("L", photo.size)
    half.paste(255, (0, 0, photo.width, photo.height * 3 // 4))
    shown = Image.composite(photo, Image.new("RGB", photo.size, "white"), half)
    colours = Image.composite(photo, Image.new("RGB", photo.size, (18, 86, 154)), half)
    rows = png_rows(wide(colours.tobytes()), photo.width * 6)
    key = struct.pack(">HHH", 18 * 257, 86 * 257, 154 * 257)
    body = png(*photo.size, 16, 2, rows, ("tRNS", key))
    yield Peculiar("png-16-bit-colour-key", body, least=0, shown=shown)
    values = photo.convert("L").point([1, *range(1, 256)])
    grey = Image.composite(values, Image.new("L", photo.size), half)
    body = png(*photo.size, 16, 0, png_rows(wide(grey.tobytes()), photo.width * 2), ("tRNS", b"\0\0"))
    shown = Image.composite(values.convert("RGB"), Image.new("RGB", photo.size, "white"), half)
    yield Peculiar("png-16-bit-grey-key", body, least=0, shown=shown)


def profile(colours: tuple[tuple[float, float, float], ...], gamma: float) -> bytes:
    """An ICC profile of three colours, adapted to D50, and one gamma."""

    def place(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(each * 65536)) for each in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = (0.9642, 1.0, 0.8249)
    tags = [(b"wtpt", place(white))]
    tags += [(name + b"XYZ", place(colour)) for name, colour in zip((b"r", b"g", b"b"), colours, strict=True)]
    tags += [(name + b"TRC", curve) for name in (b"r", b"g", b"b")]
    table, data, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags:
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value
    head = struct.pack(">I4sI12s12s4s28s", at + len(data), b"lcms", 0x02400000, b"mntrRGB XYZ ", b"", b"acsp", b"")
    return head + place(white)[8:] + bytes(48) + table + data


RED, GREEN, BLUE = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)


def profiles(photo: Photo) -> Iterator[Peculiar]:
    red, green, blue = photo.split()
    swapped = Image.merge("RGB", (blue, red, green))
    turned = profile((BLUE, RED, GREEN), 2.2)
    for name in ("JPEG", "PNG", "TIFF", "WEBP"):
        options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}.get(name, {})
        body = saved(swapped, name, icc_profile=turned, **options)
        yield Peculiar(f"{name.lower()}-profile-of-turned-colours", body)
    linear = photo.point([round((value / 255) ** 2.2 * 255) for value in range(256)] * 3)
    body = saved(linear, "JPEG", quality=98, subsampling=0, icc_profile=profile((RED, GREEN, BLUE), 1.0))
    yield Peculiar("jpeg-profile-of-linear-light", body, least=0.9)
    broken = saved(photo, "JPEG", quality=92, icc_profile=turned[:150] + bytes(200))
    yield Peculiar("jpeg-broken-profile", broken)
