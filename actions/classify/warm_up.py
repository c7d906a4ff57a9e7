"""What a stem cell does before it is given its action, so that the first call is as quick as any other."""

from __future__ import annotations

import encodings.idna  # noqa: F401 (the first connection would import it, for the store's name)
import io
from collections.abc import Mapping
from threading import Thread

from PIL import Image

from actions.classify import pictures
from actions.classify.handler import load_models
from actions.classify.settings import ClassifySettings
from actions.errors import BadSettings

_LIMITS = pictures.Limits(pixels=10**6, memory=2**24)


def warm(environ: Mapping[str, str]) -> None:
    """Import all; decode one small picture and classify it, or only decode it without a model (`PIXWHISK_MODEL`)."""
    # Meanwhile, because loading and running a model is mostly done outside the interpreter.
    importing = Thread(target=_import_client)
    importing.start()
    _classify_once(environ)
    importing.join()


def _import_client() -> None:
    import actions.classify.objects  # noqa: F401 (imported late by the handler, too)


def _classify_once(environ: Mapping[str, str]) -> None:
    frame = pictures.Frame()
    pixels = _pixels(frame)
    if not environ.get("PIXWHISK_MODEL"):
        return
    try:
        settings = ClassifySettings.from_params({}, environ)
        models = load_models(settings.models, settings.threads)
    except BadSettings as error:
        # The stem cell may still be of use to an action that brings its own settings, or will say the same again.
        print(f"not preloaded: {error}")
        return
    for model, _ in models:
        model.classify(pixels if model.frame == frame else _pixels(model.frame))


def _pixels(frame: pictures.Frame) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (640, 480)).save(file, "JPEG")
    examined = pictures.examine(file, frame)
    pictures.check(examined, _LIMITS)
    return pictures.fit(examined, pictures.decode(examined), frame)
