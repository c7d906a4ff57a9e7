"""What one container of `classify` is configured with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actions.classify.container_memory import MIB, SMALLEST, container_memory
from actions.settings import SettingsReader

# What a container holds beside the picture that it decodes: the interpreter, its libraries, the model, the file, and
# room to spare, so that no picture that is let in takes it beyond 112 of 128 MB.
_HELD_BYTES = 72 * MIB
# What each further model takes from decoding, so that a container of 128 MB holds two with a picture at the limit.
# Twelve megapixels in four bytes each still pass with two.
_DECODE_BYTES_MODEL = 4 * MIB


@dataclass(frozen=True, slots=True)
class ClassifySettings:
    """Everything `classify` may be told. Limits are bytes and pixels; `threads` is for one inference.

    Every one of `models`, which are directories, classifies every image. `endpoint` is None where only inline images
    are classified; the keys are None for anonymous buckets. `limit_decode_bytes` follows the container's memory;
    `larger_decode_bytes` is what `classify-large` has for it, 0 where there is none.
    """

    models: tuple[Path, ...]
    endpoint: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    region: str = "us-east-1"
    limit_bytes: int = 128 * MIB
    limit_pixels: int = 100_000_000
    limit_decode_bytes: int = SMALLEST - _HELD_BYTES
    larger_decode_bytes: int = 0
    threads: int = 1

    @classmethod
    def from_params(cls, params: Mapping[str, Any], environ: Mapping[str, str]) -> ClassifySettings:
        """Read settings; the environment wins, so a caller's payload can never redirect an action, nor make it do more:
        limits of the payload narrow those of the environment.

        Raises `BadSettings` naming every setting that is missing or wrong.
        """
        read = SettingsReader(params, environ)
        defaults = cls(models=())
        models = directories(read.text("PIXWHISK_MODEL", required=True) or "")
        held = _HELD_BYTES + _DECODE_BYTES_MODEL * max(0, len(models) - 1)
        larger = read.number("PIXWHISK_LARGER_MEMORY", 0) * MIB
        settings = cls(
            models=models,
            endpoint=read.endpoint("AWS_ENDPOINT_URL_S3"),
            access_key=read.text("AWS_ACCESS_KEY_ID"),
            secret_key=read.text("AWS_SECRET_ACCESS_KEY"),
            region=environ.get("AWS_REGION") or defaults.region,
            limit_bytes=read.number("LIMIT_BYTES", defaults.limit_bytes),
            limit_pixels=read.number("LIMIT_PIXELS", defaults.limit_pixels),
            limit_decode_bytes=read.number("LIMIT_DECODE_BYTES", container_memory(environ) - held),
            larger_decode_bytes=max(0, larger - held),
            threads=read.number("PIXWHISK_THREADS", defaults.threads),
        )
        if read.text("PIXWHISK_MODEL") and not settings.models:
            read.wrong.append("PIXWHISK_MODEL: names no directory")
        if (settings.access_key is None) != (settings.secret_key is None):
            read.wrong.append("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both or neither")
        read.finish()
        return settings


def directories(text: str) -> tuple[Path, ...]:
    """What `PIXWHISK_MODEL` names: one or several directories, written as a `PATH` is."""
    return tuple(dict.fromkeys(Path(each) for each in text.split(os.pathsep) if each))
