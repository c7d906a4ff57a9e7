"""Every format, mode and orientation becomes honest RGB of the model's size, or a typed reason why not."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image, ImageChops

from actions.classify import pictures
from actions.errors import CorruptImage, EmptyObject, TooManyPixels, TruncatedImage, UnsupportedFormat

FRAME = pictures.Frame()
LIMITS = pictures.Limits(pixels=100_000_000, memory=48 * 2**20)


def seen(body: bytes, limits: pictures.Limits = LIMITS) -> tuple[pictures.Examined, Image.Image]:
    """What the model would see of a file."""
    examined = pictures.examine(io.BytesIO(body), FRAME)
    pictures.check(examined, limits)
    pixels = pictures.fit(examined, pictures.decode(examined), FRAME)
    return examined, Image.frombytes("RGB", (FRAME.side, FRAME.side), pixels)


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def quarters(width: int = 320, height: int = 320) -> Image.Image:
    """Red, green, blue and grey quarters: any turn, flip or swap of channels shows."""
    image = Image.new("RGB", (width, height), (200, 30, 30))
    image.paste((30, 200, 30), (width // 2, 0, width, height // 2))
    image.paste((30, 30, 200), (0, height // 2, width // 2, height))
    image.paste((120, 120, 120), (width // 2, height // 2, width, height))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours well inside the four quarters."""
    places = [(40, 40), (180, 40), (40, 180), (180, 180)]
    return [tuple(image.getpixel(place)) for place in places]  # type: ignore[arg-type]


def close(left: Sequence[tuple[int, ...]], right: Sequence[tuple[int, ...]], by: int) -> bool:
    return all(
        abs(a - b) <= by for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)
    )


EXPECTED = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)]


