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
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from actions.causes import name_database_cause
from actions.errors import BadRequest, BadSettings, DatabaseUnavailable
from actions.messages import Outcome
from actions.settings import DATABASE_URL_EXPECTED, add_options
from actions.statements import statements
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


Answer = TypeVar("Answer")


def store(outcomes: Sequence[Outcome], settings: StoreSettings) -> Stored:
    """Write what is newer than what is there. Raises `DatabaseUnavailable`, or `BadRequest` for impossible values."""
    kept = [outcome for outcome in outcomes if storable(outcome)]
    skipped = len(outcomes) - len(kept)
    if not kept:
        return Stored(skipped=skipped)
    prepared = prepare(kept)
    document = as_json(prepared.rows)
    engine = connect(settings)
    accepted = retry(lambda: _write(engine, document, len(prepared.rows)))
    written = sum(position in accepted for position in prepared.positions)
    return Stored(written, len(kept) - written, skipped)


@lru_cache(maxsize=1)
def connect(settings: StoreSettings) -> Engine:
    """One connection per container, made on first use; prepared statements live as long as it does."""
    return create_engine(
        database_url(add_options(settings.database_url, OPTIONS)),
        # Each statement is its own transaction: no BEGIN and COMMIT to wait for.
        isolation_level="AUTOCOMMIT",
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,
        use_native_hstore=False,
        connect_args={
            "application_name": "pixwhisk-store",
            "connect_timeout": 5,
            "prepare_threshold": 0,
            "tcp_user_timeout": 20_000,
        },
    )


def warm() -> None:
    """Load all that needs no server, by way of a connection to where there is none."""
    engine = create_engine("postgresql+psycopg:///?host=/nonexistent")
    with suppress(DBAPIError):
        engine.connect()


def database_url(url: str) -> URL:
    """The same place, with the driver that we bring. Raises `BadSettings` without repeating the URL."""
    try:
        return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise BadSettings(DATABASE_URL_EXPECTED) from None


def retry(attempt: Callable[[], Answer]) -> Answer:
    """Again after what passes: a connection that was lost or could not be made, or two calls in each other's way."""
    for pause in PAUSES:
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter
        try:
            return attempt()
        except DBAPIError as failure:
            error = _translate(failure)
            if not _passes(failure):
                break
    raise error from None


def _write(engine: Engine, document: str, expected: int) -> frozenset[int]:
    """The positions of the rows accepted. A model or backbone that is new is added before the second try."""
    known, accepted = _execute(engine, document)
    if known < expected:
        with engine.connect() as connection:
            for name in ("learn_models", "learn_backbones"):
                connection.exec_driver_sql(statements(__file__)[name], {"rows": document})
        _, accepted = _execute(engine, document)
    return accepted


def _execute(engine: Engine, document: str) -> tuple[int, frozenset[int]]:
    with engine.connect() as connection:
        answer = connection.exec_driver_sql(statements(__file__)["store"], {"rows": document}).one()
    return answer.known, frozenset(answer.accepted)


def _state(failure: DBAPIError) -> str:
    """The SQLSTATE; empty where no server answered."""
    return getattr(failure.orig, "sqlstate", None) or ""


def _passes(failure: DBAPIError) -> bool:
    unreachable = isinstance(failure.orig, psycopg.OperationalError) and _state(failure)[:2] in ("", "08", "57")
    return failure.connection_invalidated or unreachable or _state(failure) in (SERIALIZATION_FAILURE, DEADLOCK)


def _translate(failure: DBAPIError) -> BadRequest | DatabaseUnavailable:
    """What the caller is told: never the driver's words, which may hold parts of the URL or of a row."""
    state = _state(failure)
    if state.startswith((DATA_EXCEPTION, INTEGRITY_VIOLATION)):
        return BadRequest(f"outcomes: a value does not fit its column (SQLSTATE {state})")
    if state:
        named = name_database_cause(failure.orig or failure)
        return DatabaseUnavailable(f"Postgres refused (SQLSTATE {named}): see its log; `pixwhisk up` migrates it")
    return DatabaseUnavailable(
        f"Postgres cannot be reached ({name_database_cause(failure.orig or failure)}): see whether the server that"
        " DATABASE_URL names is running"
    )
