"""Arguments in, outcomes out: what one activation of `classify` does."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actions.classify import images
from actions.classify.inputs import parse_inputs, without_injected
from actions.classify.model import Card, Model, best, load
from actions.classify.prefetch import Arrival, arrivals
from actions.classify.settings import Settings
from actions.classify.stages import Stages, resident_megabytes
from actions.errors import BadEvent, Rejected, TooManyBytes
from actions.events import ObjectEvent
from actions.messages import Classification, Outcome, Picture, Status

if TYPE_CHECKING:
    from actions.classify.objects import Fetched, ObjectStore

# Larger objects wait in a temporary file; of a batch several are held at once, so less each.
_IN_MEMORY_ALONE = 4 * 2**20
_IN_MEMORY_BATCH = 2**20


@lru_cache(maxsize=1)
def loaded_model(directory: Path, threads: int) -> tuple[Model, Card]:
    """Loaded once per container and kept."""
    return load(directory, threads)


@lru_cache(maxsize=1)
def connected_store(settings: Settings) -> ObjectStore:
    """Connected once per container, and anew when the settings change."""
    # Late: MinIO's client takes as long to import as all the rest, and pictures given inline need none.
    from actions.classify.objects import ObjectStore

    return ObjectStore(settings)


def handle(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Classify what `params` name or hold. Raises `ActionError` where the activation as a whole has failed."""
    stages = Stages()
    params = without_injected(params)
    inputs = parse_inputs(params)
    settings = Settings.from_params(params, environ)
    activation = _Activation(settings, inputs.topk, stages)
    if inputs.image is not None:
        outcomes = [activation.of_image(inputs.image)]
    else:
        outcomes = activation.of_records(inputs.records)
    stages.note("main", stages.elapsed)
    return {"results": _results(outcomes), "outcomes": [outcome.dump() for outcome in outcomes]}