@pytest.mark.parametrize(
    ("name", "options", "by"),
    [
        ("JPEG", {"quality": 95}, 6),
        ("JPEG", {"quality": 95, "progressive": True}, 6),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 12),
        ("GIF", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("TIFF", {"compression": "jpeg", "quality": 95}, 6),
        ("TIFF", {"compression": "packbits"}, 0),
        ("TIFF", {"big_tiff": True}, 0),
    ],
)
def test_every_format_is_read_by_its_content(name: str, options: dict[str, Any], by: int) -> None:
    """All six formats, and their usual compressions, show the same picture."""
    examined, image = seen(saved(quarters(), name, **options))
    assert (examined.format, examined.width, examined.height) == (name, 320, 320)
    assert close(corners(image), EXPECTED, by)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(name: str, orientation: int) -> None:
    """A picture stored in any of EXIF's eight orientations is seen upright, and its sides are told as seen."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = quarters(640, 400)
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "WEBP" else {"quality": 95} if name == "JPEG" else {}
    examined, image = seen(saved(stored, name, exif=exif.tobytes(), **options))
    assert (examined.width, examined.height) == (640, 400)
    assert close(corners(image), EXPECTED, 8)


def test_orientation_behind_a_pngs_pixels_is_found() -> None:
    """Editors that append put a PNG's EXIF block after its pixels."""
    exif = Image.Exif()
    exif[0x0112] = 3
    block = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
    body = saved(quarters(), "PNG")
    _, image = seen(body[:-12] + chunk + body[-12:])
    assert close(corners(image), EXPECTED[::-1], 0)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_is_ignored(value: int) -> None:
    """Orientations that EXIF does not know leave the picture as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = value
    _, image = seen(saved(quarters(), "PNG", exif=exif.tobytes()))
    assert close(corners(image), EXPECTED, 0)


def test_corrupt_exif_and_colour_profiles_are_ignored() -> None:
    """Metadata that cannot be read costs a picture nothing."""
    for name in ("JPEG", "PNG", "WEBP"):
        body = saved(quarters(), name, exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage", icc_profile=b"not a profile")
        _, image = seen(body)
        assert close(corners(image), EXPECTED, 12)


def test_the_centre_of_the_short_side_is_what_is_seen() -> None:
    """The crop is the middle 7/8 of the short side, exactly as the model was trained."""
    picture = Image.merge("RGB", [Image.effect_noise((500, 300), 60) for _ in range(3)])
    side = 300 * 0.875
    box = ((500 - side) / 2, (300 - side) / 2, (500 + side) / 2, (300 + side) / 2)
    expected = picture.resize((224, 224), Image.Resampling.BICUBIC, box)
    _, image = seen(saved(picture, "PNG"))
    assert image.tobytes() == expected.tobytes()


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA"])
def test_converting_in_strips_changes_no_bit(mode: str) -> None:
    """What is converted strip by strip equals what is converted as a whole first."""
    noise = Image.merge("RGB", [Image.effect_noise((1200, 900), 60) for _ in range(3)])
    picture = noise.quantize(256) if mode == "P" else noise.convert(mode)
    side = 900 * 0.875
    box = ((1200 - side) / 2, (900 - side) / 2, (1200 + side) / 2, (900 + side) / 2)
    expected = picture.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC, box)
    _, image = seen(saved(picture, "TIFF"))
    assert image.tobytes() == expected.tobytes()


def gradient(mode: str) -> Image.Image:
    """From black on the left to white on the right, in any single-channel mode."""
    grey = Image.linear_gradient("L").rotate(90).resize((300, 300))
    if mode == "I;16":
        return Image.frombytes("I;16", grey.size, b"".join(struct.pack("<H", 257 * each) for each in grey.tobytes()))
    if mode == "F":
        return grey.convert("F").point(lambda value: value * (1 / 255) + 0)
    if mode == "I":
        return grey.convert("I").point(lambda value: value * 65793 + 0)
    return grey.convert(mode)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "PNG"), ("I;16", "PNG"), ("I;16", "TIFF"), ("F", "TIFF"), ("I", "TIFF"), ("LA", "PNG"), ("P", "PNG")],
)
def test_brightness_of_any_depth_is_scaled_not_clipped(mode: str, name: str) -> None:
    """Eight, sixteen and thirty-two bits and floating point all show the same gradient."""
    _, expected = seen(saved(gradient("L"), "PNG"))
    _, image = seen(saved(gradient(mode), name))
    assert max(most for _, most in ImageChops.difference(image, expected).getextrema()) <= 2  # type: ignore[misc]


def test_sixteen_bits_a_channel_are_scaled() -> None:
    """A 16-bit colour PNG, which Pillow cannot write, shows its colours."""
    row = b"\0" + struct.pack(">HHH", 0xFFFF, 0x8080, 0) * 300
    _, image = seen(png(300, 300, 16, 2, row * 300))
    assert image.getpixel((100, 100)) == (255, 128, 0)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of raw rows (each with its filter byte), with `chunks` before the pixels."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def test_one_bit_pictures_are_black_and_white() -> None:
    """A bilevel picture keeps its two tones."""
    picture = Image.new("1", (300, 300))
    picture.paste(1, (150, 0, 300, 300))
    for name in ("PNG", "TIFF", "BMP", "GIF"):
        _, image = seen(saved(picture, name))
        assert image.getpixel((40, 100)) == (0, 0, 0)
        assert image.getpixel((180, 100)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_on_white(mode: str, name: str) -> None:
    """What is transparent is white; what is half transparent, half of it."""
    picture = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (0, 0, 150, 300))
    picture.paste((0, 0, 0, 128), (150, 150, 300, 300))
    _, image = seen(saved(picture.convert(mode), name, **({"lossless": True} if name == "WEBP" else {})))
    assert image.getpixel((40, 40)) == (0, 0, 0)
    assert image.getpixel((180, 40)) == (255, 255, 255)
    assert close([tuple(image.getpixel((180, 180)))], [(127, 127, 127)], 1)  # type: ignore[arg-type]


def test_transparent_palette_entries_and_colour_keys_are_laid_on_white() -> None:
    """Transparency by palette entry (GIF, PNG) and by colour key (PNG) counts as well."""
    picture = Image.new("P", (300, 300), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.paste(1, (0, 0, 150, 300))
    for name in ("GIF", "PNG"):
        _, image = seen(saved(picture, name, transparency=0))
        assert (image.getpixel((40, 40)), image.getpixel((180, 40))) == ((255, 0, 0), (255, 255, 255))
    _, image = seen(saved(picture.convert("RGB"), "PNG", transparency=(0, 0, 0)))
    assert (image.getpixel((40, 40)), image.getpixel((180, 40))) == ((255, 0, 0), (255, 255, 255))


def test_cmyk_is_not_seen_inverted() -> None:
    """CMYK shows its colours from TIFF, from Adobe's inverted JPEGs, and from the plain ones without Adobe's marker."""
    cmyk = quarters().convert("CMYK")
    _, adobe = seen(saved(cmyk, "JPEG", quality=95))
    _, tiff = seen(saved(cmyk, "TIFF"))
    # Pillow inverts and marks what it writes; written inverted and stripped of the mark, it is a plain one.
    body = saved(ImageChops.invert(cmyk), "JPEG", quality=95)
    marker = body.index(b"\xff\xee")
    length = struct.unpack_from(">H", body, marker + 2)[0]
    _, plain = seen(body[:marker] + body[marker + 2 + length :])
    assert close(corners(adobe), EXPECTED, 8)
    assert close(corners(tiff), EXPECTED, 1)
    assert close(corners(plain), EXPECTED, 8)


def test_ycbcr_tiff_is_seen_as_rgb() -> None:
    """Colours stored as brightness and two differences are turned back."""
    _, image = seen(saved(quarters().convert("YCbCr"), "TIFF"))
    assert close(corners(image), EXPECTED, 2)


def test_lab_is_refused_by_name() -> None:
    """Colours that need a profile are not guessed at."""
    with pytest.raises(UnsupportedFormat, match=r"L\*a\*b\*"):
        seen(saved(Image.new("LAB", (300, 300)), "TIFF"))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_seen(name: str) -> None:
    """An animation or a stack of pages is its first frame."""
    others = [Image.new("RGB", (320, 320), colour) for colour in ("white", "black")]
    options = {"lossless": True} if name == "WEBP" else {}
    examined, image = seen(saved(quarters(), name, save_all=True, append_images=others, **options))
    assert (examined.width, examined.height) == (320, 320)
    assert close(corners(image), EXPECTED, 2)


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 3), (223, 225)])
@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_no_picture_is_too_small_or_thin(size: tuple[int, int], mode: str) -> None:
    """Any picture that has a pixel can be looked at."""
    examined, image = seen(saved(Image.new("RGB", size, (10, 20, 30)).convert(mode), "PNG"))
    assert (examined.width, examined.height) == size
    assert image.size == (224, 224)


def test_large_jpegs_are_decoded_smaller_but_not_too_small() -> None:
    """Detail that would be thrown away is not decoded, as long as the short side keeps 256 pixels."""
    for side, kept in ((511, 511), (512, 256), (1023, 512), (1024, 256), (2047, 512), (2048, 256), (4096, 512)):
        body = saved(Image.new("L", (side, side)), "JPEG")
        image = pictures.decode(pictures.examine(io.BytesIO(body), FRAME))
        assert image.size == (kept, kept)
        assert min(image.size) >= FRAME.short_side


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"quality": 95}, {"lossless": True}])
def test_large_webps_are_decoded_smaller_too(mode: str, options: dict[str, Any]) -> None:
    """A WebP is reduced while it is decoded, and looks as it would have in full, its transparency included."""
    picture = quarters(2400, 2000).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    body = saved(picture, "WEBP", **options)
    image = pictures.decode(pictures.examine(io.BytesIO(body), FRAME))
    assert image.size == (600, 500)
    _, reduced = seen(body)
    _, whole = seen(saved(picture, "PNG"))
    assert close(corners(reduced), corners(whole), 6)


def test_nothing_and_other_things_are_told_apart() -> None:
    """No bytes, bytes of no known format, and a known format that is broken have reasons of their own."""
    with pytest.raises(EmptyObject):
        seen(b"")
    for body in (b"\0", b"<html></html>", b"%PDF-1.7", b"PK\x03\x04", b"RIFF\0\0\0\0WAVE", b"GIF", b"\xff\xd8"):
        with pytest.raises(UnsupportedFormat):
            seen(body)
    for name in ("JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"):
        with pytest.raises((CorruptImage, TruncatedImage), match=name):
            seen(saved(quarters(), name)[:40])


def test_a_corrupt_image_says_nothing_unprintable() -> None:
    """What a parser quotes of a file cannot put control characters or volumes of text into a row."""
    body = png(8, 8, 3, 0, bytes(100), (b"\n\x07\x1b]", b"x" * 10))
    with pytest.raises(CorruptImage) as caught:
        seen(body)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"])
def test_pixels_are_counted_in_the_header(name: str) -> None:
    """A picture over the limit is refused before anything is decoded, with its size."""
    body = saved(Image.new("L", (400, 300)), name)
    with pytest.raises(TooManyPixels, match="400 x 300"):
        seen(body, pictures.Limits(pixels=119_999, memory=2**30))
    seen(body, pictures.Limits(pixels=120_000, memory=2**30))


def test_memory_is_estimated_from_the_header() -> None:
    """A progressive JPEG holds every coefficient at once, so it costs more than a baseline one of the same size."""
    picture = Image.new("RGB", (4000, 3000))

    def cost(body: bytes) -> int:
        return pictures.examine(io.BytesIO(body), FRAME).memory

    baseline = cost(saved(picture, "JPEG"))
    progressive = cost(saved(picture, "JPEG", progressive=True))
    fine = cost(saved(picture, "JPEG", progressive=True, subsampling=0))
    assert baseline < 3 * 2**20
    assert progressive - baseline == pytest.approx(4000 * 3000 * 1.5 * 2, rel=0.01)
    assert fine - baseline == pytest.approx(4000 * 3000 * 3 * 2, rel=0.01)
    with pytest.raises(TooManyPixels, match="baseline"):
        seen(saved(picture, "JPEG", progressive=True, subsampling=0))


def test_only_what_is_used_is_imported() -> None:
    """A container holds Pillow's six parsers and none of numpy, TensorFlow or the store's ciphers."""
    look = (
        "import sys, actions.classify.__main__ as entry; entry.preload();"
        "print(*sorted(name for name in sys.modules if name.startswith('PIL.') and name.endswith('ImagePlugin')),"
        "*({'numpy', 'tensorflow', 'Crypto', 'argon2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, env={})
    plugins = ran.stdout.split()
    # Pillow itself takes PPM along as soon as it saves.
    assert set(plugins) - {"PIL.PpmImagePlugin"} == {
        f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "Tiff", "WebP")
    }
