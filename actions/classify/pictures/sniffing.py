"""What a file is, by its first bytes: one of the formats that are read, or one that is known by name."""

from __future__ import annotations

from actions.classify.pictures.bmp import has_known_header
from actions.errors import EmptyObject, UnsupportedFormat

# So many bytes of a file tell.
HEAD = 64

_TIFF = (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")
_BEGINNINGS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("JPEG", (b"\xff\xd8\xff",)),
    ("PNG", (b"\x89PNG\r\n\x1a\n",)),
    ("GIF", (b"GIF87a", b"GIF89a")),
    ("TIFF", _TIFF),
    ("JPEG2000", (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")),
)
_WEBP = (b"VP8 ", b"VP8X", b"VP8L")
_AVIF, _HEIF = {b"avif", b"avis"}, {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}

_NAMED: tuple[tuple[bytes, str], ...] = (
    (b"\xff\x0a", "a JPEG XL picture; save it as a JPEG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture; save it as a JPEG"),
    (b"8BPS", "a Photoshop document; export it as a JPEG or PNG"),
    (b"%PDF", "a PDF document; export its page as a JPEG or PNG"),
    (b"%!PS", "a PostScript document; export its page as a JPEG or PNG"),
    (b"<svg", "an SVG drawing; export it as a PNG"),
    (b"\0\0\x01\0", "an icon; save it as a PNG"),
    (b"FUJIFILMCCD-RAW", "a camera RAW; export it as a JPEG"),
    (b"IIU\0", "a camera RAW; export it as a JPEG"),
    (b"IIRO", "a camera RAW; export it as a JPEG"),
    (b"II\xbc\x01", "a JPEG XR picture; save it as a JPEG"),
    (b"\x1f\x8b", "a gzip archive; upload the picture itself"),
    (b"PK\x03\x04", "a zip archive; upload the pictures themselves"),
    (b"\x1aE\xdf\xa3", "a video; upload a frame of it as a JPEG"),
    (b"gimp xcf", "a GIMP document; export it as a JPEG or PNG"),
    (b"v/1\x01", "an OpenEXR picture; save it as a JPEG or PNG"),
    (b"#?RADIANCE", "a Radiance HDR picture; save it as a JPEG or PNG"),
)


def sniff(head: bytes) -> str:
    """The name of the format that a file's first bytes claim. Raises `EmptyObject` or `UnsupportedFormat`."""
    if not head:
        raise EmptyObject("it has no bytes; upload it again from its source")
    for name, beginnings in _BEGINNINGS:
        if head.startswith(beginnings):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] in _WEBP:
        return "WEBP"
    if head[:2] == b"BM" and has_known_header(head):
        return "BMP"
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    raise UnsupportedFormat(_describe(head))


def _sniff_brands(head: bytes) -> str:
    """Formats in boxes say in their first one what they are, and what else they can be read as."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] in _AVIF or (brands[0] not in _HEIF - {b"mif1", b"msf1"} and _AVIF & set(brands)):
        return "AVIF"
    if _HEIF & set(brands):
        return "HEIF"
    if brands[0] == b"crx ":
        raise UnsupportedFormat("a camera RAW; export it as a JPEG")
    raise UnsupportedFormat("a video, or a picture in a video's container; upload a frame of it as a JPEG")


def _describe(head: bytes) -> str:
    words = next(
        (words for beginning, words in _NAMED if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(beginning)), None
    )
    return words or (
        "not a JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC, AVIF or JPEG 2000 file, whatever its name says; save it as one"
    )
