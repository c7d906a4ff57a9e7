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
from typing import TYPE_CHECKING, Any, BinaryIO

from actions.classify import pictures
from actions.classify.card import ModelCard
from actions.classify.fetched import Fetched, Removed, Unfetched
from actions.classify.inputs import parse_inputs, without_injected
from actions.classify.model import Model, best, load_all
from actions.classify.pictures import Frame
from actions.classify.prefetch import Arrival, arrivals
from actions.classify.settings import ClassifySettings
from actions.classify.stages import Stages, resident_megabytes
from actions.errors import BadEvent, Rejected, TooManyBytes
from actions.events import ObjectEvent
from actions.messages import Classification, Embedding, Outcome, Picture, Status

if TYPE_CHECKING:
    from actions.classify.objects import ObjectStore

# Larger objects wait in a temporary file; of a batch several are held at once, so less each.
_IN_MEMORY_ALONE = 4 * 2**20
_IN_MEMORY_BATCH = 2**20

# What each further model that looks at pixels itself takes from decoding, so that EfficientNet-Lite2 fits beside the
# default one; a head on a backbone that is there takes next to nothing.
_BODY_BYTES = 12 * 2**20

# How many labels a row keeps, unless the caller wants more, and how likely each must at least be.
_KEPT = 20
_LEAST_KEPT = 0.001


@lru_cache(maxsize=1)
def load_models(directories: Sequence[Path], threads: int) -> Sequence[tuple[Model, ModelCard]]:
    """Loaded once per container and kept."""
    return load_all(directories, threads)


@lru_cache(maxsize=1)
def connect_store(settings: ClassifySettings) -> ObjectStore:
    """Connected once per container, and anew when the settings change."""
    # Late: MinIO's client takes as long to import as all the rest, and pictures given inline need none.
    from actions.classify.objects import ObjectStore

    return ObjectStore(settings)


