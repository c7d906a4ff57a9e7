"""Pictures that lie on their side, in all formats, and JPEGs of every program."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.data import lossless_jpeg
from tests.data.hostile import riff, saved
from tests.data.peculiar.parts import (
    Peculiar,
    Photo,
    behind_start,
    exif,
    into_png,
    jpeg,
    segment,
    xmp,
)


def orientations(photo: Photo) -> Iterator[Peculiar]:
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


def jpegs(photo: Photo) -> Iterator[Peculiar]:
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


def cut_off(photo: Photo) -> Iterator[Peculiar]:
    body = jpeg(photo)
    trailer = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1568644932000" + random.Random(2).randbytes(100_000) + b"SEFT"
    yield Peculiar("jpeg-without-end", body[:-2])
    yield Peculiar("jpeg-without-end-but-with-a-trailer", body[:-2] + trailer)
    yield Peculiar("jpeg-progressive-without-end-but-with-a-trailer", jpeg(photo, progressive=True)[:-2] + trailer)
    for share in (50, 90, 98):
        yield Peculiar(f"jpeg-cut-off-at-{share}", body[: len(body) * share // 100], reason="truncated-image")
    for share in (50, 90, 98):
        kept = body[: len(body) * share // 100].ljust(len(body), b"\0")
        yield Peculiar(f"jpeg-cut-off-at-{share}-and-filled-up", kept, reason="truncated-image")
    yield Peculiar("jpeg-without-end-but-filled-up", body[:-2].ljust(len(body) + 4096, b"\0"))
    yield Peculiar("jpeg-filled-up-behind-its-end", body.ljust(len(body) + 4096, b"\0"))
    for name in ("PNG", "GIF", "BMP", "TIFF", "WEBP"):
        whole = saved(photo, name)
        yield Peculiar(f"{name.lower()}-cut-off", whole[: len(whole) * 9 // 10], reason="truncated-image")
