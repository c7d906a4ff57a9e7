"""Whether a Postgres that we could not connect to is away, or is there and does not let us in."""

from __future__ import annotations

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

SECONDS_PING = 2

# It ends: operator intervention, as PostgreSQL's table of error codes has it, without a statement's cancelling.
ENDING = frozenset(("57P01", "57P02", "57P03"))


def is_refused(error: psycopg.Error) -> bool:
    """A server answered: of our password, its `pg_hba.conf`, a lock that somebody holds; anything but that it ends.

    libpq keeps to itself why a connection did not come about, so then the server is asked whether it is there.
    """
    if error.sqlstate is not None or not isinstance(error, psycopg.OperationalError):
        return error.sqlstate not in ENDING
    tried = error.pgconn
    return tried is not None and _is_there(tried.hostaddr or tried.host, tried.port)


def _is_there(host: bytes, port: bytes) -> bool:
    place = make_conninfo(host=host.decode(), port=port.decode(), connect_timeout=SECONDS_PING)
    return pq.PGconn.ping(place.encode()) == pq.Ping.OK


def first_line(error: Exception) -> str:
    """What is said of the error where one line is all there is."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
