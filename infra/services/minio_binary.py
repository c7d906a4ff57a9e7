"""Where the MinIO program is: the operator's own, or the one that set-up builds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from infra import paths
from infra.errors import OperatorError

MODULE = "github.com/minio/minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"


class MinioMissing(OperatorError):
    """There is no MinIO to start; the message says what to do."""


def find(environ: Mapping[str, str] = os.environ) -> Path:
    """The program to start: `MINIO_BINARY`, else `minio` on PATH, else what set-up built."""
    if binary := find_provided(environ) or _executable(place_built(environ)):
        return binary
    raise MinioMissing("MinIO is not built yet: run `make setup`, or name a binary in MINIO_BINARY")


def find_provided(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The operator's own MinIO, if there is one. Raises `MinioMissing` when `MINIO_BINARY` names none."""
    if named := environ.get("MINIO_BINARY"):
        if binary := _executable(Path(named)):
            return binary
        raise MinioMissing(f"MINIO_BINARY names {named}, which is not a program: correct or unset it")
    found = shutil.which("minio", path=environ.get("PATH", ""))
    return Path(found).absolute() if found else None


def place_built(environ: Mapping[str, str] = os.environ) -> Path:
    """Where set-up puts the MinIO it builds; the name holds the version, so that a new one never runs as the old."""
    return paths.cache(environ) / "bin" / f"minio-{VERSION}"


def _executable(path: Path) -> Path | None:
    return path.absolute() if path.is_file() and os.access(path, os.X_OK) else None