def _results(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The short answer: the labels of the first image that has any."""
    first = next((outcome for outcome in outcomes if outcome.status == "classified"), None)
    return [
        {"className": each.class_name, "probability": each.probability}
        for each in (first.classifications if first else ())
    ]


@dataclass(slots=True)
class _Attempt:
    """One image on its way to an outcome; what is known of it stays known when it is rejected half-way."""

    event: ObjectEvent
    stages: Stages
    picture: Picture = field(default_factory=Picture)
    classifications: tuple[Classification, ...] = ()
    rejection: Rejected | None = None

    @property
    def status(self) -> Status:
        if self.rejection is not None:
            return "rejected"
        return "deleted" if self.event.kind == "removed" else "classified"


class _Activation:
    """The parts that all records of one activation share."""

    def __init__(self, settings: Settings, topk: int, stages: Stages) -> None:
        self._settings, self._topk, self._stages = settings, topk, stages
        self._limits = images.Limits(settings.limit_pixels, settings.limit_decode_bytes)
        self._model, self._labels, self._cold = self._load()

    def _load(self) -> tuple[Model, Sequence[str], bool]:
        before, begun = loaded_model.cache_info().misses, self._stages.elapsed
        model, card = loaded_model(self._settings.model, self._settings.threads)
        cold = loaded_model.cache_info().misses != before
        if cold:
            self._stages.note("loadModel", self._stages.elapsed - begun)
        return model, card.labels, cold

    def of_image(self, body: bytes) -> Outcome:
        """An image given inline goes by the digest of its bytes."""
        digest = hashlib.sha256(body).hexdigest()
        event = ObjectEvent("created", bucket="", key=f"sha256:{digest}", size=len(body))
        attempt = _Attempt(event, self._stages, Picture(len(body), digest))
        if len(body) > self._settings.limit_bytes:
            attempt.rejection = TooManyBytes(f"{len(body)} bytes, at most {self._settings.limit_bytes}")
        else:
            self._look(attempt, io.BytesIO(body))
        return self._outcome(attempt)

    def of_records(self, records: Sequence[ObjectEvent | BadEvent]) -> list[Outcome]:
        """One outcome per record, in order; none for events that change no bytes."""
        wanted = [each for each in records if isinstance(each, ObjectEvent) and each.kind == "created"]
        in_memory = _IN_MEMORY_ALONE if len(records) == 1 else _IN_MEMORY_BATCH
        fetch = partial(self._fetch, in_memory=in_memory)
        with closing(arrivals(fetch, wanted)) as arriving:  # type: ignore[type-var]
            found = [self._of_record(each, arriving, quiet=len(records) > 1) for each in records]
        return [outcome for outcome in found if outcome is not None]

    def _fetch(self, event: ObjectEvent, in_memory: int) -> Fetched:
        return connected_store(self._settings).fetch(event, in_memory)

    def _of_record(self, record: ObjectEvent | BadEvent, arriving: Iterator[Arrival], *, quiet: bool) -> Outcome | None:
        stages = Stages(quiet=True) if quiet else self._stages
        if isinstance(record, BadEvent):
            attempt = _Attempt(ObjectEvent("created", bucket="", key=""), stages, rejection=record)
        elif record.kind == "ignored":
            return None
        else:
            attempt = _Attempt(record, stages)
            if record.kind == "created":
                self._of_arrival(attempt, next(arriving))
        outcome = self._outcome(attempt)
        if quiet:
            print(_summary(outcome))
        return outcome

    def _of_arrival(self, attempt: _Attempt, arrival: Arrival) -> None:
        attempt.stages.note("fetchImage", arrival.milliseconds)
        fetched = arrival.result
        if isinstance(fetched, Rejected):
            attempt.rejection = fetched
            return
        with fetched.file:
            attempt.event = fetched.event
            attempt.picture = Picture(fetched.size, fetched.sha256)
            self._look(attempt, fetched.file)

    def _look(self, attempt: _Attempt, file: Any) -> None:
        try:
            self._classify(attempt, file)
        except Rejected as rejection:
            attempt.rejection = rejection

    def _classify(self, attempt: _Attempt, file: Any) -> None:
        frame, stages = self._model.frame, attempt.stages
        with stages.measure("decodeImage"):
            examined = images.examine(file, frame)
            attempt.picture = replace(
                attempt.picture, format=examined.format, width=examined.width, height=examined.height
            )
            images.check(examined, self._limits)
            image = images.decode(examined, frame)
        with stages.measure("imageToInput"):
            pixels = images.pixels(examined, image, frame)
        with stages.measure("classify"):
            probabilities = self._model.classify(pixels)
            attempt.classifications = best(probabilities, self._labels, self._topk)

    def _outcome(self, attempt: _Attempt) -> Outcome:
        rejection = attempt.rejection
        return Outcome(
            status=attempt.status,
            event=attempt.event,
            model=self._model.reference,
            picture=attempt.picture,
            classifications=attempt.classifications,
            reason=rejection.code if rejection else None,
            detail=str(rejection) if rejection else None,
            receipt=self._receipt(attempt.stages),
        )

    def _receipt(self, stages: Stages) -> dict[str, Any]:
        times = stages.times
        alone = stages is self._stages
        return {
            "cold": self._cold,
            "fetchMs": round(times.get("fetchImage", 0), 1),
            "decodeMs": round(times.get("decodeImage", 0) + times.get("imageToInput", 0), 1),
            "classifyMs": round(times.get("classify", 0), 1),
            "totalMs": round(stages.elapsed if alone else sum(times.values()), 1),
            "rssMb": round(resident_megabytes(), 1),
        }


def _summary(outcome: Outcome) -> str:
    """One line of the log for one record of a batch; JSON keeps any key on its line."""
    receipt = outcome.receipt
    name = json.dumps(f"{outcome.event.bucket}/{outcome.event.key}")
    what = outcome.reason or (outcome.classifications[0].label if outcome.classifications else "")
    times = " ".join(f"{stage}={receipt[stage]}ms" for stage in ("fetchMs", "decodeMs", "classifyMs"))
    return f"record: {name} {outcome.status} {json.dumps(what)} {times} rss={receipt['rssMb']}MB".replace("Ms=", "=")
