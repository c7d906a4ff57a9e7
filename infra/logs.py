"""Log lines in one dialect: the event first, then `key=value`; or, with `PIXWHISK_LOG=json`, one JSON object a line.

An event is two or three words with hyphens, the same whatever happened around it, so that it can be looked for. What
differs is in the fields. Libraries' own lines pass through the same formatter. The actions' stage lines do not: they
are OpenWhisk's to keep. No library does this for us because three processes of `up` would import it, one after the
other on a small machine: structlog takes more processor time to import than the host's server and event loop.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from infra.reports import Report

_PLAIN = re.compile(r"[^\s\"=\\]+\Z")


class EventLogger:
    """Takes an event and its fields: `log.warning("container-ended", profile=profile)`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: object) -> None:
        # Asked first: a container may say thousands of lines that nobody wants.
        if self._logger.isEnabledFor(logging.DEBUG):
            self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def fault(self, event: str, error: BaseException, **fields: object) -> None:
        """An error that nobody foresaw, with its traceback."""
        self._write(logging.ERROR, event, fields, error)

    def _write(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None = None) -> None:
        self._logger.log(level, "%s", event, extra={"fields": fields}, exc_info=error)


def is_json(environ: Mapping[str, str]) -> bool:
    """Whether programs are to read the log. Anything but `json` is for people."""
    return environ.get("PIXWHISK_LOG") == "json"


def choose_report(environ: Mapping[str, str], echo: Report) -> Report:
    """How a command that stays in the foreground says what it does: lines for people, or an event for programs."""
    return (lambda line: EventLogger("pixwhisk").info("report", text=line)) if is_json(environ) else echo


def start_logging(environ: Mapping[str, str], stream: TextIO | None = None) -> None:
    """Write what this process logs to `stream`, standard error by default. Once, where the process begins."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if is_json(environ) else LineFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    # Of libraries only what is wrong: each migration and each plugin would be a line to whoever calls `up`.
    for ours in ("infra", "pixwhisk"):
        logging.getLogger(ours).setLevel(logging.INFO)


class LineFormatter(logging.Formatter):
    """For people: the event, its fields, level and time; a traceback below, with lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        line = " ".join([record.getMessage(), *(f"{name}={_quote(value)}" for name, value in _fields(record).items())])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """For programs: the same, one object a line; a traceback is the field `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        document = {"event": record.getMessage(), **_fields(record)}
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    given: Mapping[str, Any] = getattr(record, "fields", {})
    return {**given, "level": record.levelname.lower(), "time": moment.replace("+00:00", "Z")}


def _quote(value: object) -> str:
    """As it is where it is one word, else as a JSON text, so that no value can break or forge a line."""
    text = str(value)
    return text if _PLAIN.match(text) and text.isprintable() else json.dumps(text, ensure_ascii=not text.isprintable())
