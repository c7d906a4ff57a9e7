"""HEIC, decoded tile by tile.

A phone's photo is a grid of small pictures. The library that comes with pi-heif can decode each by itself, which takes
a tenth of the memory that the whole does; pi-heif itself asks it for the whole only.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from ctypes import POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_void_p
from functools import cache

from PIL import Image

from actions.classify.pictures.mapped import open_mapped

_RGB, _INTERLEAVED_RGB, _INTERLEAVED = 1, 10, 10
_ROTATION, _MIRROR = (int.from_bytes(name, "big") for name in (b"irot", b"imir"))
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
_MIRRORS = {0: Image.Transpose.FLIP_TOP_BOTTOM, 1: Image.Transpose.FLIP_LEFT_RIGHT}
_LIMIT_TURNS, _LIMIT_THUMBNAILS = 8, 4
_LIMIT_PROFILE = 4 * 2**20


class _Error(Structure):
    _fields_ = (("code", c_int), ("detail", c_int), ("message", c_char_p))


class _Tiling(Structure):
    _fields_ = (
        ("version", c_int),
        ("columns", c_uint32),
        ("rows", c_uint32),
        ("tile_width", c_uint32),
        ("tile_height", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        # What else there is, with room for what later versions add.
        ("others", c_uint8 * 256),
    )


class _DecodingOptions(Structure):
    """The beginning of a structure that the library makes itself, as it has been since it was first released."""

    _fields_ = (
        ("version", c_uint8),
        ("without_turns", c_uint8),
        ("progress", c_void_p * 4),
        ("in_eight_bits", c_uint8),
    )


class OpenedHeif:
    """An opened file. The library reads its bytes where they lie, so they are kept as long as it is."""

    def __init__(self, body: bytes) -> None:
        """Raises `OSError` where the library cannot open it."""
        self._body, self.library = body, load_library()
        self.context = c_void_p(self.library.heif_context_alloc())
        weakref.finalize(self, self.library.heif_context_free, self.context)
        self.library.heif_context_set_max_decoding_threads(self.context, 0)
        _check(self.library.heif_context_read_from_memory_without_copy(self.context, body, len(body), None))

    def main_picture(self) -> TiledPicture:
        """The picture that the file is about. Raises `OSError` where there is none."""
        handle = c_void_p()
        _check(self.library.heif_context_get_primary_image_handle(self.context, byref(handle)))
        return TiledPicture(self, handle)


class TiledPicture:
    """A picture as it lies in the file: `grid` columns and rows of tiles, often but one of each.

    `turns` make it upright, one after the other; None where it is more than turned, or not opaque.
    """

    def __init__(self, container: OpenedHeif, handle: c_void_p) -> None:
        self._container, self._library, self._handle = container, container.library, handle
        weakref.finalize(self, self._library.heif_image_handle_release, handle)
        tiling = _Tiling()
        _check(self._library.heif_image_handle_get_image_tiling(handle, 0, byref(tiling)))
        self.grid = tiling.columns, tiling.rows
        self.size, self.tile_size = (tiling.width, tiling.height), (tiling.tile_width, tiling.tile_height)
        if self.grid == (1, 1):
            # Some versions tell of these as they are once turned.
            width = self._library.heif_image_handle_get_ispe_width(handle)
            self.size = self.tile_size = width, self._library.heif_image_handle_get_ispe_height(handle)
        opaque = not self._library.heif_image_handle_has_alpha_channel(handle)
        self.turns = self._read_turns() if opaque else None

    def thumbnails(self) -> Iterator[TiledPicture]:
        """The small pictures that the file has of this one."""
        found = (c_uint32 * _LIMIT_THUMBNAILS)()
        count = self._library.heif_image_handle_get_list_of_thumbnail_IDs(self._handle, found, _LIMIT_THUMBNAILS)
        for each in found[:count]:
            handle = c_void_p()
            _check(self._library.heif_image_handle_get_thumbnail(self._handle, each, byref(handle)))
            yield TiledPicture(self._container, handle)

    @property
    def profile(self) -> bytes | None:
        size = self._library.heif_image_handle_get_raw_color_profile_size(self._handle)
        if not 0 < size <= _LIMIT_PROFILE:
            return None
        data = (c_uint8 * size)()
        _check(self._library.heif_image_handle_get_raw_color_profile(self._handle, data))
        return bytes(data)

    def tile(self, column: int, row: int) -> Image.Image:
        """One tile, of `tile_size`, in RGB. Raises `OSError` where it is damaged."""
        options = self._library.heif_decoding_options_alloc()
        options.contents.without_turns = options.contents.in_eight_bits = 1
        decoded = c_void_p()
        wanted = self._handle, byref(decoded), _RGB, _INTERLEAVED_RGB, options
        try:
            if self.grid == (1, 1):
                _check(self._library.heif_decode_image(*wanted))
            else:
                _check(self._library.heif_image_handle_decode_image_tile(*wanted, column, row))
            return self._read_pixels(decoded)
        finally:
            self._library.heif_image_release(decoded)
            self._library.heif_decoding_options_free(options)

    def _read_pixels(self, decoded: c_void_p) -> Image.Image:
        width = self._library.heif_image_get_width(decoded, _INTERLEAVED)
        height = self._library.heif_image_get_height(decoded, _INTERLEAVED)
        stride = c_int()
        address = self._library.heif_image_get_plane_readonly(decoded, _INTERLEAVED, byref(stride))
        if not address or (width, height) != self.tile_size or stride.value < width * 3:
            raise OSError("libheif made a tile of another size")
        rows = ctypes.string_at(address, stride.value * (height - 1) + width * 3)
        return Image.frombytes("RGB", (width, height), rows.ljust(stride.value * height), "raw", "RGB", stride.value, 1)

    def _read_turns(self) -> tuple[Image.Transpose, ...] | None:
        item = self._library.heif_image_handle_get_item_id(self._handle)
        context, found = self._container.context, (c_uint32 * _LIMIT_TURNS)()
        count = self._library.heif_item_get_transformation_properties(context, item, found, _LIMIT_TURNS)
        turns: list[Image.Transpose] = []
        for each in found[:count]:
            kind = self._library.heif_item_get_property_type(context, item, each)
            if kind == _ROTATION:
                angle = self._library.heif_item_get_property_transform_rotation_ccw(context, item, each)
                turns += [_TURNS[angle]] if angle else []
            elif kind == _MIRROR:
                turns.append(_MIRRORS[self._library.heif_item_get_property_transform_mirror(context, item, each)])
            else:
                return None
        return tuple(turns) if 0 <= count < _LIMIT_TURNS else None


def _check(error: _Error) -> None:
    if error.code:
        raise OSError(f"libheif says {error.code}.{error.detail}")


@cache
def load_library() -> ctypes.CDLL:
    """The very library that pi-heif has loaded. Raises `OSError` or `AttributeError` where it is not as expected."""
    import pi_heif  # noqa: F401 (loads it)

    library = open_mapped(r"pi_heif\S*/libheif", "pi-heif")
    functions = {
        "heif_context_alloc": (c_void_p, ()),
        "heif_context_free": (None, (c_void_p,)),
        "heif_context_set_max_decoding_threads": (None, (c_void_p, c_int)),
        "heif_context_read_from_memory_without_copy": (_Error, (c_void_p, c_char_p, c_size_t, c_void_p)),
        "heif_context_get_primary_image_handle": (_Error, (c_void_p, POINTER(c_void_p))),
        "heif_image_handle_release": (None, (c_void_p,)),
        "heif_image_handle_has_alpha_channel": (c_int, (c_void_p,)),
        "heif_image_handle_get_list_of_thumbnail_IDs": (c_int, (c_void_p, POINTER(c_uint32), c_int)),
        "heif_image_handle_get_thumbnail": (_Error, (c_void_p, c_uint32, POINTER(c_void_p))),
        "heif_image_handle_get_ispe_width": (c_int, (c_void_p,)),
        "heif_image_handle_get_ispe_height": (c_int, (c_void_p,)),
        "heif_image_handle_get_item_id": (c_uint32, (c_void_p,)),
        "heif_image_handle_get_raw_color_profile_size": (c_size_t, (c_void_p,)),
        "heif_image_handle_get_raw_color_profile": (_Error, (c_void_p, c_void_p)),
        "heif_image_handle_get_image_tiling": (_Error, (c_void_p, c_int, POINTER(_Tiling))),
        "heif_image_handle_decode_image_tile": (
            _Error,
            (c_void_p, POINTER(c_void_p), c_int, c_int, POINTER(_DecodingOptions), c_uint32, c_uint32),
        ),
        "heif_decode_image": (_Error, (c_void_p, POINTER(c_void_p), c_int, c_int, POINTER(_DecodingOptions))),
        "heif_image_get_width": (c_int, (c_void_p, c_int)),
        "heif_image_get_height": (c_int, (c_void_p, c_int)),
        "heif_image_get_plane_readonly": (c_void_p, (c_void_p, c_int, POINTER(c_int))),
        "heif_image_release": (None, (c_void_p,)),
        "heif_decoding_options_alloc": (POINTER(_DecodingOptions), ()),
        "heif_decoding_options_free": (None, (POINTER(_DecodingOptions),)),
        "heif_item_get_transformation_properties": (c_int, (c_void_p, c_uint32, POINTER(c_uint32), c_int)),
        "heif_item_get_property_type": (c_uint32, (c_void_p, c_uint32, c_uint32)),
        "heif_item_get_property_transform_rotation_ccw": (c_int, (c_void_p, c_uint32, c_uint32)),
        "heif_item_get_property_transform_mirror": (c_int, (c_void_p, c_uint32, c_uint32)),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
