"""Rows → Postgres: one statement, which is one transaction and one round trip, however many outcomes a call brings.

The statement may run any number of times and beside any other: unique keys decide, not earlier reads. Whoever stores
an outcome of an object version first takes the lock of its `objects` row, always in the order of the key, so two calls
cannot wait for each other; only then are the outcomes and the inbox touched.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

import psycopg
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from actions.errors import BadRequest, BadSettings, DatabaseUnavailable
from actions.messages import Outcome
from actions.store.rows import Stored, as_json, prepare, storable
from actions.store.settings import StoreSettings

# A server that is being restarted is back within a second; what takes longer is the sweep's to try again.
PAUSES = (0.0, 0.1, 0.3, 0.6)
OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        # Under the 60 s an action has, so that it says what went wrong rather than being killed.
        "statement_timeout": "20s",
        "lock_timeout": "10s",
        # One plan suits every call; but it may have been made while the tables were small, and must not go on scanning
        # them when they are large.
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        "jit": "off",
    }.items()
)

SERIALIZATION_FAILURE, DEADLOCK = "40001", "40P01"
DATA_EXCEPTION = "22"  # the class: a value does not fit its type
INTEGRITY_VIOLATION = "23"

STORE = text("""
WITH incoming AS MATERIALIZED (
    SELECT models.id AS model_id, models.active, backbones.id AS backbone_id, given.*
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
        position integer, bucket text, key text, version_id text, sequencer text, finality smallint, etag text,
        size bigint, event_time timestamptz, model text, model_digest text, status text, label text,
        probability double precision, labels jsonb, reason text, detail text, sha256 text, format text,
        width bigint, height bigint, receipt jsonb,
        backbone text, numbers text, scale double precision, zero_point smallint, signature text)
    JOIN models ON models.name = given.model AND models.digest = given.model_digest
    LEFT JOIN backbones ON backbones.digest = given.backbone
    WHERE given.backbone IS NULL OR backbones.id IS NOT NULL
), accepted AS (
    INSERT INTO objects AS held (bucket, key, version_id, sequencer, finality, etag, size, event_time)
    SELECT DISTINCT ON (bucket COLLATE "C", key COLLATE "C", version_id COLLATE "C")
           bucket, key, version_id, sequencer, finality, etag, size, event_time
    FROM incoming
    ORDER BY bucket COLLATE "C", key COLLATE "C", version_id COLLATE "C"
    ON CONFLICT (bucket, key, version_id) DO UPDATE SET
        sequencer = greatest(held.sequencer, excluded.sequencer),
        finality = CASE WHEN marker_ended(held.sequencer, held.finality, excluded.sequencer, excluded.finality,
                                          held.version_id) THEN 2 ELSE excluded.finality END,
        etag = excluded.etag,
        size = coalesce(excluded.size, CASE WHEN held.etag = excluded.etag THEN held.size END),
        event_time = coalesce(excluded.event_time, held.event_time)
    WHERE (excluded.sequencer, excluded.finality) >= (held.sequencer, held.finality)
       -- MinIO's word for both ends of a delete marker is the same; whichever comes second says that it is gone.
       OR marker_ended(held.sequencer, held.finality, excluded.sequencer, excluded.finality, held.version_id)
       -- Named by a caller rather than by an event: no order, but the same bytes.
       OR (excluded.sequencer = '' AND excluded.finality = 0 AND held.finality = 0 AND excluded.etag = held.etag)
    RETURNING id, bucket, key, version_id, sequencer, finality, etag
), written AS (
    INSERT INTO outcomes AS held (object_id, model_id, etag, status, label, probability, labels, reason, detail,
                                  sha256, format, width, height, receipt)
    SELECT accepted.id, model_id, incoming.etag, status, label, probability, labels, reason, detail,
           sha256, format, width, height, receipt
    FROM incoming JOIN accepted USING (bucket, key, version_id)
    ON CONFLICT (object_id, model_id) DO UPDATE SET
        etag = excluded.etag, status = excluded.status, label = excluded.label, probability = excluded.probability,
        labels = excluded.labels, reason = excluded.reason, detail = excluded.detail, sha256 = excluded.sha256,
        format = excluded.format, width = excluded.width, height = excluded.height, receipt = excluded.receipt,
        stored_at = excluded.stored_at
    -- A second delivery that came after the object went must not hide what the first one saw.
    WHERE held.etag <> excluded.etag OR coalesce(excluded.reason, '') NOT IN ('object-gone', 'object-changed')
), superseded AS (
    -- Other models' outcomes about what the object is no longer. The views hide them; this keeps the table small.
    DELETE FROM outcomes USING accepted
    WHERE outcomes.object_id = accepted.id
      AND (outcomes.etag <> accepted.etag OR (outcomes.status = 'deleted') <> (accepted.finality > 0))
      AND NOT EXISTS (
          SELECT FROM incoming
          WHERE (incoming.bucket, incoming.key, incoming.version_id, incoming.model_id)
              = (accepted.bucket, accepted.key, accepted.version_id, outcomes.model_id))
), embedded AS (
    INSERT INTO embeddings AS held (object_id, backbone_id, length, etag, scale, zero_point, numbers, signature)
    SELECT DISTINCT ON (accepted.id, backbone_id) accepted.id, backbone_id, length(signature), incoming.etag, scale,
           zero_point, decode(numbers, 'base64'), CAST(signature AS bit varying)
    FROM incoming JOIN accepted USING (bucket, key, version_id)
    WHERE incoming.backbone_id IS NOT NULL
    ON CONFLICT (object_id, backbone_id) DO UPDATE SET
        length = excluded.length, etag = excluded.etag, scale = excluded.scale, zero_point = excluded.zero_point,
        numbers = excluded.numbers, signature = excluded.signature
    WHERE held.etag <> excluded.etag
), forgotten AS (
    -- Of what is there no longer. What was overwritten is replaced above, or hidden until it is.
    DELETE FROM embeddings USING accepted WHERE embeddings.object_id = accepted.id AND accepted.finality > 0
), said AS (
    SELECT bucket, key, version_id, count(*) FILTER (WHERE active) AS models, array_agg(model_id) AS ids
    FROM incoming GROUP BY bucket, key, version_id
), behind AS (
    -- Objects about which an active model has no outcome yet, neither now nor before.
    SELECT accepted.id
    FROM accepted JOIN said USING (bucket, key, version_id)
    WHERE said.models < (SELECT count(*) FROM models WHERE active)
      AND said.models + (
          SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.active
          WHERE outcomes.object_id = accepted.id AND outcomes.model_id <> ALL (said.ids)
            AND outcomes.etag = accepted.etag AND (outcomes.status = 'deleted') = (accepted.finality > 0)
      ) < (SELECT count(*) FROM models WHERE active)
), settled AS (
    -- A stale outcome settles too: what it lost to covers the same events. The join with `accepted` and the order make
    -- sure that the locks of all objects are held before the first of the inbox is asked for.
    -- The claim stays: of what settled it says that a sweep had it in hand, and not the event alone.
    UPDATE inbox SET state = 'settled', settled_at = now()
    FROM (
        SELECT inbox.id
        FROM incoming
        LEFT JOIN accepted USING (bucket, key, version_id)
        JOIN inbox USING (bucket, key, version_id)
        WHERE inbox.state <> 'settled'
          AND (accepted.id IS NULL OR accepted.id NOT IN (SELECT id FROM behind))
          AND event_covers(
              coalesce(accepted.sequencer, incoming.sequencer), coalesce(accepted.finality, incoming.finality),
              inbox.sequencer, inbox.finality, inbox.version_id)
        ORDER BY inbox.id FOR UPDATE OF inbox
    ) AS covered
    WHERE inbox.id = covered.id
)
SELECT count(*) AS known,
       coalesce(array_agg(incoming.position) FILTER (WHERE accepted.id IS NOT NULL), '{}') AS accepted
