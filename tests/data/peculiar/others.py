"""The rest of what there is: animations, bitmaps, and what phones write."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

from PIL import Image

from tests.data.heic_grid import box, clean_aperture, heic_grid
from tests.data.hostile import saved
from tests.data.peculiar.parts import (
    Peculiar,
    Photo,
    exif,
)

Turn = Image.Transpose


def others(photo: Photo) -> Iterator[Peculiar]:
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
    yield Peculiar("bmp-300-colours", bmp_with_spare_colours(photo.quantize(256)), least=0.5)
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


def bmp_with_spare_colours(pixels: Image.Image) -> bytes:
    """Eight bits a pixel, and more colours than these can name."""
    body = bytearray(saved(pixels, "BMP"))
    (begin,) = struct.unpack_from("<I", body, 10)
    struct.pack_into("<I", body, 10, begin + 4 * 44)
    struct.pack_into("<I", body, 46, 300)
    body[begin:begin] = bytes(4 * 44)
    return bytes(body)


def new_formats(photo: Photo) -> Iterator[Peculiar]:
    lying = photo.transpose(Image.Transpose.ROTATE_180)
    yield Peculiar("heic", heic(photo))
    yield Peculiar("heic-named-by-its-content", heic(photo.resize((1200, 800))))
    yield from heic_grids(photo)
    yield Peculiar("heic-second-is-main", heic_of_two(photo), size=photo.size)
    yield Peculiar("heic-cut-off", heic_grid(photo, 160)[:-200], reason="truncated-image")
    yield Peculiar("avif", saved(photo, "AVIF", quality=85))
    yield Peculiar("avif-orientation", saved(lying, "AVIF", quality=85, exif=exif(3)))
    yield from avif_crops(photo)
    yield Peculiar("jpeg-2000", saved(photo, "JPEG2000"))
    yield Peculiar("jpeg-2000-codestream", saved(photo, "JPEG2000", no_jp2=True))
    yield Peculiar(
        "jpeg-2000-grey", saved(photo.convert("L"), "JPEG2000"), 0.75, shown=photo.convert("L").convert("RGB")
    )


def heic_grids(photo: Photo) -> Iterator[Peculiar]:
    """As phones write them: in tiles, turned by a property of their own, with a small picture beside."""
    yield Peculiar("heic-tiles", heic_grid(photo, 160), size=photo.size)
    # Turned with the clock to lie, and back to be upright.
    for rotation, lying in enumerate((Turn.ROTATE_270, Turn.ROTATE_180, Turn.ROTATE_90), 1):
        body = heic_grid(photo.transpose(lying), 160, rotation=rotation)
        yield Peculiar(f"heic-tiles-turned-{rotation}", body, size=photo.size)
    mirrored = heic_grid(photo.transpose(Turn.FLIP_LEFT_RIGHT), 160, mirror=1)
    yield Peculiar("heic-tiles-mirrored", mirrored, size=photo.size)
    large = photo.resize((photo.width * 2, photo.height * 2))
    whole = heic_grid(large, 160, thumbnail=photo)
    yield Peculiar("heic-thumbnail", whole, size=large.size)
    # One that is not of the picture's shape shows another.
    other = heic_grid(large, 160, thumbnail=Image.new("RGB", (320, 320), "red"))
    yield Peculiar("heic-thumbnail-of-another", other, size=large.size)

    left, top, red = framed(photo.transpose(Turn.ROTATE_270))
    crop = left, top, left + photo.height, top + photo.width
    yield Peculiar("heic-cropped-and-turned", heic_grid(red, 160, rotation=1, crop=crop), size=photo.size)


def framed(photo: Photo) -> tuple[int, int, Photo]:
    """A photo within a larger, red picture that is not to be seen: where it begins there, and that picture."""
    left, top = photo.width // 2, photo.height // 4
    whole = Image.new("RGB", (photo.width * 2, photo.height * 2), "red")
    whole.paste(photo, (left, top))
    return left, top, whole


def avif_crops(photo: Photo) -> Iterator[Peculiar]:
    left, top, whole = framed(photo)
    crop = left, top, left + photo.width, top + photo.height
    yield Peculiar("avif-cropped", avif_with(whole, clean_aperture(whole.size, crop)), size=photo.size)
    left, top, whole = framed(photo.transpose(Turn.ROTATE_270))
    crop = left, top, left + photo.height, top + photo.width
    turned = avif_with(whole, clean_aperture(whole.size, crop), box(b"irot", b"\1"))
    yield Peculiar("avif-cropped-and-turned", turned, size=photo.size)
    beyond = avif_with(photo, clean_aperture(photo.size, (0, 0, photo.width * 2, photo.height)))
    yield Peculiar("avif-cropped-beyond-its-edges", beyond, reason="unsupported-format")


def avif_with(picture: Photo, *properties: bytes) -> bytes:
    """One that has further properties, which Pillow cannot write: all that holds them grows, and data move on."""
    body = bytearray(saved(picture, "AVIF", quality=85))
    at = {kind: body.index(kind) for kind in (b"meta", b"iprp", b"ipco", b"ipma", b"iloc")}
    added, count = b"".join(properties), body[at[b"ipma"] + 14]
    for kind, more in (
        (b"meta", len(added) + len(properties)),
        (b"iprp", len(added) + len(properties)),
        (b"ipco", len(added)),
        (b"ipma", len(properties)),
        (b"iloc", 0),
    ):
        (size,) = struct.unpack_from(">I", body, at[kind] - 4)
        struct.pack_into(">I", body, at[kind] - 4, size + more)
    (place,) = struct.unpack_from(">I", body, at[b"iloc"] + 18)
    struct.pack_into(">I", body, at[b"iloc"] + 18, place + len(added) + len(properties))
    body[at[b"ipma"] + 14] += len(properties)
    numbers = bytes(0x80 | count + 1 + each for each in range(len(properties)))
    behind = at[b"ipma"] + 15 + count
    body[behind:behind] = numbers
    body[at[b"ipma"] - 4 : at[b"ipma"] - 4] = added
    return bytes(body)


def heic_of_two(photo: Photo) -> bytes:
    import pillow_heif  # late, as below

    pictures = pillow_heif.from_pillow(Image.new("RGB", (300, 300), "red"))
    pictures.add_from_pillow(photo)
    file = io.BytesIO()
    pictures.save(file, quality=85, primary_index=1)
    return file.getvalue()


def heic(photo: Photo, **options: Any) -> bytes:
    import pillow_heif  # late: only the few tests that need an encoder

    file = io.BytesIO()
    pillow_heif.from_pillow(photo).save(file, quality=85, **options)
    return file.getvalue()
