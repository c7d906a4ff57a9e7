"""A JPEG without an end, as far as its data go."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

_PIECE = 2**16
# All ones: no code of any picture, so that at most the very last blocks are made up from them.
_PADDING = b"\xff\x00" * 8
# Colours that no picture's last row has from end to end; should it, it has not both.
_UNTOUCHED = (1, 250)


def decode_available(image: JpegImageFile, file: BinaryIO) -> Image.Image | None:
    """Decode an opened and reduced JPEG out of `file`; None where the data do not reach its last row.

    libjpeg waits for more data rather than make them up, as long as it is not told that this is the end.
    """
    for untouched in _UNTOUCHED:
        picture = _decode_onto(untouched, image, file)
        last = picture.crop((0, picture.height - 1, *picture.size))
        if any(band != (untouched, untouched) for band in _extrema(last)):
            return picture
    return None


def _decode_onto(untouched: int, image: JpegImageFile, file: BinaryIO) -> Image.Image:
    bands = len(image.getbands())
    picture = Image.new(image.mode, image.size, (untouched,) * bands if bands > 1 else untouched)
    arguments = image.tile[0].args
    decoder = Image._getdecoder(image.mode, "jpeg", arguments, image.decoderconfig)  # noqa: SLF001 (no other way in)
    decoder.setimage(picture.im, (0, 0, *picture.size))
    file.seek(0)
    waiting, ended = b"", False
    while not ended:
        piece = file.read(_PIECE)
        ended = not piece
        waiting += piece or _PADDING
        used, _ = decoder.decode(waiting)
        if used < 0:
            break
        waiting = waiting[used:]
    return picture


def _extrema(image: Image.Image) -> tuple[tuple[int, int], ...]:
    return tuple(image.getchannel(band).getextrema() for band in image.getbands())  # type: ignore[misc]