def handle(params: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Classify what `params` name or hold. Raises `ActionError` where the activation as a whole has failed."""
    # First of all, before a byte of anybody's is looked at: what OpenWhisk injects may be the namespace's key.
    params = without_injected(params)
    stages = Stages()
    inputs = parse_inputs(params)
    settings = ClassifySettings.from_params(params, environ)
    activation = _Activation(settings, inputs.topk, stages)
    image = inputs.image
    outcomes = activation.of_records(inputs.records) if image is None else activation.of_image(image)
    stages.note("main", stages.elapsed)
    answer = {"results": activation.results, "outcomes": [outcome.dump() for outcome in outcomes]}
    # Asked about nothing, it names the models that would have classified.
    return answer if outcomes else {**answer, "models": activation.models()}


@dataclass(frozen=True, slots=True)
class Sighting:
    """Labels, likeliest first, more of them than are kept; and the embedding, where the model has one."""

    classifications: Sequence[Classification]
    embedding: Embedding | None

    def kept(self) -> Sequence[Classification]:
        """What goes into a row."""
        return [each for each in self.classifications if each.probability >= _LEAST_KEPT]


# What one model says of one image.
Prediction = Sighting | Rejected


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is classified: one record's object, and what became known of its bytes.

    `predictions` are the models', in their order. A `rejection` is for all models alike; then there are none, as for
    what was removed.
    """

    event: ObjectEvent
    picture: Picture = field(default_factory=Picture)
    rejection: Rejected | None = None
    predictions: tuple[Prediction, ...] = ()


@dataclass(frozen=True, slots=True)
class _View:
    """A picture as one frame shows it, or why it cannot be shown; what was learnt of it on the way stays known."""

    picture: Picture
    pixels: bytes | Rejected


class _Activation:
    """The parts that all records of one activation share."""

    def __init__(self, settings: ClassifySettings, topk: int, stages: Stages) -> None:
        self._settings, self._topk, self._stages = settings, topk, stages
        self._models, self._cold = self._load()
        held = _BODY_BYTES * (len({model.body for model, _ in self._models}) - 1)
        self._limits = pictures.Limits(
            settings.limit_pixels,
            max(0, settings.limit_decode_bytes - held),
            max(0, settings.larger_decode_bytes - held),
        )
        # The short answer: the likeliest labels of the first image that has any, by the first model.
        self.results: Sequence[dict[str, Any]] = ()

    def _load(self) -> tuple[Sequence[tuple[Model, ModelCard]], bool]:
        before, begun = load_models.cache_info().misses, self._stages.elapsed
        models = load_models(self._settings.models, self._settings.threads)
        cold = load_models.cache_info().misses != before
        if cold:
            self._stages.note("loadModel", self._stages.elapsed - begun)
        return models, cold

    def models(self) -> list[dict[str, str]]:
        """The models that classify every image, in their order."""
        return [model.reference.dump() for model, _ in self._models]

    def of_image(self, body: bytes) -> list[Outcome]:
        """An image given inline goes by the digest of its bytes."""
        digest = hashlib.sha256(body).hexdigest()
        event = ObjectEvent("created", bucket="", key=f"sha256:{digest}", size=len(body))
        subject = _Subject(event, Picture(len(body), digest))
        if len(body) > self._settings.limit_bytes:
            too_many = TooManyBytes(f"{len(body)} bytes, at most {self._settings.limit_bytes}")
            return self._outcomes(replace(subject, rejection=too_many), self._stages)
        return self._outcomes(self._look(subject, io.BytesIO(body), self._stages), self._stages)

    def of_records(self, records: Sequence[ObjectEvent | BadEvent]) -> list[Outcome]:
        """One outcome per record and model, in the order of the records; none for events that change no bytes."""
        wanted = [each for each in records if isinstance(each, ObjectEvent) and each.kind != "ignored"]
        in_memory = _IN_MEMORY_ALONE if len(records) == 1 else _IN_MEMORY_BATCH
        fetch = partial(self._fetch, in_memory=in_memory)
        with closing(arrivals(fetch, wanted)) as arriving:  # type: ignore[type-var]
            found = [self._of_record(each, arriving, quiet=len(records) > 1) for each in records]
        return [outcome for outcomes in found for outcome in outcomes]

    def _fetch(self, event: ObjectEvent, in_memory: int) -> Fetched | Removed | Unfetched:
        return connect_store(self._settings).fetch(event, in_memory)

    def _of_record(
        self, record: ObjectEvent | BadEvent, arriving: Iterator[Arrival], *, quiet: bool
    ) -> Sequence[Outcome]:
        if isinstance(record, ObjectEvent) and record.kind == "ignored":
            return ()
        stages = Stages(quiet=True) if quiet else self._stages
        outcomes = self._outcomes(self._subject(record, arriving, stages), stages)
        if quiet:
            print(*map(_summary, outcomes), sep="\n")
        return outcomes

    def _subject(self, record: ObjectEvent | BadEvent, arriving: Iterator[Arrival], stages: Stages) -> _Subject:
        if isinstance(record, BadEvent):
            return _Subject(ObjectEvent("created", bucket="", key=""), rejection=record)
        arrival = next(arriving)
        stages.note("fetchImage", arrival.milliseconds)
        fetched = arrival.result
        if isinstance(fetched, Unfetched):
            return _Subject(fetched.event, rejection=fetched.rejection)
        if isinstance(fetched, Removed):
            return _Subject(fetched.event)
        with fetched.file:
            return self._look(_Subject(fetched.event, Picture(fetched.size, fetched.sha256)), fetched.file, stages)

    def _look(self, subject: _Subject, file: BinaryIO, stages: Stages) -> _Subject:
        """Have every model classify a file's picture. Models that want it cut alike share one view of it."""
        frames = dict.fromkeys(model.frame for model, _ in self._models)
        # Of a picture given inline there is no record that a sweep could give to a larger container.
        limits = self._limits if subject.event.bucket else replace(self._limits, larger=0)
        views = {frame: self._view(subject.picture, file, frame, limits, stages) for frame in frames}
        predictions = [self._predict(model, card, views[model.frame].pixels, stages) for model, card in self._models]
        # Of the picture itself all views know the same.
        return replace(subject, picture=next(iter(views.values())).picture, predictions=tuple(predictions))

    def _predict(self, model: Model, card: ModelCard, pixels: bytes | Rejected, stages: Stages) -> Prediction:
        if isinstance(pixels, Rejected):
            return pixels
        with stages.measure("classify"):
            found = best(model.classify(pixels), card.labels, max(self._topk, _KEPT))
            return Sighting(found, model.embed(pixels))

    def _view(self, picture: Picture, file: BinaryIO, frame: Frame, limits: pictures.Limits, stages: Stages) -> _View:
        try:
            with stages.measure("decodeImage"):
                examined = pictures.examine(file, frame)
                picture = replace(picture, format=examined.format, width=examined.width, height=examined.height)
                pictures.check(examined, limits)
                image = pictures.decode(examined)
            with stages.measure("imageToInput"):
                return _View(picture, pictures.fit(examined, image, frame))
        except Rejected as rejection:
            return _View(picture, rejection.without_traceback())

    def _outcomes(self, subject: _Subject, stages: Stages) -> list[Outcome]:
        receipt = self._receipt(stages)
        predictions = subject.predictions or (subject.rejection,) * len(self._models)
        self.results = self.results or _results(predictions, self._topk)
        return [
            _outcome(subject, model, prediction, receipt)
            for (model, _), prediction in zip(self._models, _each_embedding_once(predictions), strict=True)
        ]

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


def _results(predictions: Sequence[Prediction | None], topk: int) -> Sequence[dict[str, Any]]:
    first = next((prediction for prediction in predictions if isinstance(prediction, Sighting)), None)
    return [
        {"className": each.class_name, "probability": each.probability}
        for each in (first.classifications[:topk] if first else ())
    ]


def _each_embedding_once(predictions: Sequence[Prediction | None]) -> Iterator[Prediction | None]:
    """Heads on one backbone share its embedding: the first of them brings it to `store`, for all."""
    brought: set[str] = set()
    for prediction in predictions:
        if isinstance(prediction, Sighting) and prediction.embedding is not None:
            if prediction.embedding.backbone in brought:
                yield replace(prediction, embedding=None)
                continue
            brought.add(prediction.embedding.backbone)
        yield prediction


def _outcome(subject: _Subject, model: Model, prediction: Prediction | None, receipt: Mapping[str, Any]) -> Outcome:
    rejection = prediction if isinstance(prediction, Rejected) else None
    status: Status = "rejected" if rejection else "deleted" if subject.event.kind == "removed" else "classified"
    return Outcome(
        status=status,
        event=subject.event,
        model=model.reference,
        picture=subject.picture,
        classifications=prediction.kept() if isinstance(prediction, Sighting) else (),
        embedding=prediction.embedding if isinstance(prediction, Sighting) else None,
        reason=rejection.code if rejection else None,
        detail=str(rejection) if rejection else None,
        receipt=receipt,
    )


def _summary(outcome: Outcome) -> str:
    """One line of the log for one record of a batch; JSON keeps any key on its line."""
    receipt = outcome.receipt
    name = json.dumps(f"{outcome.event.bucket}/{outcome.event.key}")
    what = outcome.reason or (outcome.classifications[0].label if outcome.classifications else "")
    times = " ".join(f"{stage}={receipt[stage]}ms" for stage in ("fetchMs", "decodeMs", "classifyMs"))
    return f"record: {name} {outcome.status} {json.dumps(what)} {times} rss={receipt['rssMb']}MB".replace("Ms=", "=")
