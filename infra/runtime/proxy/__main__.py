"""Run as a file, never as a module: `python -m` and `python DIRECTORY` import `runpy`, which delays a cold start."""

import os
import sys

if not __package__:
    # The package goes by a name that no action's own module has; `proxy`, `http` and `logs` an action may well have.
    # Only this file is compiled at each start. The others come from their bytecode.
    __package__ = "pixwhisk_proxy"
    sys.modules[__package__] = type(sys)(__package__)
    sys.modules[__package__].__path__ = [os.path.dirname(os.path.realpath(__file__))]  # noqa: PTH120 - as everywhere

from .program import main

if __name__ == "__main__":
    main(sys.argv[1:])
