"""Actions as zips."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra import paths
from infra.openwhisk import bundles

# A zip needs libraries too, but those are the runtime's; everything of ours must be inside.
PRESENT = [name for name, entry in bundles.ENTRIES.items() if bundles.sources(entry)]


def names(data: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    """A checkout elsewhere, with other dates, permissions and order of creation, makes the very same zip."""
    entry = bundles.ENTRIES["bucket"]
    for name in reversed(bundles.sources(entry)):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((paths.ROOT / name).read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (1, 1))
    assert bundles.bundle(entry, tmp_path) == bundles.bundle(entry)


def test_every_action_of_the_manifest_has_a_zip() -> None:
    """The actions that the contract names are all there, the sweep once it exists."""
    assert {"classify", "store", "view", "bucket"} <= set(PRESENT)


@pytest.mark.parametrize("name", PRESENT)
def test_a_zip_holds_nothing_of_another_stage(name: str) -> None:
    """`classify` and `store` ship apart; neither tests nor infra nor migrations travel."""
    held = names(bundles.bundle(bundles.ENTRIES[name]))
    others = {"classify": "actions/store/", "store": "actions/classify/"}
    assert "__main__.py" in held
    assert not [each for each in held if each.startswith(("infra/", "tests/", others.get(name, "-")))]
    assert not [each for each in held if "migrations" in each]


def test_data_beside_a_module_travels() -> None:
    """The page of `view` is in its zip."""
    assert "actions/view/page.html" in names(bundles.bundle(bundles.ENTRIES["view"]))


@pytest.mark.parametrize("name", PRESENT)
def test_a_zip_is_complete(name: str, tmp_path: Path) -> None:
    """Unpacked away from the checkout, the root `__main__` imports and has a `main`."""
    with zipfile.ZipFile(io.BytesIO(bundles.bundle(bundles.ENTRIES[name]))) as zipped:
        zipped.extractall(tmp_path)
    libraries = [path for path in sys.path if "site-packages" in path]
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, *{libraries!r}]; import __main__ as _, runpy;"
        f"main = runpy.run_path({str(tmp_path / '__main__.py')!r})['main']; import actions;"
        f"assert callable(main) and actions.__file__.startswith({str(tmp_path)!r})"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, cwd=tmp_path)


def test_writing_them_for_wskdeploy(tmp_path: Path) -> None:
    """Each file the manifest names as `function` is written."""
    assert [path.stem for path in bundles.write_all(tmp_path)] == PRESENT
