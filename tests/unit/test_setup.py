"""Set-up: its steps run side by side, fail apart, stop together, and are not done twice."""

from __future__ import annotations

import fcntl
import io
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.reports import Report
from infra.services import minio_binary
from infra.services.minio_binary import MinioMissing
from infra.setup import steps
from infra.setup.minio import MinioStep, go_version, progress
from infra.setup.programs import Interrupted, ProgramFailed, Programs
from infra.setup.screen import Lines
from infra.setup.steps import Impossible, StepFailed

DEADLINE = 10.0


@dataclass
class Piece:
    """A step that does `work` once and is there from then on."""

    name: str
    work: Callable[[Programs, Report], str]
    made: int = 0

    def present(self) -> str | None:
        return "ready" if self.made else None

    def make(self, programs: Programs, report: Report) -> str:
        there = self.work(programs, report)
        self.made += 1
        return there


def simply(programs: Programs, report: Report) -> str:
    """Work that always succeeds, at once."""
    return "made"


@dataclass
class Place:
    """Where a test's set-up keeps its things, and what it showed."""

    directory: Path
    out: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        self.programs = Programs(self.directory / "logs")

    def run(self, *pieces: steps.Step) -> list[StepFailed]:
        return steps.run(pieces, self.programs, Lines(self.out), self.directory / "locks")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.programs.stop()


def test_steps_run_side_by_side(place: Place) -> None:
    """Two steps that wait for each other both end."""
    meeting = threading.Barrier(2, timeout=DEADLINE)

    def meet(programs: Programs, report: Report) -> str:
        meeting.wait()
        return "met"

    assert place.run(Piece("left", meet), Piece("right", meet)) == []


def test_what_is_there_is_not_made_again(place: Place) -> None:
    """The second run makes nothing and starts nothing."""
    piece = Piece("only", simply)
    place.run(piece)
    place.run(piece)
    assert piece.made == 1
    assert place.out.getvalue().splitlines()[-1] == "only: ready"


def test_a_failing_step_does_not_hold_up_the_others(place: Place) -> None:
    """One step fails with its reason; the other is done all the same."""

    def fail(programs: Programs, report: Report) -> str:
        raise Impossible("no Go here: install it")

    good = Piece("good", simply)
    assert place.run(Piece("bad", fail), good) == [StepFailed("bad", "no Go here: install it")]
    assert good.made == 1
    assert "bad: FAILED: no Go here: install it" in place.out.getvalue()


def test_two_set_ups_do_not_do_the_same_work(place: Place) -> None:
    """A set-up waits for another that is at the same step, and then finds the work done."""
    piece = Piece("shared", simply)
    locks = place.directory / "locks"
    locks.mkdir()
    with (locks / "shared.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=place.run, args=[piece])
        waiting.start()
        piece.made = 1
    waiting.join(DEADLINE)
    assert not waiting.is_alive()
    assert piece.made == 1


def test_output_goes_to_the_log_and_to_the_step(place: Place) -> None:
    """Every line a program prints is passed on, and kept in its log."""
    lines: list[str] = []
    place.programs.run([sys.executable, "-c", "print('one'); print('two')"], log="x", on_line=lines.append)
    assert lines == ["one", "two"]
    assert (place.directory / "logs/x.log").read_text() == "one\ntwo\n"


def test_a_failed_program_says_why(place: Place) -> None:
    """The message has what the program said last, and where the rest is."""
    with pytest.raises(ProgramFailed, match=r"(?s)ended with 1.*x\.log.*the disk is full"):
        place.programs.run([sys.executable, "-c", "raise SystemExit('the disk is full')"], log="x")


def test_stopping_ends_what_runs_and_starts_nothing_more(place: Place) -> None:
    """After `stop` the running program has ended and the step knows that it was interrupted."""
    started = threading.Event()
    seen: list[BaseException] = []

    def run() -> None:
        def up(line: str) -> None:
            started.set()

        code = "import signal; print('up', flush=True); signal.pause()"
        try:
            place.programs.run([sys.executable, "-c", code], log="x", on_line=up)
        except Interrupted as interrupted:
            seen.append(interrupted)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(DEADLINE)
    place.programs.stop()
    thread.join(DEADLINE)
    assert len(seen) == 1
    with pytest.raises(Interrupted):
        place.programs.run([sys.executable, "--version"], log="y")


def test_plain_lines_are_few() -> None:
    """A stage that changes often is a line at most every ten seconds."""
    now = [100.0]
    out = io.StringIO()
    lines = Lines(out, clock=lambda: now[0])
    lines.begin("model")
    for second in range(25):
        now[0] = 100.0 + second
        lines.detail("model", f"at {second}")
    lines.finish("model", "built")
    assert out.getvalue().splitlines() == ["model: started", "model: at 10", "model: at 20", "model: built"]


def test_the_build_of_minio_shows_how_far_it_is() -> None:
    """Modules are fetched by name, packages compiled by number."""
    seen: list[str] = []
    line = progress(seen.append)
    for text in ("go: downloading github.com/minio/cli v1.24.2", "errors", "internal/abi", ""):
        line(text)
    assert seen[0] == "fetching github.com/minio/cli"
    assert "2 of about" in seen[-1]
    assert len(seen) == 3


def program(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("says", "version"), [("go1.24.8", (1, 24)), ("go1.9", (1, 9)), ("devel", ()), ("go2.0rc1", (2, 0))]
)
def test_the_version_of_go_is_compared_by_number(tmp_path: Path, says: str, version: tuple[int, ...]) -> None:
    """Go 1.9 is older than 1.24, and what says no version is older than all."""
    assert go_version(program(tmp_path / "go", says)) == version


def test_minio_is_found_where_the_operator_says_first(tmp_path: Path) -> None:
    """`MINIO_BINARY` goes before PATH, PATH before what set-up built."""
    environ = {"PIXWHISK_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "bin")}
    with pytest.raises(MinioMissing, match="make setup"):
        minio_binary.find(environ)
    built = program(minio_binary.place_built(environ))
    assert minio_binary.find(environ) == built
    on_path = program(tmp_path / "bin/minio")
    assert minio_binary.find(environ) == on_path
    named = program(tmp_path / "mine")
    assert minio_binary.find({**environ, "MINIO_BINARY": str(named)}) == named


def test_a_wrong_minio_binary_is_an_error_not_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a MinIO that is not there is told so, rather than given another one."""
    monkeypatch.setenv("MINIO_BINARY", str(tmp_path / "none"))
    with pytest.raises(Impossible, match="correct or unset"):
        MinioStep().present()