FROM incoming LEFT JOIN accepted USING (bucket, key, version_id)
""")

# Whether they are active, a trigger says.
LEARN = text("""
INSERT INTO models (name, digest)
SELECT DISTINCT model, model_digest
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (model text, model_digest text)
ORDER BY 1, 2
ON CONFLICT DO NOTHING
""")

# The length that a backbone's first embedding has is the one that all have.
LEARN_BACKBONES = text("""
INSERT INTO backbones (digest, length)
SELECT DISTINCT ON (backbone) backbone, length(signature)
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (backbone text, signature text)
WHERE backbone IS NOT NULL ORDER BY backbone
ON CONFLICT DO NOTHING
""")

Answer = TypeVar("Answer")


def store(outcomes: Sequence[Outcome], settings: StoreSettings) -> Stored:
    """Write what is newer than what is there. Raises `DatabaseUnavailable`, or `BadRequest` for impossible values."""
    kept = [outcome for outcome in outcomes if storable(outcome)]
    skipped = len(outcomes) - len(kept)
    if not kept:
        return Stored(skipped=skipped)
    prepared = prepare(kept)
    document = as_json(prepared.rows)
    engine = connected(settings)
    accepted = retry(lambda: _write(engine, document, len(prepared.rows)))
    written = sum(position in accepted for position in prepared.positions)
    return Stored(written, len(kept) - written, skipped)


@lru_cache(maxsize=1)
def connected(settings: StoreSettings) -> Engine:
    """One connection per container, made on first use; prepared statements live as long as it does."""
    return create_engine(
        database_url(settings.database_url),
        # Each statement is its own transaction: no BEGIN and COMMIT to wait for.
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,
        use_native_hstore=False,
        connect_args={
            "application_name": "pixwhisk-store",
            "connect_timeout": 5,
            "options": OPTIONS,
            "prepare_threshold": 0,
            "tcp_user_timeout": 20_000,
        },
    )


def warm() -> None:
    """Load and compile all that needs no server, by way of a connection to where there is none."""
    engine = create_engine("postgresql+psycopg:///?host=/nonexistent")
    for statement in (STORE, LEARN, LEARN_BACKBONES):
        statement.compile(dialect=engine.dialect)
    with suppress(DBAPIError):
        engine.connect()


def database_url(url: str) -> URL:
    """The same place, with the driver that we bring. Raises `BadSettings` without repeating the URL."""
    try:
        return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise BadSettings("DATABASE_URL: expected postgresql://user:password@host/database") from None


def retry(attempt: Callable[[], Answer]) -> Answer:
    """Again after what passes: a connection that was lost or could not be made, or two calls in each other's way."""
    for pause in PAUSES:
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter
        try:
            return attempt()
        except DBAPIError as failure:
            error = _translated(failure)
            if not _passes(failure):
                break
    raise error from None


