"""One dialect of log lines, for people and for programs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping

import pytest

from infra.logs import EventLogger, choose_report, start_logging

EVIL = 'two words "quoted"\nready level=info\x1b[2J'


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Whoever logged before does so again."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(environ: Mapping[str, str]) -> list[str]:
    stream = io.StringIO()
    start_logging(environ, stream)
    log = EventLogger("infra.tested")
    log.debug("container-said", text="unseen")
    log.warning("container-ended", profile="python:3.11/128MB", reason=EVIL, stem_cell=True)
    try:
        _ = vars(log)["gone"]
    except KeyError as error:
        log.fault("request-failed", error, method="GET")
    logging.getLogger("a.library").info("busy")
    logging.getLogger("a.library").warning("said %s", "something")
    return stream.getvalue().splitlines()


def test_lines_for_people_begin_with_the_event() -> None:
    """Then the fields; no value can end a line or begin another, and a traceback follows with its own lines."""
    first, second, *trace, last = logged({})
    assert first.startswith('container-ended profile=python:3.11/128MB reason="two words')
    assert "\x1b" not in first
    assert " stem_cell=True level=warning time=20" in first
    assert second.startswith("request-failed method=GET level=error time=20")
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "KeyError: 'gone'"
    assert last.startswith("said something level=warning time=20")


def test_lines_for_programs_are_objects() -> None:
    """With PIXWHISK_LOG=json each line is one, with the event, the fields as they are, level and time."""
    first, second, last = map(json.loads, logged({"PIXWHISK_LOG": "json"}))
    assert (first["event"], first["reason"], first["stem_cell"]) == ("container-ended", EVIL, True)
    assert (second["event"], second["level"], second["method"]) == ("request-failed", "error", "GET")
    assert second["exception"].endswith("KeyError: 'gone'")
    assert last["event"] == "said something"


def test_a_command_in_the_foreground_reports_in_the_same_dialect() -> None:
    """Lines as they are for people; events for programs, so that nothing else is in the log."""
    said: list[str] = []
    choose_report({}, said.append)("ready")
    stream = io.StringIO()
    start_logging({"PIXWHISK_LOG": "json"}, stream)
    choose_report({"PIXWHISK_LOG": "json"}, said.append)("bucket  http://127.0.0.1:9000/images")
    assert said == ["ready"]
    assert json.loads(stream.getvalue())["text"] == "bucket  http://127.0.0.1:9000/images"
