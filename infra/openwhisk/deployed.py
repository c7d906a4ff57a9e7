"""Whether the actions that are deployed are this version's, and serve the models that the database has for active."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from actions.messages import ModelReference
from infra.openwhisk.client import Throttled, Whisk, WhiskError
from infra.openwhisk.plan import find_serving_models
from infra.paths import ROOT

PACKAGE = "pixwhisk"
ACTIONS = ("classify", "store", "view", "bucket", "sweep")
MENDED_BY = "`pixwhisk deploy`"
# Written into the zip; the rest of it are files of this version.
LAUNCHER = "__main__.py"


def describe_code(whisk: Whisk) -> str | None:
    """Which of the actions are not there, or are another version's; None where all are as they should be."""
    live = {name: whisk.get("actions", f"{PACKAGE}/{name}") for name in ACTIONS}
    if missing := [name for name, found in live.items() if found is None]:
        return f"has no action {', '.join(missing)}: {MENDED_BY}"
    stale = [name for name, found in live.items() if found is not None and not _is_ours(found)]
    return f"runs another version's code of {', '.join(stale)}: {MENDED_BY}" if stale else None


def describe_models(whisk: Whisk, active: Collection[ModelReference]) -> str | None:
    """How the models that `classify` serves differ from the active ones; None where they do not, or it is too busy."""
    try:
        serving = set(find_serving_models(whisk))
    except Throttled:
        return None
    except WhiskError as error:
        return f"cannot classify: {error}"
    if serving == set(active):
        return None
    return f"classifies by {_name(serving)}, and the database has {_name(active)} for active: {MENDED_BY}"


def _name(models: Collection[ModelReference]) -> str:
    return ", ".join(sorted(f"{each.name} ({each.digest[:12]})" for each in models)) or "no model"


def _is_ours(live: Mapping[str, Any], root: Path = ROOT) -> bool:
    """Compared file by file: finding out by imports what belongs into the zip would take longer than all the rest. A
    file that is new here is imported by one that differs.
    """
    code = live.get("exec", {}).get("code")
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(code, validate=True))) as zipped:
            return all(each == (root / name).read_bytes() for name, each in _read_files(zipped))
    except (TypeError, binascii.Error, zipfile.BadZipFile, OSError):
        return False


def _read_files(zipped: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    return ((name, zipped.read(name)) for name in zipped.namelist() if name != LAUNCHER)
