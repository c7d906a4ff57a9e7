"""SQL that lies beside a module, in a file of the same name that ends in `.sql`: read once, linted as SQL.

A statement begins below a line `-- name: …` and ends with the first `;` that ends a line. Why it is as it is stands in
the comments above that line, which are not sent to the database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

_STATEMENT = re.compile(r"^-- name: (\w+)\n(.+?);$", re.MULTILINE | re.DOTALL)


@lru_cache
def statements(module: str) -> Mapping[str, str]:
    """The statements beside the module whose `__file__` is given, by name.

    To be asked at each use and not at import: a stem cell imports modules from where it was installed, and their
    `__file__` then becomes the action's own copy, whose statements may be others.
    """
    return dict(_STATEMENT.findall(Path(module).with_suffix(".sql").read_text(encoding="utf-8")))
