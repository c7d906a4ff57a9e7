"""What creating and updating have in common across the collections."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from infra.host.auth import Identity
from infra.host.entities.models import Entity
from infra.host.entities.parameters import Parameters, as_mapping, merge, parse_parameters, without
from infra.host.errors import EXISTS, Refusal, forbidden, malformed
from infra.host.json_bodies import dump, expect
from infra.host.names import Name

VERSION = re.compile(r"\A\d{1,9}\.\d{1,9}\.\d{1,9}\Z", re.ASCII)


def entity_fields(raw: Mapping[str, Any], old: Entity | None) -> dict[str, Any]:
    """The fields every entity has: parameters replaced if given, annotations merged, the patch version counted up."""
    annotations = parse_parameters(raw.get("annotations"), "annotations")
    parameters = parse_parameters(raw.get("parameters"))
    publish = raw.get("publish")
    version = raw.get("version")
    if old is not None:
        kept = without(old.annotations, _parse_deleted_annotations(raw))
        annotations = merge(kept, annotations)
        parameters = old.parameters if raw.get("parameters") is None else parameters
    return {
        "annotations": annotations,
        "parameters": parameters,
        "publish": _expect_flag(publish) if publish is not None else old is not None and old.publish,
        # The Go client writes an unset version as an empty text.
        "version": _check_version(version) if version else next_version(old.version) if old else "0.0.1",
        "updated": int(time.time() * 1000),
    }


def _expect_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise malformed(f"Expected JsBoolean, but got {dump(value).decode()}")
    return value


def _parse_deleted_annotations(raw: Mapping[str, Any]) -> list[str]:
    named = raw.get("delAnnotations")
    return [name for name in expect(named, list, "delAnnotations") if isinstance(name, str)] if named else []


def _check_version(version: object) -> str:
    if not isinstance(version, str) or not VERSION.match(version):
        raise malformed("semantic version malformed")
    return version


def next_version(version: str) -> str:
    major, minor, patch = version.split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def check_own(name: Name, identity: Identity) -> None:
    """Only the owner of a namespace changes what is in it, or reads its unpublished parts."""
    if name.namespace != identity.namespace:
        raise forbidden(str(name))


def check_overwrite(old: Entity | None, *, overwrite: bool) -> None:
    if old is not None and not overwrite:
        raise Refusal(409, EXISTS)


def annotate(annotations: Parameters, **added: Any) -> Parameters:
    """`annotations` with those added at their end whose names, with `-` for `_`, are not there yet."""
    named = {key.replace("_", "-"): value for key, value in added.items()}
    known = as_mapping(annotations)
    raw = [{"key": key, "value": value} for key, value in named.items() if key not in known]
    return merge(annotations, parse_parameters(raw, "annotations"))
