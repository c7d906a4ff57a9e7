"""Files that mean harm, or look as if they did: generated, named, the same on every run.

`hostile.toml` beside this says what becomes of each. Add a case here and its outcome there; the test names what is
missing on either side.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image

from tests.data.heic_grid import heic_grid

Case = tuple[str, bytes]

_FORMATS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("PNG", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {"quality": 80}),
    ("WEBP", {"lossless": True}),
    ("AVIF", {"quality": 70}),
    ("JPEG2000", {}),
)


def cases() -> Iterator[Case]:
    """Every case, by a name that is unique and fit for a key."""
    yield from _other_things()
    yield from _truncated()
    yield from _sizes()
    yield from _bombs()
    yield from _colours()
    yield from _boxes()
    yield from _profiles()
    yield from _metadata()
    yield from _animations()
    yield from _polyglots()
    yield from _structures()


def damaged(seed: int, count: int) -> Iterator[bytes]:
    """Small cases and honest pictures of every format, changed at random, mostly where the headers are."""
    shuffled = random.Random(seed)
    formats = (*_FORMATS, ("JPEG", {}), ("JPEG", {"progressive": True}), ("TIFF", {"compression": "jpeg"}))
    honest = [
        heic(photo()),
        heic_grid(photo(), 80, thumbnail=photo()),
        *(saved(photo(), name, **options) for name, options in formats),
    ]
    base = [body for _, body in cases() if 16 < len(body) < 200_000] + honest * 20
    for _ in range(count):
        body = bytearray(shuffled.choice(base))
        for _ in range(shuffled.choice((1, 1, 2, 4, 8, 32))):
            _damage(body, shuffled, shuffled.choice(base))
        yield bytes(body)


def _damage(body: bytearray, shuffled: random.Random, other: bytes) -> None:
    at = shuffled.randrange(min(len(body), shuffled.choice((64, 512, len(body)))) + 1)
    match shuffled.randrange(5):
        case 0:
            body[at : at + 1] = bytes([shuffled.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, shuffled.randrange(256)))])
        case 1:
            numbers = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1", shuffled.randbytes(4))
            body[at : at + 4] = shuffled.choice(numbers)
        case 2:
            del body[at : at + shuffled.choice((1, 2, 8, 100, 5000))]
        case 3:
            body[at:at] = body[: shuffled.choice((1, 4, 64, 3000))]
        case _:
            begin = shuffled.randrange(len(other))
            body[at : at + 50] = other[begin : begin + 50]


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def photo(width: int = 320, height: int = 240) -> Image.Image:
    """A picture with some detail, the same every time."""
    red = Image.radial_gradient("L").resize((width, height))
    green = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (red, green, green.transpose(Image.Transpose.ROTATE_180)))


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo("photo.jpg"), "not a photo")
    return file.getvalue()


def _noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


# Things that are no images, or none of ours


def _other_things() -> Iterator[Case]:
    yield "nothing", b""
    yield "one-byte", b"\xff"
    yield "zeros", bytes(100_000)
    yield "text", b"Please classify this.\n" * 100
    yield "text-that-begins-with-BM", b"BMW makes cars.\n" * 100
    yield "html", b"<!DOCTYPE html><html><body onload=alert(1)><img src=x></body></html>"
    yield "svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield "svg-entity-bomb", b'<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>'
    yield "json", b'{"image": "AAAA"}'
    yield "zip", _zip()
    yield "gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + zlib.compress(bytes(1000))[2:-4]
    yield "pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF"
    yield "elf", b"\x7fELF\x02\x01\x01" + bytes(200)
    yield "windows-program", b"MZ" + bytes(300)
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (w) file\n"
    yield "photoshop", b"8BPS\0\x01" + bytes(300)
    yield "icon", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0" + bytes(300)
    yield "jpeg-2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100)
    yield "heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    yield "avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(100)
    yield "portable-pixmap", b"P6 2 2 255\n" + bytes(12)
    yield "portable-pixmap-huge", b"P6 65535 65535 255\n"
    yield "wave", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40)
    yield "riff-of-another-kind", b"RIFF\x24\0\0\0WEBPXXXX" + bytes(40)
    yield "xpm", b'/* XPM */\nstatic char *x[] = {"1 1 1 1"};'
    for seed in range(3):
        yield f"random-{seed}", b"\0" + _noise(10_000, seed)


# Cut off


def _markers(body: bytes) -> Iterator[tuple[int, int]]:
    """Where each marker of a JPEG stands, and which it is; after a scan begins, the next ones are searched for."""
    at = 2
    while at < len(body) - 1:
        marker = body[at + 1]
        yield at, marker
        if marker == 0xD9:
            return
        at += 2 + struct.unpack_from(">H", body, at + 2)[0]
        if marker == 0xDA:
            while not (body[at] == 0xFF and body[at + 1] not in (0, *range(0xD0, 0xD8))):
                at += 1


def _truncated() -> Iterator[Case]:
    for kind in ("baseline", "progressive"):
        body = saved(photo(), "JPEG", progressive=kind == "progressive")
        for number, (at, marker) in enumerate(_markers(body)):
            yield f"jpeg-{kind}-cut-before-marker-{number:02}-{marker:02x}", body[:at]
            if number % 3 == 0:
                yield f"jpeg-{kind}-cut-inside-marker-{number:02}-{marker:02x}", body[: at + 3]
    for name, options in _FORMATS:
        body = saved(photo(), name, **options)
        detail = "-".join([name.lower(), *map(str, options)])
        yield f"{detail}-cut-at-12-bytes", body[:12]
        yield f"{detail}-cut-at-60-bytes", body[:60]
        yield f"{detail}-cut-in-the-middle", body[: len(body) // 2]
        yield f"{detail}-cut-before-its-last-20-bytes", body[:-20]


# Extreme but honest


def _sizes() -> Iterator[Case]:
    for name in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000"):
        yield f"{name.lower()}-1x1", saved(Image.new("RGB", (1, 1), "red"), name)
    for size in ((1, 65500), (65500, 1)):
        yield f"jpeg-{size[0]}x{size[1]}", saved(Image.new("RGB", size), "JPEG")
    for size in ((1, 65535), (65535, 1)):
        for name in ("PNG", "GIF", "BMP", "TIFF"):
            yield f"{name.lower()}-{size[0]}x{size[1]}", saved(Image.new("L", size), name)
    yield "webp-1x16383", saved(Image.new("RGB", (1, 16383)), "WEBP")
    yield "jpeg-100-megapixels", saved(Image.new("L", (10_000, 10_000)), "JPEG")
    yield "jpeg-over-100-megapixels", saved(Image.new("L", (10_001, 10_000)), "JPEG")
    yield "jpeg-12-megapixels-progressive", saved(photo(4000, 3000), "JPEG", progressive=True)
    yield "png-12-megapixels", saved(photo(4000, 3000), "PNG", compress_level=1)
    yield "png-12-megapixels-alpha", saved(photo(4000, 3000).convert("RGBA"), "PNG", compress_level=1)
    yield "gif-12-megapixels", saved(photo(4000, 3000).quantize(64), "GIF")
    yield "webp-12-megapixels", saved(photo(4000, 3000), "WEBP", method=0)
    yield "webp-12-megapixels-alpha", saved(photo(4000, 3000).convert("RGBA"), "WEBP", method=0)
    yield "webp-8-megapixels-lossless", saved(photo(3264, 2448), "WEBP", lossless=True, method=0)
    yield "bmp-8-megapixels", saved(photo(3264, 2448), "BMP")


# Small files that would be large pictures


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: Case, after: bytes = b"") -> bytes:
    """A PNG out of anything: `rows` as they are compressed, `chunks` before them, `after` right behind them."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    before = b"".join(chunk(name, data) for name, data in chunks)
    pixels = chunk("IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk("IHDR", head) + before + pixels + after + chunk("IEND", b"")


def chunk(name: str, data: bytes) -> bytes:
    kind = name.encode()
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(entries: list[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """A TIFF of one directory (tag, type, count, value or offset), `data` standing at offset 8."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)


def plain_tiff(width: int, height: int, *more: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    """Eight-bit grey in one strip at offset 8; `more` entries replace those of the same tag."""
    entries = {
        256: (256, 4, 1, width),
        257: (257, 4, 1, height),
        258: (258, 3, 1, 8),
        259: (259, 3, 1, 1),
        262: (262, 3, 1, 1),
        273: (273, 4, 1, 8),
        277: (277, 3, 1, 1),
        278: (278, 4, 1, height),
        279: (279, 4, 1, len(data)),
    }
    entries |= {entry[0]: entry for entry in more}
    return tiff([entries[tag] for tag in sorted(entries)], data)


def gif(width: int, height: int, *blocks: bytes, frame: bool = True) -> bytes:
    """A GIF of two colours; the frame, where there is one, covers the first pixel only."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    picture = b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0" if frame else b""
    return head + b"".join(blocks) + picture + b";"


def bmp(width: int, height: int, bits: int, compression: int, data: bytes, *, header: int = 40) -> bytes:
    palette = b"".join(bytes((each, 0, 255 - each, 0)) for each in range(256)) if bits <= 8 else b""
    offset = 54 + len(palette)
    about = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + about + palette + data


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_sized(body: bytes, width: int, height: int) -> bytes:
    """The same JPEG, claiming another size."""
    at = next(at for at, marker in _markers(body) if marker in (0xC0, 0xC2))
    return body[: at + 5] + struct.pack(">HH", height, width) + body[at + 9 :]


def _bombs() -> Iterator[Case]:
    yield "png-bomb-2-gigapixels", png(50_000, 50_000, 1, 0, bytes(6251 * 2000))
    yield "png-bomb-100-megapixels-rgb", png(10_000, 10_000, 8, 2, bytes(30_001 * 1000))
    yield "png-bomb-largest-header", png(2**31 - 1, 2**31 - 1, 16, 6, b"")
    yield "png-bomb-zero-width", png(0, 100, 8, 2, b"")
    yield "png-bomb-50-million-wide", png(50_000_000, 1, 8, 0, bytes(50_000_001))
    yield "png-bomb-10-million-high", png(1, 10_000_000, 8, 0, bytes(20_000_000))
    yield "png-bomb-4-gigabytes-of-zeros-in-40-kB", png(100, 100, 8, 0, bytes(40_000_000))
    yield "gif-bomb-65535x65535", gif(65535, 65535)
    yield "gif-bomb-10000x10000", gif(10_000, 10_000)
    yield "gif-bomb-frame-larger-than-screen", gif(1, 1, b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0")
    blank = b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    vast = b"!\xf9\x04\x08\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0"
    yield "gif-bomb-later-frame-larger-than-screen", gif(1, 1, blank, vast, vast, frame=False)
    yield "gif-bomb-frame-far-away", gif(1, 1, b",\xff\xff\xff\xff\xff\xff\xff\xff\0\x02\x02D\x01\0")
    yield "tiff-bomb-65535x65535", plain_tiff(65535, 65535, data=bytes(100))
    yield "tiff-bomb-deflate", plain_tiff(20_000, 20_000, (259, 3, 1, 8), data=zlib.compress(bytes(20_000_000), 9))
    yield (
        "tiff-bomb-tile-of-4-gigabytes",
        plain_tiff(
            10,
            10,
            (259, 3, 1, 8),
            (322, 4, 1, 65520),
            (323, 4, 1, 65520),
            (324, 4, 1, 8),
            (325, 4, 1, 100),
            data=bytes(100),
        ),
    )
    yield (
        "tiff-bomb-strip-of-60-megabytes",
        plain_tiff(30_000, 2000, (259, 3, 1, 8), data=zlib.compress(bytes(60_000_000), 9)),
    )
    yield (
        "tiff-bomb-10-million-high",
        plain_tiff(1, 10_000_000, (259, 3, 1, 8), data=zlib.compress(bytes(10_000_000), 9)),
    )
    yield "tiff-bomb-fax", plain_tiff(100_000, 100_000, (258, 3, 1, 1), (259, 3, 1, 4), data=bytes(1000))
    yield "tiff-bomb-many-samples", plain_tiff(1000, 1000, (277, 3, 1, 60_000), data=bytes(100))
    yield "webp-bomb-16384x16384", riff((b"VP8X", b"\0\0\0\0" + b"\xff\x3f\0" * 2), (b"VP8L", bytes(30)))
    yield "webp-bomb-canvas-of-16-megapixels-squared", riff((b"VP8X", b"\x02\0\0\0" + b"\xff" * 6))
    yield "webp-bomb-lossless-16383x16383", saved_lossless_header(16383, 16383)
    yield "webp-bomb-lossless-90-megapixels", saved(Image.new("RGB", (9500, 9500)), "WEBP", lossless=True, method=0)
    yield "bmp-bomb-run-lengths", bmp(9000, 9000, 8, 1, b"\xff\0" * 320_000)
    yield "bmp-bomb-run-lengths-of-half-bytes", bmp(3000, 3000, 4, 2, b"\xff\0" * 40_000)
    yield "bmp-bomb-16-million-high", bmp(1, 2**24, 8, 0, bytes(100_000))
    yield "bmp-bomb-largest-header", bmp(2**31 - 1, 2**31 - 1, 24, 0, b"")
    yield "bmp-negative-width", bmp(-100, 100, 24, 0, bytes(30_000))
    yield "bmp-upside-down", bmp(100, -100, 24, 0, bytes(30_000))
    baseline, progressive = saved(photo(), "JPEG"), saved(photo(), "JPEG", progressive=True)
    yield "jpeg-bomb-65500x65500", jpeg_sized(baseline, 65500, 65500)
    yield "jpeg-bomb-progressive-90-megapixels", jpeg_sized(progressive, 9500, 9500)
    yield "jpeg-claims-10-megapixels-baseline", jpeg_sized(baseline, 4000, 2500)
    yield "jpeg-claims-10-megapixels-progressive", jpeg_sized(progressive, 4000, 2500)
    yield "jpeg-zero-height", jpeg_sized(baseline, 100, 0)
    yield "jpeg-of-5000-scans", _many_scans(progressive, 5000)


def saved_lossless_header(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return riff((b"VP8L", b"\x2f" + struct.pack("<I", bits) + bytes(40)))


def _many_scans(body: bytes, count: int) -> bytes:
    """The last scan of a progressive JPEG, over and over: each is another pass over the whole picture."""
    places = [at for at, marker in _markers(body) if marker == 0xDA]
    scan = body[places[-1] : -2]
    return body[:-2] + scan * count + body[-2:]


# Colours that are easily got wrong


def _colours() -> Iterator[Case]:
    yield "jpeg-cmyk", saved(photo().convert("CMYK"), "JPEG")
    yield "jpeg-grey", saved(photo().convert("L"), "JPEG")
    yield "jpeg-progressive-cmyk", saved(photo().convert("CMYK"), "JPEG", progressive=True)
    yield "tiff-cmyk", saved(photo().convert("CMYK"), "TIFF")
    yield "tiff-lab", saved(Image.new("LAB", (64, 64)), "TIFF")
    yield "tiff-not-a-number", saved(Image.new("F", (64, 64), float("nan")), "TIFF")
    yield "tiff-infinity", saved(Image.new("F", (64, 64), float("inf")), "TIFF")
    yield "tiff-float", saved(photo().convert("F"), "TIFF")
    yield "tiff-32-bit", saved(Image.new("I", (64, 64), 2**31 - 1), "TIFF")
    yield "tiff-16-bit", saved(Image.new("I;16", (64, 64), 65535), "TIFF")
    yield "png-16-bit-grey", saved(Image.new("I;16", (64, 64), 65535), "PNG")
    yield "png-16-bit-colour", png(64, 64, 16, 2, bytes(385) * 64)
    yield "png-16-bit-alpha", png(64, 64, 16, 6, bytes(513) * 64)
    yield "png-palette-missing", png(64, 64, 8, 3, bytes(65) * 64)
    yield "png-palette-too-short", png(64, 64, 8, 3, (b"\0" + b"\xff" * 64) * 64, ("PLTE", b"\1\2\3"))
    yield "png-palette-of-half-a-colour", png(64, 64, 8, 3, bytes(65) * 64, ("PLTE", b"\1\2"))
    yield "png-transparency-too-long", png(64, 64, 8, 3, bytes(65) * 64, ("PLTE", b"\1\2\3"), ("tRNS", bytes(1000)))
    yield "png-transparency-too-short", png(64, 64, 8, 2, bytes(193) * 64, ("tRNS", b"\0"))
    yield "png-impossible-depth", png(64, 64, 3, 2, bytes(193) * 64)
    yield "png-impossible-filter", png(64, 64, 8, 0, b"\x09" * 65 * 64)
    yield "png-wholly-transparent", saved(Image.new("RGBA", (64, 64)), "PNG")
    yield "gif-transparent", saved(Image.new("P", (64, 64)), "GIF", transparency=0)
    yield "bmp-16-bit", bmp(64, 64, 16, 0, bytes(64 * 128))


# Formats in boxes, and what is packed in other formats


def heic(image: Image.Image) -> bytes:
    import pillow_heif  # late: an encoder, which nothing else here needs

    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=70)
    return file.getvalue()


def _boxes() -> Iterator[Case]:
    body = heic(photo())
    yield "heic-honest", body
    for share in (5, 30, 60, 95):
        yield f"heic-cut-at-{share}", body[: len(body) * share // 100]
    sizes = body.index(b"ispe") + 8
    yield "heic-bomb-60000x60000", body[:sizes] + struct.pack(">II", 60_000, 60_000) + body[sizes + 8 :]
    yield "heic-bomb-largest-header", body[:sizes] + b"\xff" * 8 + body[sizes + 8 :]
    yield "heic-without-pictures", body[: body.index(b"meta") - 4]
    avif = saved(photo(), "AVIF")
    sizes = avif.index(b"ispe") + 8
    yield "avif-bomb-60000x60000", avif[:sizes] + struct.pack(">II", 60_000, 60_000) + avif[sizes + 8 :]
    large = saved(Image.new("RGB", (4096, 4096)), "AVIF", speed=10)
    at = large.index(b"ispe") + 8
    yield "avif-bomb-of-a-small-box", large[:at] + struct.pack(">II", 160, 160) + large[at + 8 :]
    grid = heic_grid(photo(), 80, thumbnail=photo())
    yield "heic-grid-honest", grid
    yield "heic-grid-of-65536-tiles", grid.replace(b"\0\0\2\3", b"\0\0\xff\xff")
    code = saved(photo(), "JPEG2000", no_jp2=True)
    yield "jpeg-2000-bomb-60000x60000", code[:8] + struct.pack(">II", 60_000, 60_000) + code[16:]
    tiles = code[:24] + struct.pack(">II", 1, 1) + code[32:]
    yield "jpeg-2000-of-76800-tiles", tiles
    yield "jpeg-2000-of-255-levels", code.replace(b"\xff\x52\0\x0c", b"\xff\x52\0\xff", 1)


def _profiles() -> Iterator[Case]:
    honest = photo()
    vast = b"\0\xff\xff\xff" + bytes(12) + b"RGB XYZ " + bytes(12) + b"acsp" + bytes(88) + b"\xff\xff\xff\xff"
    for name, profile in (
        ("of-4-billion-tags", vast + bytes(200)),
        ("of-3-megabytes", vast + bytes(3_000_000)),
        ("for-cmyk", vast.replace(b"RGB ", b"CMYK") + bytes(200)),
    ):
        yield f"jpeg-profile-{name}", saved(honest, "JPEG", icc_profile=profile)
        yield f"png-profile-{name}", saved(honest, "PNG", icc_profile=profile)


# Metadata as a weapon


def _exif(*, entries: bytes) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0" + entries


def with_segments(body: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments right after its start."""
    return body[:2] + b"".join(segments) + body[2:]


def segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _metadata() -> Iterator[Case]:
    body = saved(photo(), "JPEG")
    yield "jpeg-exif-corrupt", with_segments(body, segment(0xE1, _exif(entries=b"\xff" * 50)))
    yield (
        "jpeg-exif-loop",
        with_segments(body, segment(0xE1, _exif(entries=b"\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"))),
    )
    yield (
        "jpeg-exif-huge-count",
        with_segments(body, segment(0xE1, _exif(entries=b"\x01\0\x12\x01\x03\0\xff\xff\xff\xff\x1a\0\0\0\0\0\0\0"))),
    )
    yield (
        "jpeg-exif-orientation-text",
        with_segments(body, segment(0xE1, _exif(entries=b"\x01\0\x12\x01\x02\0\x04\0\0\0six\0\0\0\0\0"))),
    )
    yield "jpeg-icc-corrupt", saved(photo(), "JPEG", icc_profile=_noise(500, 7))
    yield "jpeg-icc-missing-part", with_segments(body, segment(0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(100)))
    yield "jpeg-several-pictures-header", with_segments(body, segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + b"\xff" * 100))
    yield "jpeg-photoshop-block-corrupt", with_segments(body, segment(0xED, b"Photoshop 3.0\x008BIM" + b"\xff" * 40))
    yield "jpeg-adobe-short", with_segments(body, segment(0xEE, b"Adobe"))
    yield "jpeg-metadata-of-6-megabytes", with_segments(body, segment(0xE1, b"x" * 65000) * 96)
    yield "jpeg-exif-of-20-megabytes", with_segments(body, segment(0xE1, b"Exif\0\0" + b"x" * 65000) * 320)
    yield "jpeg-of-200000-comments", with_segments(body, segment(0xFE, b"") * 200_000)
    yield "jpeg-fill-bytes", body[:2] + b"\xff" * 3_000_000 + body[2:]
    yield "jpeg-junk-between-segments", body[:20] + b"j" * 3_000_000 + body[20:]
    rows = bytes(65) * 64
    bomb = zlib.compress(bytes(50_000_000), 9)
    yield "png-text-bomb", png(64, 64, 8, 0, rows, ("zTXt", b"x\0\0" + bomb))
    yield "png-international-text-bomb", png(64, 64, 8, 0, rows, ("iTXt", b"x\0\x01\0\0\0" + bomb))
    yield (
        "png-many-text-bombs",
        png(
            64, 64, 8, 0, rows, *[("zTXt", b"%d\0\0" % each + zlib.compress(bytes(1_000_000), 9)) for each in range(50)]
        ),
    )
    yield "png-colour-profile-bomb", png(64, 64, 8, 0, rows, ("iCCP", b"x\0\0" + bomb))
    yield "png-colour-profile-corrupt", png(64, 64, 8, 0, rows, ("iCCP", b"x\0\0" + _noise(100, 8)))
    yield "png-of-100000-private-chunks", png(64, 64, 8, 0, rows, *[("prVt", b"")] * 100_000)
    yield "png-private-chunk-of-20-megabytes", png(64, 64, 8, 0, rows, ("prVt", bytes(20_000_000)))
    yield "png-20-megabytes-behind-its-pixels", png(64, 64, 8, 0, rows, after=chunk("IDAT", bytes(20_000_000)))
    yield (
        "png-text-bombs-behind-its-pixels",
        png(64, 64, 8, 0, rows, after=chunk("zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000), 9)) * 60),
    )
    yield "png-wrong-checksum", saved(photo(), "PNG")[:29] + bytes(4) + saved(photo(), "PNG")[33:]
    yield "png-chunk-of-2-gigabytes", b"\x89PNG\r\n\x1a\n" + b"\x7f\xff\xff\xffIHDR" + bytes(50)
    yield "png-of-empty-pixel-chunks", png(64, 64, 8, 0, rows, *[("IDAT", b"")] * 50_000)
    yield "gif-comment-of-5-megabytes", gif(64, 64, b"!\xfe" + (b"\xff" + b"c" * 255) * 20_000 + b"\0")
    yield "gif-extensions-without-end", gif(64, 64, *[b"!\xff\x01x\0"] * 50_000)
    yield "gif-without-a-frame", gif(64, 64, frame=False)
    numbers = struct.pack("<1000000I", *range(1_000_000))
    yield "tiff-a-million-strips", plain_tiff(64, 64, (273, 4, 1_000_000, 8), (279, 4, 1_000_000, 8), data=numbers)
    yield "tiff-5-million-numbers", plain_tiff(64, 64, (50_000, 3, 5_000_000, 8), data=bytes(10_000_000))
    yield "tiff-tag-of-4-gigabytes", plain_tiff(64, 64, (50_000, 7, 2**32 - 1, 8), data=bytes(4096))
    yield "tiff-60000-tags", tiff([(tag, 3, 1, 0) for tag in range(60_000)])
    yield "tiff-directory-at-the-end-of-the-world", b"II*\0\xff\xff\xff\xff" + bytes(100)
    yield "tiff-big-directory-beyond-all", b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(100)
    yield "bmp-header-of-20-megabytes", bmp(64, 64, 24, 0, bytes(20_000_000), header=20_000_000)


# More than one frame


def _animations() -> Iterator[Case]:
    frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    yield "gif-of-a-million-frames", gif(64, 64, frame * 1_000_000)
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green", "blue")]
    animated = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    yield "webp-animated", animated
    at = animated.index(b"ANMF")
    length = 8 + struct.unpack_from("<I", animated, at + 4)[0]
    many = animated[:at] + animated[at : at + length] * 100_000
    yield "webp-of-100000-frames", many[:4] + struct.pack("<I", len(many) - 8) + many[8:]
    yield "png-animated", saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    yield "png-animated-of-4-billion-frames", png(64, 64, 8, 0, bytes(65) * 64, ("acTL", b"\xff\xff\xff\xff\0\0\0\0"))
    yield "tiff-of-three-pages", saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    page = plain_tiff(64, 64, data=bytes(4096))
    yield "tiff-of-pages-in-a-circle", page[:-4] + page[4:8]


# Two things at once


def _polyglots() -> Iterator[Case]:
    body = saved(photo(), "JPEG")
    yield "polyglot-jpeg-and-zip", body + _zip()
    yield "polyglot-jpeg-with-page-in-comment", with_segments(body, segment(0xFE, b"<script>alert(1)</script>"))
    yield "polyglot-gif-and-script", b"GIF89a/*" + bytes(5) + b"*/=1;alert(1)//"
    yield "polyglot-page-and-jpeg", b"<html>" + body
    yield "polyglot-pdf-and-jpeg", b"%PDF-1.4\n" + body
    yield "polyglot-png-and-page", saved(photo(), "PNG") + b"<html><script>alert(1)</script>"
    yield "polyglot-png-and-program", saved(photo(), "PNG") + b"MZ" + bytes(1000)
    yield "polyglot-bmp-and-shell", b"BM\n#!/bin/sh\necho pwned\n" + bytes(100)
    yield "jpeg-behind-a-byte-order-mark", b"\xef\xbb\xbf" + body
    yield "jpeg-twice", body + body


# Broken inside


def _structures() -> Iterator[Case]:
    body = saved(photo(), "JPEG")
    scan = body.index(b"\xff\xda")
    yield "jpeg-noise-for-pixels", body[: scan + 14] + _noise(5000, 9).replace(b"\xff", b"\xfe") + b"\xff\xd9"
    yield "jpeg-without-tables", body[:2] + body[body.index(b"\xff\xc0") :]
    yield "jpeg-of-twelve-bits", body.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c")
    yield "jpeg-lossless", body.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11")
    yield "jpeg-arithmetic", body.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11")
    yield (
        "jpeg-of-five-layers",
        body.replace(b"\xff\xc0\0\x11\x08\0\xf0\x01\x40\x03", b"\xff\xc0\0\x11\x08\0\xf0\x01\x40\x05"),
    )
    yield "jpeg-sampling-of-zero", body.replace(b"\x01\x22\0", b"\x01\0\0", 1)
    yield "jpeg-sampling-of-fifteen", body.replace(b"\x01\x22\0", b"\x01\xff\0", 1)
    yield "jpeg-starts-and-ends", b"\xff\xd8\xff\xd9"
    yield "jpeg-segment-of-no-length", body[:2] + b"\xff\xe1\0\0" + body[2:]
    for number in range(10):
        broken = bytearray(saved(photo(), "JPEG", progressive=bool(number % 2)))
        places = random.Random(number)
        for _ in range(20):
            broken[places.randrange(len(broken))] = places.randrange(256)
        yield f"jpeg-flipped-bytes-{number}", bytes(broken)
    yield "webp-noise-for-pixels", riff((b"VP8 ", b"\0\0\0\x9d\x01\x2a\x40\0\x40\0" + _noise(500, 11)))
    yield "webp-empty", riff()
    yield "webp-claims-more-than-it-has", saved(photo(), "WEBP")[:4] + b"\xff\xff\xff\x7f" + saved(photo(), "WEBP")[8:]
    yield "gif-impossible-code-size", gif(64, 64, b",\0\0\0\0\x40\0\x40\0\0\x20\x02D\x01\0", frame=False)
    yield "gif-no-colours", b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
    yield "tiff-unknown-compression", plain_tiff(64, 64, (259, 3, 1, 60_000), data=bytes(4096))
    yield "tiff-text-for-size", plain_tiff(64, 64, (256, 2, 4, 0x00343600), data=bytes(4096))
    yield "tiff-negative-strips", plain_tiff(64, 64, (273, 9, 1, 2**32 - 8), data=bytes(4096))
    yield "tiff-jpeg-inside-broken", plain_tiff(64, 64, (259, 3, 1, 7), (262, 3, 1, 6), data=body[:600])
    yield "tiff-zero-size", plain_tiff(0, 0)
