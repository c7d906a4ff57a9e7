"""Whether a MinIO that was built is the one that was meant, whatever the builder's Go believes.

Go checks modules with the checksum database, but not where GONOSUMDB, GOPRIVATE or GOFLAGS tell it not to. A program
says itself what it was made of: its own module must have the checksum that is written down here, which covers the list
of checksums inside that module, in which every other one must be.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from infra.services.minio_binary import MODULE, VERSION
from infra.setup.steps import Impossible

CHECKSUM = "h1:/qdoYujxF5MBLDMVLeiYJ/7fBa1HikX39Dvzb9Ji8pA="


def check_checksums(binary: Path, go: str) -> None:
    """Raises `Impossible` where the program is of anything else than what is pinned."""
    parts = [line.split() for line in _read_printed(go, "version", "-m", str(binary)).splitlines()]
    built = {tuple(words[1:4]) for words in parts if words[:1] in (["mod"], ["dep"], ["=>"])}
    if (MODULE, VERSION, CHECKSUM) not in built:
        raise Impossible(
            f"{binary} is not built of {MODULE} {VERSION} {CHECKSUM}: look at GOPROXY, GOPRIVATE, GONOSUMDB"
        )
    listed = Path(_read_printed(go, "env", "GOMODCACHE").strip()) / f"{MODULE}@{VERSION}" / "go.sum"
    known = {tuple(line.split()) for line in listed.read_text().splitlines()} | {(MODULE, VERSION, CHECKSUM)}
    if unknown := sorted(built - known):
        raise Impossible(f"{binary} holds {' '.join(unknown[0])}, which {MODULE} does not name: look at GOPROXY")


def _read_printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
