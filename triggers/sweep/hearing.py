"""Hearing of uploads at once: MinIO streams what happens in a bucket to whoever listens, beside every target.

The stream may miss events, so it is never more than a hint: the journal has them all, seconds later. It costs uploads
nothing, whatever becomes of the listener, which a target without a queue would not be true of.

MinIO (of 2026-02) keeps back up to 4 KiB of a stream, some four events, until there is more, and gives them out when
the stream ends. So where each event matters, streams are short and overlap: when one side of a connection is closed,
what was kept back comes by the other within a millisecond. That is 1.4 ms of MinIO's processor a stream.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus, unquote_plus, urlsplit

import urllib3

from actions.events import SUBSCRIBED
from actions.minio_client import Minio, MinioException

TIMEOUT = urllib3.Timeout(connect=3, read=5)
# How long a stream lasts where each event matters, and elsewhere, in s; the next one is open by then.
QUICK, SLOW = 0.08, 15.0
TIMEOUT_CONNECT = 3.0
# A stream that was ended has said all it has by then.
TIMEOUT_END = 5.0
LIMIT_REFUSAL = 65536
# How long what the bucket's subscription says is believed, and how long to wait after a stream was lost.
FRESH, PAUSE = 1.0, 1.0
# Keys that may not listen are asked again, though seldom: a policy may be given them later.
PAUSE_REFUSED = 60.0

Hear = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Whom to listen to: `bucket` at `endpoint`, for what `trigger` is subscribed to there."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    bucket: str
    trigger: str = "image-uploaded"


class Listener:
    """Tells `hear` of events, each at least once, as records of the journal would be, from threads of its own."""

    def __init__(self, settings: ListenSettings, hear: Hear, report: Callable[[str], None]) -> None:
        self._settings, self._hear, self._report = settings, hear, report
        address = urlsplit(settings.endpoint)
        web = urllib3.PoolManager(timeout=TIMEOUT, retries=False, maxsize=2)
        self._store = Minio(
            address.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            secure=address.scheme == "https",
            http_client=web,
        )
        self._changed, self._stopped = threading.Event(), False
        self._interval, self._reported = SLOW, ""
        self._filter: tuple[str, str] | None = None
        self._looked = -FRESH
        self._looking = threading.Lock()
        threading.Thread(target=self._listen_for_ever, name="listener", daemon=True).start()

    def hurry(self, quick: bool) -> None:
        """From now on hear of each event within a tenth of a second; otherwise of a few together."""
        self._interval = QUICK if quick else SLOW
        self._changed.set()

    def close(self) -> None:
        """The threads end by themselves: they may be waiting for MinIO, and hold nothing."""
        self._stopped = True
        self._changed.set()

    def _listen_for_ever(self) -> None:
        streams: deque[EventStream] = deque()
        while not self._stopped:
            pause = self._interval
            try:
                streams.append(EventStream(self._address(), self._take))
                while len(streams) > 1 + (self._interval == QUICK):
                    streams.popleft().end()
                if refusals := [stream.refusal for stream in streams if stream.refusal]:
                    pause = self._complain(refusals[0])
                    streams.clear()
            except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
                pause = self._complain(type(error).__name__)
            self._changed.wait(pause)
            self._changed.clear()
        for stream in streams:
            stream.end()

    def _address(self) -> str:
        """A URL that is signed already."""
        return self._store.sign_listening(bucket_name=self._settings.bucket, events=SUBSCRIBED)

    def _take(self, record: Mapping[str, Any]) -> None:
        with suppress(MinioException, urllib3.exceptions.HTTPError, OSError):
            if self._is_subscribed(record):
                self._hear(record)

    def _is_subscribed(self, record: Mapping[str, Any]) -> bool:
        """Whether the trigger would be fired for it: the stream tells of all keys of the bucket."""
        with self._looking:
            if time.monotonic() - self._looked > FRESH:
                self._filter = self._read_filter()
                self._looked = time.monotonic()
                self._reported = ""
        key = unquote_plus(record["s3"]["object"]["key"])
        return self._filter is not None and key.startswith(self._filter[0]) and key.endswith(self._filter[1])

    def _read_filter(self) -> tuple[str, str] | None:
        """Prefix and suffix of the subscription; None where there is none."""
        document = self._store.get_bucket_notification(bucket_name=self._settings.bucket)
        for entry in document.queue_config_list:
            if re.search(rf"/{re.escape(self._settings.trigger)}#webhook", entry.config_id or ""):
                prefix, suffix = entry.prefix_filter_rule, entry.suffix_filter_rule
                return (prefix.value or "") if prefix else "", (suffix.value or "") if suffix else ""
        return None

    def _complain(self, why: str) -> float:
        """Say once that nothing is heard; how long to wait."""
        if why != self._reported:
            self._reported = why
            self._report(f"sweep: hears of uploads by the journal alone: {why}")
        return PAUSE_REFUSED if why == "AccessDenied" else PAUSE


class EventStream:
    """One request that MinIO answers for as long as it lasts; a thread reads. `refusal` is why there is no answer.

    Raises `OSError` where it cannot be opened.
    """

    def __init__(self, address: str, take: Callable[[Mapping[str, Any]], None]) -> None:
        place, self._take = urlsplit(address), take
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(place.netloc, timeout=TIMEOUT_CONNECT)
        self._connection.request("GET", f"{place.path}?{place.query}")
        # MinIO is silent while nothing happens.
        self._socket = self._connection.sock
        self._socket.settimeout(None)
        self.refusal = ""
        threading.Thread(target=self._read, name="stream", daemon=True).start()

    def end(self) -> None:
        """Say that no more is wanted; what was kept back comes, and then the thread ends."""
        with suppress(OSError):
            self._socket.settimeout(TIMEOUT_END)
            # Not its own method, which of an encrypted connection ends both directions.
            socket.socket.shutdown(self._socket, socket.SHUT_WR)

    def _read(self) -> None:
        try:
            answer = self._connection.getresponse()
            if answer.status != HTTPStatus.OK:
                self.refusal = _read_code(answer.read(LIMIT_REFUSAL))
                return
            for record in read_records(iter(lambda: answer.read1(65536), b"")):
                self._take(record)
            self.refusal = "it ended"
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            self.refusal = type(error).__name__
        finally:
            self._connection.close()


def read_records(chunks: Iterator[bytes]) -> Iterator[Mapping[str, Any]]:
    """The records in a stream of lines, which chunks may cut anywhere; keys are escaped as in every other event."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in filter(bytes.strip, lines):
            for record in json.loads(line)["Records"] or ():
                described = record["s3"]["object"]
                described["key"] = quote_plus(described["key"])
                yield record


def _read_code(body: bytes) -> str:
    found = re.search(rb"<Code>(\w+)</Code>", body)
    return found[1].decode() if found else "it refuses"
