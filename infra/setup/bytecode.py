"""`python -m infra.setup.bytecode`: compile the libraries that actions import, once.

Installing compiles nothing, and a container cannot keep what it compiles: it writes in its own directory alone. So
each would compile its libraries again.
"""

from __future__ import annotations

import compileall
import importlib
import sys
import sysconfig
from pathlib import Path

ACTIONS = ("actions.classify", "actions.store", "actions.view", "triggers.feed", "triggers.sweep")


def main() -> int:
    for action in ACTIONS:
        importlib.import_module(f"{action}.__main__")
    libraries = Path(sysconfig.get_path("purelib"))
    for package in sorted({name.partition(".")[0] for name in sys.modules}):
        # Whole packages: some load parts of themselves only once they are used.
        if (libraries / package).is_dir():
            compileall.compile_dir(libraries / package, quiet=2, workers=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
