"""Where things are kept: one cache per user (built once, shared by checkouts), one data directory per deployment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

# Of the sources, where `requirements` and `pyproject.toml` are, too, unless this is an installed package.
ROOT = Path(__file__).resolve().parents[1]
# Those of the demo, to try with.
PHOTOS = ROOT / "infra/photos"
MODEL_NAME = "efficientnet-lite0-int8"


def cache(environ: Mapping[str, str] = os.environ) -> Path:
    """What set-up builds (MinIO, the model): `PIXWHISK_CACHE`, else `pixwhisk` in the user's cache directory."""
    if named := environ.get("PIXWHISK_CACHE"):
        return Path(named).resolve()
    base = environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).resolve() / "pixwhisk"


def default_model(environ: Mapping[str, str] = os.environ) -> Path:
    """The directory of the default model: backbone and head beside `card.json`."""
    return models(environ) / MODEL_NAME


def models(environ: Mapping[str, str] = os.environ) -> Path:
    """Where models are kept, each in a directory of its name. Checkouts of 0.1.0 have theirs right in `models`."""
    return cache(environ) / "models" / "headed"


def data(named: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """A deployment's data directory: as named, else `PIXWHISK_DATA`, else `.pixwhisk` in the working directory."""
    return Path(named or environ.get("PIXWHISK_DATA") or ".pixwhisk").resolve()


def module_command(name: str) -> list[str]:
    """Our own Python running a module of ours: as it is installed (`-P`), not what has its name where it is started."""
    return [sys.executable, "-P", "-m", name]
