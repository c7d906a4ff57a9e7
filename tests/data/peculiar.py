"""Pictures as people have them, each with one peculiarity that has broken other programs: made here, of one photo."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.data import lossless_jpeg
from tests.data.hostile import chunk, png, riff, saved


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


def peculiar(photo: Photo) -> Iterator[Peculiar]:
    """Every case, made of a photo in RGB whose sides are even."""
    for make in (_orientations, _jpegs, _cut_off, _pngs, _profiles, _tiffs, _raws, _others, _new_formats):
        yield from make(photo)


# What they are made of


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


# Which way up


def _orientations(photo: Photo) -> Iterator[Peculiar]:
    lying = photo.transpose(Image.Transpose.ROTATE_180)
    plain, packed = saved(lying, "PNG"), b"Raw profile type exif\0\0"
    raw = b"Exif\0\0" + exif(3)
    text = b"\nexif\n%8d\n" % len(raw) + raw.hex().encode() + b"\n"
    yield Peculiar("png-xmp", into_png(plain, "iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(3)))
    squeezed = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp(3))
    yield Peculiar("png-xmp-compressed", into_png(plain, "iTXt", squeezed))
    yield Peculiar("png-raw-profile", into_png(plain, "zTXt", packed + zlib.compress(text)))
    yield Peculiar("png-raw-profile-plain", into_png(plain, "tEXt", packed[:-1] + text))
    for kind, body in (("exif", exif(3)), ("xmp", xmp(3))):
        still = saved(lying, "WEBP", quality=92)
        extended = b"\0\0\0\0" + struct.pack("<I", photo.width - 1)[:3] + struct.pack("<I", photo.height - 1)[:3]
        length = struct.unpack_from("<I", still, 16)[0]
        chunks = (b"VP8X", extended), (b"VP8 ", still[20 : 20 + length]), (kind.upper().ljust(4).encode(), body)
        yield Peculiar(f"webp-{kind}-without-its-flag", riff(*chunks))
    header = b"http://ns.adobe.com/xap/1.0/\0"
    yield Peculiar("jpeg-xmp", behind_start(jpeg(lying), segment(0xE1, header + xmp(3))))
    second = behind_start(jpeg(lying), segment(0xE1, raw), segment(0xE1, b"Exif\0\0" + exif(1)))
    yield Peculiar("jpeg-two-exif-blocks", second)
    yield Peculiar("tiff-orientation", saved(lying, "TIFF", tiffinfo={274: 3}))


# JPEG


def _jpegs(photo: Photo) -> Iterator[Peculiar]:
    video = random.Random(1).randbytes(2_000_000)
    video += b"\xff\xda" * 500
    yield Peculiar("motion-photo", jpeg(photo) + video)
    yield Peculiar("motion-photo-progressive", jpeg(photo, progressive=True) + video)
    history = b"http://ns.adobe.com/xmp/extension/\0" + bytes(64_000)
    yield Peculiar("photoshop-ancestors-12-MB", behind_start(jpeg(photo), *[segment(0xE1, history)] * 190))
    yield Peculiar("adobe-segment-too-short", behind_start(jpeg(photo), segment(0xEE, b"Adobe\0")))
    yield Peculiar("jfif-segment-too-short", behind_start(jpeg(photo), segment(0xE0, b"JFIF\0")))
    large = photo.resize((photo.width * 2, photo.height * 2), Image.Resampling.BICUBIC).convert("L")
    grey = photo.convert("L").convert("RGB")
    yield Peculiar("jpeg-lossless", lossless_jpeg.encode(large), least=0.75, shown=grey)
    twelve = bytearray(jpeg(photo))
    twelve[twelve.index(b"\xff\xc0") + 4] = 12
    yield Peculiar("jpeg-12-bit", bytes(twelve), reason="unsupported-format")


def _cut_off(photo: Photo) -> Iterator[Peculiar]:
    body = jpeg(photo)
    trailer = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1568644932000" + random.Random(2).randbytes(100_000) + b"SEFT"
    yield Peculiar("jpeg-without-end", body[:-2])
    yield Peculiar("jpeg-without-end-but-with-a-trailer", body[:-2] + trailer)
    yield Peculiar("jpeg-progressive-without-end-but-with-a-trailer", jpeg(photo, progressive=True)[:-2] + trailer)
    for share in (50, 90, 98):
        yield Peculiar(f"jpeg-cut-off-at-{share}", body[: len(body) * share // 100], reason="truncated-image")
    for name in ("PNG", "GIF", "BMP", "TIFF", "WEBP"):
        whole = saved(photo, name)
        yield Peculiar(f"{name.lower()}-cut-off", whole[: len(whole) * 9 // 10], reason="truncated-image")


# PNG


def _pngs(photo: Photo) -> Iterator[Peculiar]:
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


# Colours


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


def _profiles(photo: Photo) -> Iterator[Peculiar]:
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


# TIFF


def _tiffs(photo: Photo) -> Iterator[Peculiar]:
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


def _raws(photo: Photo) -> Iterator[Peculiar]:
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


# The rest of what there was


def _others(photo: Photo) -> Iterator[Peculiar]:
    indexed = photo.quantize(255)
    black = Image.new("P", photo.size, 0)
    black.putpalette(indexed.getpalette() or [])
    animation = saved(black, "GIF", save_all=True, append_images=[indexed], duration=100)
    yield Peculiar("gif-black-first", animation)
    frames = {"save_all": True, "append_images": [photo], "lossless": True, "duration": 100}
    yield Peculiar("webp-black-first", saved(Image.new("RGB", photo.size), "WEBP", **frames))
    pixels = photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM).convert("RGBA")
    pixels.putalpha(0)
    yield Peculiar("bmp-alpha-all-zero", bmp_with_alpha(pixels))
    pixels = photo.convert("RGBA")
    pixels.putalpha(0)
    yield Peculiar("png-alpha-all-zero", saved(pixels, "PNG"))
    yield Peculiar("jpeg-xl", b"\xff\x0a" + bytes(200), reason="unsupported-format")
    yield Peculiar("photoshop", b"8BPS\0\1" + bytes(200), reason="unsupported-format")


def bmp_with_alpha(pixels: Image.Image) -> bytes:
    """32 bits a pixel and a mask for the fourth channel."""
    data = pixels.tobytes("raw", "BGRA")
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    about = struct.pack("<IiiHHIIiiII", 108, *pixels.size, 1, 32, 3, len(data), 2835, 2835, 0, 0) + masks
    return b"BM" + struct.pack("<IHHI", 122 + len(data), 0, 0, 122) + about.ljust(108, b"\0") + data


def _new_formats(photo: Photo) -> Iterator[Peculiar]:
    lying = photo.transpose(Image.Transpose.ROTATE_180)
    yield Peculiar("heic", heic(photo))
    yield Peculiar("heic-named-by-its-content", heic(photo.resize((1200, 800))))
    yield Peculiar("avif", saved(photo, "AVIF", quality=85))
    yield Peculiar("avif-orientation", saved(lying, "AVIF", quality=85, exif=exif(3)))
    yield Peculiar("jpeg-2000", saved(photo, "JPEG2000"))
    yield Peculiar("jpeg-2000-codestream", saved(photo, "JPEG2000", no_jp2=True))
    yield Peculiar(
        "jpeg-2000-grey", saved(photo.convert("L"), "JPEG2000"), 0.75, shown=photo.convert("L").convert("RGB")
    )


def heic(photo: Photo, **options: Any) -> bytes:
    import pillow_heif  # late: only the few tests that need an encoder

    file = io.BytesIO()
    pillow_heif.from_pillow(photo).save(file, quality=85, **options)
    return file.getvalue()