def _write(engine: Engine, document: str, expected: int) -> frozenset[int]:
    """The positions of the rows accepted. A model or backbone that is new is added before the second try."""
    known, accepted = _execute(engine, document)
    if known < expected:
        with engine.connect() as connection:
            for statement in (LEARN, LEARN_BACKBONES):
                connection.execute(statement, {"rows": document})
        _, accepted = _execute(engine, document)
    return accepted


def _execute(engine: Engine, document: str) -> tuple[int, frozenset[int]]:
    with engine.connect() as connection:
        answer = connection.execute(STORE, {"rows": document}).one()
    return answer.known, frozenset(answer.accepted)


def _state(failure: DBAPIError) -> str:
    """The SQLSTATE; empty where no server answered."""
    return getattr(failure.orig, "sqlstate", None) or ""


def _passes(failure: DBAPIError) -> bool:
    unreachable = isinstance(failure.orig, psycopg.OperationalError) and _state(failure)[:2] in ("", "08", "57")
    return failure.connection_invalidated or unreachable or _state(failure) in (SERIALIZATION_FAILURE, DEADLOCK)


def _translated(failure: DBAPIError) -> BadRequest | DatabaseUnavailable:
    """What the caller is told: never the driver's words, which may hold parts of the URL or of a row."""
    state = _state(failure)
    if state.startswith((DATA_EXCEPTION, INTEGRITY_VIOLATION)):
        return BadRequest(f"outcomes: a value does not fit its column (SQLSTATE {state})")
    if state:
        return DatabaseUnavailable(f"Postgres refused (SQLSTATE {state}): see its log; `pixwhisk up` migrates it")
    return DatabaseUnavailable("Postgres cannot be reached: see whether the server that DATABASE_URL names is running")
