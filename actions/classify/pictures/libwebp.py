"""WebP, decoded smaller by libwebp itself.

Pillow reads every WebP through the decoder for animations, at sixteen bytes a pixel and more; 12 megapixels would never
fit a small container. The library that Pillow brings along can scale while it decodes, as libjpeg does for `draft`.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, Union, byref, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from functools import cache

from PIL import Image

from actions.classify.pictures.mapped import open_mapped

# The major part is what the library checks; structures have only ever been extended into their padding.
_ABI = 0x0200
_RGBA = 1


class _Features(Structure):
    _fields_ = (
        ("width", c_int),
        ("height", c_int),
        ("has_alpha", c_int),
        ("has_animation", c_int),
        ("format", c_int),
        ("padding", c_uint32 * 5),
    )


class _Rows(Structure):
    _fields_ = (("address", c_void_p), ("stride", c_int), ("size", c_size_t))


class _Planes(Structure):
    _fields_ = (("addresses", c_void_p * 4), ("strides", c_int * 4), ("sizes", c_size_t * 4))


class _Layout(Union):
    _fields_ = (("rows", _Rows), ("planes", _Planes))


class _Buffer(Structure):
    _fields_ = (
        ("colours", c_int),
        ("width", c_int),
        ("height", c_int),
        ("is_external", c_int),
        ("layout", _Layout),
        ("padding", c_uint32 * 4),
        ("private", c_void_p),
    )


class _Options(Structure):
    _fields_ = (
        ("bypass_filtering", c_int),
        ("no_fancy_upsampling", c_int),
        ("crop", c_int * 5),
        ("use_scaling", c_int),
        ("scaled_width", c_int),
        ("scaled_height", c_int),
        ("use_threads", c_int),
        ("dithering", c_int),
        ("flip", c_int),
        ("alpha_dithering", c_int),
        ("padding", c_uint32 * 5),
    )


class _Configuration(Structure):
    _fields_ = (("input", _Features), ("output", _Buffer), ("options", _Options))


def decode(body: bytes, size: tuple[int, int], *, scaled: bool) -> Image.Image:
    """A still picture at `size`, `scaled` unless that is its own, in RGBA or RGBX.

    Raises `OSError` where the file is broken.
    """
    library = _library()
    configuration = _Configuration()
    if not library.WebPInitDecoderConfigInternal(byref(configuration), _ABI):
        raise OSError("libwebp is of another generation")
    width, height = size
    memory = bytearray(width * height * 4)
    output, options = configuration.output, configuration.options
    output.colours, output.is_external = _RGBA, 1
    output.layout.rows.address = ctypes.addressof(c_uint8.from_buffer(memory))
    output.layout.rows.stride, output.layout.rows.size = width * 4, len(memory)
    options.use_scaling, options.scaled_width, options.scaled_height = scaled, width, height
    status = library.WebPDecode(body, len(body), byref(configuration))
    if status:
        raise OSError(f"libwebp says {status}")
    mode = "RGBA" if configuration.input.has_alpha else "RGBX"
    return Image.frombuffer(mode, size, memory, "raw", mode, 0, 1)


def is_available() -> bool:
    """Whether the library that Pillow was built with can be called."""
    try:
        _library()
    except OSError:
        return False
    return True


@cache
def _library() -> ctypes.CDLL:
    """The very library that Pillow has loaded, wherever it came from. Raises `OSError` where there is none."""
    from PIL import _webp  # noqa: F401 (loads it)

    library = open_mapped("/libwebp", "Pillow")
    library.WebPInitDecoderConfigInternal.argtypes = (POINTER(_Configuration), c_int)
    library.WebPDecode.argtypes = (ctypes.c_char_p, c_size_t, POINTER(_Configuration))
    return library
