"""PNG: decoded whole where that is small, else in bands of rows that are reduced at once."""

from __future__ import annotations

from typing import BinaryIO, cast

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from actions.classify.pictures import png_bands
from actions.classify.pictures.bands import band_memory
from actions.classify.pictures.examined import Examined, Tone
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.orientation import as_seen
from actions.classify.pictures.pixels import picture_bytes
from actions.classify.pictures.png_chunks import Chunks, read_chunks
from actions.classify.pictures.spliced import SplicedFile, rest


class _Png(PngImageFile):
    """A PNG whose file is left alone once its pixels are there: what follows may be anything, of any size."""

    def load_end(self) -> None:
        self.png = None


def examine(file: BinaryIO, frame: Frame) -> Examined:
    chunks = read_chunks(file)
    image = _Png(cast("BinaryIO", SplicedFile(file, [chunks.head, rest(file, chunks.pixels)])))
    width, height = as_seen(image.size, chunks.orientation)
    banded = png_bands.are_worth_while(image, chunks, frame)
    memory = band_memory(image.size, frame) if banded else picture_bytes(image)
    return Examined(
        "PNG",
        width,
        height,
        chunks.orientation,
        memory + len(chunks.profile or b""),
        (lambda: png_bands.load(file, chunks, image, frame)) if banded else (lambda: _load(image)),
        profile=chunks.profile,
        tone=_tone(image, chunks),
    )


def _load(image: PngImageFile) -> Image.Image:
    image.load()
    return image


def _tone(image: PngImageFile, chunks: Chunks) -> Tone:
    key = image.info.get("transparency")
    if chunks.depth == 16 and isinstance(key, tuple):
        # Pillow keeps the higher byte of each colour and compares it with all sixteen bits of the key.
        image.info["transparency"] = tuple(each >> 8 for each in key)
    return Tone(white=65535 if chunks.depth == 16 else None, key=key if isinstance(key, int) else None)
