"""`python -m infra.setup`: whatever is still missing of MinIO and the model. Exit 1 says a step failed."""

from __future__ import annotations

import argparse
import signal
import sys

from infra import paths
from infra.setup import steps
from infra.setup.minio import MinioStep
from infra.setup.model import ModelStep
from infra.setup.programs import Programs
from infra.setup.screen import screen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.setup", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="also what only the tests need")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a plain `kill` ends it as tidily as Ctrl-C
    cache, shown = paths.cache(), screen()
    try:
        failed = steps.run(
            [MinioStep(), ModelStep(with_environment=wanted.tests)], Programs(cache / "logs"), shown, cache / "locks"
        )
    except KeyboardInterrupt:
        print("interrupted: run it again to go on from here", file=sys.stderr)
        return 130
    finally:
        shown.close()
    if failed:
        print("set-up is not complete: run it again once the problem above is gone", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
