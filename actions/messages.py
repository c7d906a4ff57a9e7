"""The one message between `classify` and `store`: what became of each object version, as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from actions.errors import BadRequest, ObjectChanged, ObjectGone
from actions.events import ObjectEvent

# `finality`: what is left of an object version. The higher wins between equal sequencers, because MinIO gives the
# removal of a version the modification time of that version.
PRESENT, DELETE_MARKER, REMOVED = 0, 1, 2

# Reasons that say something about the fetch rather than about the bytes.
SUPERSEDED = (ObjectGone.code, ObjectChanged.code)

Status = Literal["classified", "rejected", "deleted"]


@dataclass(frozen=True, slots=True)
class Classification:
    """One label of the model. `label` is the first synonym of `class_name`; `probability` lies in 0..1."""

    index: int
    label: str
    class_name: str
    probability: float

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Classification:
        return cls(raw["index"], raw["label"], raw["className"], raw["probability"])

    def dump(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "label": self.label,
            "className": self.class_name,
            "probability": self.probability,
        }


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model classified: its name, and the digest (`sha256:…`) of the very file that was loaded."""

    name: str
    digest: str

    def dump(self) -> dict[str, str]:
        return {"name": self.name, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Embedding:
    """What a backbone, named by the digest of its file, makes of a picture: real = (value - zero_point) x scale."""

    backbone: str
    scale: float
    zero_point: int
    values: bytes = field(repr=False)

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Embedding:
        values = base64.b64decode(raw["values"], validate=True)
        return cls(raw["backbone"], float(raw["scale"]), int(raw["zeroPoint"]), values)

    def dump(self) -> dict[str, Any]:
        return {
            "backbone": self.backbone,
            "scale": self.scale,
            "zeroPoint": self.zero_point,
            "values": base64.b64encode(self.values).decode(),
        }


@dataclass(frozen=True, slots=True)
class Picture:
    """What was learnt of the bytes themselves; parts are None where an image was rejected before they were known.

    `size` is in bytes; `width` and `height` are in pixels after EXIF orientation.
    """

    size: int | None = None
    sha256: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record, about exactly the bytes `event.etag` names.

    For an image given inline, `event.bucket` is empty and `event.key` is `sha256:…` of its bytes. A record that could
    not be read (`bad-event`) has neither.
    """

    status: Status
    event: ObjectEvent
    model: ModelReference
    picture: Picture = Picture()
    classifications: Sequence[Classification] = ()
    reason: str | None = None
    detail: str | None = None
    embedding: Embedding | None = None
    receipt: Mapping[str, Any] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """The outcome as the public contract has it; `reason` and `detail` only where rejected."""
        event, picture = self.event, self.picture
        dumped: dict[str, Any] = {
            "status": self.status,
            "bucket": event.bucket or None,
            "key": event.key or None,
            "versionId": event.version_id,
            "etag": event.etag,
            "sequencer": event.sequencer,
            "eventTime": event.event_time,
            "size": picture.size if picture.size is not None else event.size,
            "sha256": picture.sha256,
            "format": picture.format,
            "width": picture.width,
            "height": picture.height,
            "classifications": [classification.dump() for classification in self.classifications],
            "model": self.model.dump(),
            "receipt": dict(self.receipt),
        }
        if self.status == "rejected":
            dumped |= {"reason": self.reason, "detail": self.detail}
        if event.delete_marker:
            dumped["deleteMarker"] = True
        if event.revision is not None:
            dumped["revision"] = event.revision
        if self.embedding is not None:
            dumped["embedding"] = self.embedding.dump()
        return dumped

    @classmethod
    def parse(cls, raw: object) -> Outcome:
        """Read a dumped outcome. Raises `BadRequest` naming what is missing; unknown fields are ignored."""
        if not isinstance(raw, Mapping):
            raise BadRequest("outcomes: expected objects, as `classify` returns them")
        try:
            return cls._parse(raw)
        except KeyError as missing:
            raise BadRequest(f"outcome: {missing.args[0]} is missing") from None
        except (TypeError, ValueError, AttributeError):
            raise BadRequest("outcome: a field has the wrong type") from None

    @classmethod
    def _parse(cls, raw: Mapping[str, Any]) -> Outcome:
        if raw["status"] not in get_args(Status):
            raise BadRequest(f"outcome: status {raw['status']!r} is unknown")
        event = ObjectEvent(
            kind="removed" if raw["status"] == "deleted" else "created",
            bucket=raw["bucket"] or "",
            key=raw["key"] or "",
            version_id=raw.get("versionId"),
            etag=raw.get("etag"),
            size=raw.get("size"),
            sequencer=raw.get("sequencer"),
            event_time=raw.get("eventTime"),
            delete_marker=bool(raw.get("deleteMarker")),
            revision=raw.get("revision"),
        )
        return cls(
            status=raw["status"],
            event=event,
            model=ModelReference(raw["model"]["name"], raw["model"]["digest"]),
            picture=Picture(*(raw.get(name) for name in ("size", "sha256", "format", "width", "height"))),
            classifications=[Classification.parse(each) for each in raw.get("classifications", ())],
            reason=raw.get("reason"),
            detail=raw.get("detail"),
            embedding=Embedding.parse(raw["embedding"]) if raw.get("embedding") else None,
            receipt=dict(raw.get("receipt") or {}),
        )


def make_storable(text: str) -> str:
    """As Postgres takes it: with a replacement for NUL, and for halves of surrogate pairs, which have no UTF-8."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
