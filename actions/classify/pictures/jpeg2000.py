"""JPEG 2000, reduced by OpenJPEG while it decodes; loaded when the first such file comes."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from actions.classify.pictures.boxes import telling_cut_off
from actions.classify.pictures.examined import Examined, Tone
from actions.classify.pictures.frame import Frame, reduction
from actions.classify.pictures.pixels import pixel_bytes

# OpenJPEG keeps each sample as a whole number of four bytes, twice.
_COST_SAMPLE = 8
_CODESTREAM, _CODING_STYLE = b"\xff\x4f\xff\x51", b"\xff\x52\x00"


def examine(file: BinaryIO, frame: Frame) -> Examined:
    levels = _levels(file)
    with telling_cut_off(file):
        image = Jpeg2KImageFile(file)
    width, height = image.size
    halvings = min(levels, reduction(image.size, frame).bit_length() - 1)
    samples = len(image.getbands())
    memory = (width * height >> 2 * halvings) * (samples * _COST_SAMPLE + pixel_bytes(image))
    return Examined(
        "JPEG2000",
        width,
        height,
        1,
        memory + file.seek(0, io.SEEK_END),
        lambda: _load(file, image, halvings),
        tone=Tone(white=65535 if image.mode.startswith("I;16") else None),
        scale=1 << halvings,
    )


def _load(file: BinaryIO, image: Jpeg2KImageFile, halvings: int) -> Image.Image:
    image.reduce = halvings
    with telling_cut_off(file):
        image.load()
    return image


def _levels(file: BinaryIO) -> int:
    """How many times the file can be halved: it holds its picture at each of these sizes."""
    file.seek(0)
    head = file.read(2**16)
    file.seek(0)
    at = head.find(_CODING_STYLE, max(0, head.find(_CODESTREAM)))
    return head[at + 9] if 0 <= at < len(head) - 9 else 0
