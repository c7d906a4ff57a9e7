"""What people have at its full size is classified in 128 MB, or in the 512 of `classify-large`, and never refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from tests.data.hostile import chunk, photo, png, saved
from tests.fixtures.container import ClassifyContainer
from tests.fixtures.minio import RunningMinio

MIB = 2**20
# What no picture that is let in may take a container beyond: seven eighths of its memory.
LIMITS = {128: 112, 512: 448}
A4 = (4961, 7016)


def interlaced(picture: Image.Image) -> bytes:
    import pyvips  # late: Pillow does not write these

    image = pyvips.Image.new_from_memory(picture.tobytes(), *picture.size, len(picture.getbands()), "uchar")
    body: bytes = image.copy(interpretation="srgb").pngsave_buffer(interlace=True, compression=1)
    return body


def png_of_16_bits(width: int, height: int) -> bytes:
    row = b"\0" + b"".join(struct.pack(">HHH", x * 10, 30_000, 65_535 - x * 10) for x in range(width))
    packing = zlib.compressobj(1)
    pixels = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    head = png(width, height, 16, 2, b"")
    begin = head.index(b"IDAT") - 4
    return head[:begin] + chunk("IDAT", pixels) + chunk("IEND", b"")


def motion_photo() -> bytes:
    video = struct.pack(">I", 24) + b"ftypmp42\0\0\0\0isommp42" + struct.pack(">I", 40 * MIB) + b"mdat"
    return saved(photo(4032, 3024), "JPEG", quality=90) + video + b"\xff\xda\0\x0c" * (10 * MIB)


FULL_SIZE: dict[str, Callable[[], bytes]] = {
    "png-24-megapixels": lambda: saved(photo(6000, 4000), "PNG", compress_level=1),
    "png-24-megapixels-alpha": lambda: saved(photo(6000, 4000).convert("RGBA"), "PNG", compress_level=1),
    "png-24-megapixels-16-bit": lambda: png_of_16_bits(6000, 4000),
    "png-24-megapixels-interlaced": lambda: interlaced(photo(6000, 4000)),
    "scan-a4-bilevel": lambda: saved(photo(*A4).convert("1"), "TIFF", compression="group4", tiffinfo={278: A4[1]}),
    "scan-a4-grey": lambda: saved(photo(*A4).convert("L"), "TIFF", compression="tiff_lzw"),
    "scan-a4-colours": lambda: saved(photo(*A4), "TIFF", compression="tiff_lzw"),
    "scan-a4-colours-uncompressed": lambda: saved(photo(*A4), "TIFF"),
    "scan-a4-in-jpeg": lambda: saved(photo(*A4), "TIFF", compression="jpeg"),
    "bmp-12-megapixels": lambda: saved(photo(4000, 3000), "BMP"),
    "webp-12-megapixels-lossless": lambda: saved(photo(4000, 3000), "WEBP", lossless=True, method=0),
    "avif-12-megapixels": lambda: saved(photo(4000, 3000), "AVIF", speed=10),
    "jpeg-108-megapixels": lambda: saved(photo(12_000, 9000), "JPEG"),
    "jpeg-24-megapixels-progressive": lambda: saved(photo(6000, 4000), "JPEG", progressive=True, subsampling=0),
    "motion-photo": motion_photo,
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_nothing_ordinary_is_too_large(
    minio: RunningMinio, bucket: str, classify_container: ClassifyContainer, name: str
) -> None:
    """Where 128 MB are not enough, `classify` says so, and the larger container classifies it."""
    body = FULL_SIZE[name]()
    minio.client().put_object(bucket_name=bucket, object_name=name, data=io.BytesIO(body), length=len(body))
    for memory, limit in LIMITS.items():
        environment = {**classify_container.environment, "CONTAINER_MEMORY": str(memory * MIB)}
        if memory == min(LIMITS):
            environment["PIXWHISK_LARGER_MEMORY"] = str(max(LIMITS))
        lived = replace(classify_container, environment=environment).run([{"bucket": bucket, "key": name}])
        (outcome,) = lived.results[0]["outcomes"]
        assert lived.peak <= limit
        if outcome["status"] == "classified":
            return
        assert outcome["reason"] == "needs-memory", outcome
    pytest.fail("not even the larger container classifies it")
