"""How this very program is to be called, where a command tells what to type next."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """`pixwhisk` where a shell finds us by that name, else our path."""
    called = Path(sys.argv[0])
    found = shutil.which("pixwhisk")
    if called.name != "pixwhisk" or (found and Path(found).resolve() == called.resolve()):
        return "pixwhisk"
    return shlex.quote(str(called))
