"""Makes or renews the virtual environment: `python3 infra/setup/bootstrap.py DIRECTORY`, with any Python from 3.11 on.

Runs before anything is installed, so it imports the standard library alone. Every package is checked against the
hashes of the locks. An interrupted run is gone on with by the next; the stamp file, written last, ends it.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

# Not `infra.paths`: this file runs by itself, before `infra` can be imported.
ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / "requirements/bootstrap.txt"
PACKAGES = ROOT / "requirements/dev.txt"
SYSTEM_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


def main() -> int:
    venv = Path(sys.argv[1]).resolve()
    if not (find_spec("ensurepip") and find_spec("venv")):
        print(
            f"{sys.executable} cannot make virtual environments: install its venv package "
            "(Debian, Ubuntu: apt install python3-venv), or name another one: make PYTHON=/path/to/python3",
            file=sys.stderr,
        )
        return 1
    try:
        make(venv)
    except subprocess.CalledProcessError as problem:
        print(f"set-up stopped: {' '.join(map(str, problem.cmd[:4]))} … failed; run it again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: run it again to go on from here", file=sys.stderr)
        return 130
    return 0


def make(venv: Path) -> None:
    python, uv = venv / "bin/python", venv / "bin/uv"
    quiet = () if sys.stderr.isatty() else ("--quiet",)  # on a terminal uv shows how far it is
    if not works(python):
        with step("virtual environment"):
            run(sys.executable, "-m", "venv", "--clear", "--without-pip", venv)
    if not works(uv):
        with step("installer (uv)"):
            run(python, "-m", "ensurepip", "--default-pip")
            run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", BOOTSTRAP)
    with step("packages"):
        run(uv, "pip", "sync", *quiet, "--python", python, "--require-hashes", BOOTSTRAP, PACKAGES)
        run(uv, "pip", "install", *quiet, "--python", python, "--no-deps", "--no-build-isolation", "--editable", ROOT)
        run(python, "-m", "infra.setup.bytecode")
    (venv / ".complete").touch()


def works(program: Path) -> bool:
    """Whether it is there and starts: an interruption, or a Python that was removed since, may have left a ruin."""
    try:
        return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(*arguments: str | Path) -> None:
    environment = {**os.environ, **installer_environment(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    silent = subprocess.DEVNULL  # progress and errors come on stderr
    subprocess.run(arguments, env=environment, cwd=ROOT, stdin=silent, stdout=silent, check=True)


def installer_environment() -> dict[str, str]:
    """What uv is to know: no Python from elsewhere, and the machine's own certificates, if it has any.

    uv otherwise trusts only those it brings along, and fails behind a proxy with a certificate of its own.
    """
    known = any(Path(place).is_file() for place in (ssl.get_default_verify_paths().cafile or "", *SYSTEM_CERTIFICATES))
    return {"UV_PYTHON_DOWNLOADS": "never", **({"UV_SYSTEM_CERTS": "true"} if known else {})}


@contextmanager
def step(name: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"{name}: started", flush=True)
    yield
    print(f"{name}: ready in {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
