"""Libraries that a wheel has brought and loaded already: called beside what its Python shows of them."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path


def open_mapped(name: str, owner: str) -> ctypes.CDLL:
    """The library of this process whose path ends with a file as the pattern `name`, wherever it came from.

    Raises `OSError` where `owner` has brought none.
    """
    found = re.search(rf"\s(/\S*{name}[-.][^/\s]*)$", Path("/proc/self/maps").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{owner} has no {name.rpartition('/')[2]} of its own")
    return ctypes.CDLL(found[1])
