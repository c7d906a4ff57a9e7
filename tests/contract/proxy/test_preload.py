"""What a stem cell keeps at `/init`: exactly the modules that the action brings unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contract.proxy.conftest import Start
from tests.contract.proxy.containers import Client

PACKAGE = {
    "pkg/__init__.py": "",
    "pkg/base.py": "import os\nBORN = os.environ.get('BORN', 'stem cell')\nNAME = 'base'\n",
    "pkg/top.py": "from pkg.base import NAME\nfrom . import side\nWARM = []\ndef preload(): WARM.append(1)\n",
    "pkg/side.py": "BORN = 'side'\n",
    "pkg/data.txt": "the stem cell's",
}
MAIN = """
import os, sys
from pkg import top, base, side
def main(args):
    return {"warm": len(top.WARM), "born": base.BORN, "name": top.NAME, "side": side.BORN,
            "own": [m for m in ("top", "base", "side") if sys.modules["pkg." + m].__file__.startswith(os.getcwd())],
            "data": open(os.path.join(os.path.dirname(top.__file__), "data.txt")).read()}
"""
KEPT = {
    "warm": 1,
    "born": "stem cell",
    "name": "base",
    "side": "side",
    "own": ["top", "base", "side"],
    "data": "the action's",
}


@pytest.fixture
def stem_cell(start: Start, tmp_path: Path) -> Client:
    """A container that has preloaded `pkg.top`."""
    write(tmp_path, PACKAGE)
    return start("--preload-path", str(tmp_path), "--preload", "pkg.top", directories=[tmp_path])


def write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text)


def ran(client: Client, changed: Mapping[str, str], without: str = "") -> tuple[int, object]:
    """Initialise with the package as `changed`, in an environment that shows a second import, and run."""
    files = {"__main__.py": MAIN, **PACKAGE, "pkg/data.txt": "the action's", **changed}
    files.pop(without, None)
    status, body = client.init(files, env={"BORN": "init"})
    return client.run() if status == 200 else (status, body)


def test_unchanged_modules_are_kept(stem_cell: Client) -> None:
    """A byte-identical module stays warm, and counts as the action's own file."""
    assert ran(stem_cell, {}) == (200, KEPT)


def test_changed_module_is_imported_anew(stem_cell: Client) -> None:
    """A changed module is the action's, and those that had imported it are too; others stay warm."""
    status, body = ran(stem_cell, {"pkg/base.py": PACKAGE["pkg/base.py"].replace("'base'", "'changed'")})
    assert (status, body) == (200, {**KEPT, "warm": 0, "born": "init", "name": "changed"})


def test_changed_leaf_forgets_its_importer(stem_cell: Client) -> None:
    """`from . import side` ties a module to another as well."""
    status, body = ran(stem_cell, {"pkg/side.py": "BORN = 'new side'\n"})
    assert (status, body) == (200, {**KEPT, "warm": 0, "side": "new side"})


def test_missing_module_is_forgotten(stem_cell: Client) -> None:
    """A module the action does not bring is not there, as it would not be in a cold container."""
    assert ran(stem_cell, {}, without="pkg/side.py") == (
        502,
        {"error": "Cannot start action. Check logs for details."},
    )


def test_plain_code_sees_no_preloaded_module(stem_cell: Client) -> None:
    """The preload path is not on the action's import path."""
    assert stem_cell.init("import pkg.base\ndef main(args): return {}")[0] == 502


def test_edited_source_is_not_stale(stem_cell: Client, tmp_path: Path) -> None:
    """What was imported counts, not what its file has become since."""
    assert stem_cell.run()[0] == 500  # preloading is over
    edited = PACKAGE["pkg/base.py"].replace("'base'", "'edited'")
    write(tmp_path, {"pkg/base.py": edited})
    assert ran(stem_cell, {"pkg/base.py": edited}) == (200, {**KEPT, "warm": 0, "born": "init", "name": "edited"})


def test_brought_library_wins(start: Start, tmp_path: Path) -> None:
    """A preloaded library gives way to the action's own of that name; the standard library does not."""
    write(tmp_path, {"app/uses.py": "import shared\n", "libraries/shared.py": "FROM = 'stem cell'\n"})
    client = start(
        *("--path", str(tmp_path / "libraries"), "--preload-path", str(tmp_path / "app"), "--preload", "uses"),
        directories=[tmp_path],
    )
    main = "import uses, json\ndef main(args): return {'from': uses.shared.FROM, 'json': hasattr(json, 'dumps')}"
    brought = {"uses.py": "import shared\n", "shared.py": "FROM = 'action'\n", "json.py": "", "__main__.py": main}
    assert client.init(brought)[0] == 200
    assert client.run() == (200, {"from": "action", "json": True})


def test_failing_preload_is_survived(start: Start, tmp_path: Path) -> None:
    """A module that cannot be preloaded is told on stderr, and the container starts cold."""
    write(tmp_path, {"app/broken.py": "def preload(): raise RuntimeError('no model')\n"})
    client = start(
        "--preload-path", str(tmp_path / "app"), "--preload", "broken", "--preload", "absent", directories=[tmp_path]
    )
    assert client.init("def main(args): return {}")[0] == 200
    assert "no model" in client.container.output()[1]
    assert "absent" in client.container.output()[1]


def test_environment_names_preloads(start: Start, tmp_path: Path) -> None:
    """An image declares its preloads by environment."""
    write(tmp_path, PACKAGE)
    client = start(
        environment={"PIXWHISK_PRELOAD": "pkg.top", "PIXWHISK_PRELOAD_PATH": str(tmp_path)}, directories=[tmp_path]
    )
    assert ran(client, {}) == (200, KEPT)
