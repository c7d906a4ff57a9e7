"""The action: what `/init` makes and `/run` calls."""

# pathlib delays a cold start.
# ruff: noqa: PTH102, PTH106, PTH107, PTH109, PTH112, PTH118, PTH120, PTH123

from __future__ import annotations

import binascii
import gc
import json
import os
import sys

from .archive import BadArchive, extract, write_file
from .logs import show
from .preload import forget
from .replies import RequestRefused, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType
    from typing import Any

    from .preload import Preloaded
    from .replies import Reply


class LoadedAction:
    """At most one action, from `/init` on. Its directory is the working directory."""

    def __init__(self, preloaded: Preloaded) -> None:
        self.preloaded = preloaded
        self.call: Callable[[Any], Any] | None = None
        self.context: set[str] = set()
        self.attempts = 0
        # A directory that has the files that were preloaded, if somebody has made one.
        self.prepared: str | None = None

    def init(self, body: bytes) -> Reply:
        if self.call is not None:
            raise RequestRefused(403, "Cannot initialize the action more than once.")
        value = parse_object(body).get("value")
        if not isinstance(value, dict):
            raise RequestRefused(400, "Error unmarshaling request: value is not an object.")
        code = decode(value)
        environment = check_environment(value.get("env") or {})
        del body
        gc.disable()
        try:
            self._load(code, str(value.get("main") or "main"), environment)
            gc.freeze()
        finally:
            gc.enable()
        return 200, b'{"ok":true}'

    def _load(self, code: bytes, main: str, environment: Mapping[str, str]) -> None:
        saved = dict(os.environ), list(sys.path), os.getcwd()
        self.attempts += 1
        directory = self.prepared or new_directory(self.attempts)
        present = self.preloaded.contents() if self.prepared else {}
        self.prepared = None
        try:
            kept = unfold(code, directory, present)
            os.environ.update(environment)
            self.call = self._import_main(directory, kept, main)
        finally:
            if self.call is None:
                undo(directory, *saved)

    def _import_main(self, directory: str, kept: set[str], main: str) -> Callable[[Any], Any]:
        os.chdir(directory)
        self.preloaded.adopt(directory, kept)
        sys.path[:0] = [directory, *virtual_environment(directory)]
        sys.dont_write_bytecode = True
        return import_main(directory, main)

    def run(self, body: bytes) -> Reply:
        request = parse_object(body)
        if self.call is None:
            raise RequestRefused(500, "no action defined yet")
        self._set_context(request)
        try:
            result = self.call(request.get("value", {}))
        except BaseException as failure:  # noqa: BLE001 - process boundary: whatever the action raises is its result
            show(failure)
            result = {"error": describe(failure)}
        return encode_result(result)

    def _set_context(self, request: Mapping[str, object]) -> None:
        names = set()
        for key, value in request.items():
            if key != "value" and key.isidentifier() and value is not None:
                names.add(name := f"__OW_{key.upper()}")
                os.environ[name] = as_text(value).replace("\0", "")
        # A caller's key must not outlive its own call.
        for name in self.context - names:
            os.environ.pop(name, None)
        self.context = names


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as failure:
        raise RequestRefused(400, f"Error unmarshaling request: {failure}") from None
    if not isinstance(parsed, dict):
        raise RequestRefused(400, "Error unmarshaling request: not an object.")
    return parsed


def decode(value: Mapping[str, Any]) -> bytes:
    code = value.get("code")
    if not isinstance(code, str) or not code.strip():
        raise RequestRefused(403, "Missing main/no code to execute.")
    try:
        return binascii.a2b_base64(code.strip(), strict_mode=True) if value.get("binary") else code.encode()
    except ValueError as failure:
        raise RequestRefused(400, f"cannot decode the request: {failure}") from None


def check_environment(environment: object) -> dict[str, str]:
    if not isinstance(environment, dict):
        raise RequestRefused(400, "Error unmarshaling request: env is not an object.")
    named = {name: as_text(value) for name, value in environment.items()}
    for name, text in named.items():
        if not name or "=" in name or "\0" in name + text:
            problem = f"env holds a name or value that cannot be set: {name!r}"
            raise RequestRefused(400, f"Error unmarshaling request: {problem}.")
    return named


def as_text(value: object) -> str:
    """OpenWhisk sends text only; other senders mean what they would see in JSON."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    return "" if value is None else json.dumps(value)


def new_directory(attempt: int) -> str:
    base = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - the directory itself is new, private and unguessable
    directory = os.path.join(os.path.realpath(base), f"action-{os.getpid()}-{attempt}-{os.urandom(6).hex()}")
    os.mkdir(directory, 0o700)
    return directory


def unfold(code: bytes, directory: str, present: dict[str, bytes]) -> set[str]:
    """Put the action's files in place, and nothing else: an archive's, or the code itself as `__main__.py`.

    Of what was `present`, by name, the names that stayed as they were are returned; the rest is removed.
    """
    kept: set[str] = set()
    try:
        if code.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")):
            kept = extract(code, directory, present)
        else:
            write_file(os.path.join(directory, "__main__.py"), code)
            present.pop("__main__.py", None)
    except BadArchive as failure:
        print(f"The action's archive was refused: {failure}", file=sys.stderr)
        raise RequestRefused(400, f"The action's archive was refused: {failure}") from None
    for name in present.keys() - kept:
        remove(directory, name)
    return kept


def remove(directory: str, name: str) -> None:
    """A file, and the directories that are empty without it: each would be a package."""
    os.remove(os.path.join(directory, name))
    while name := os.path.dirname(name):
        try:
            os.rmdir(os.path.join(directory, name))
        except OSError:
            return


def virtual_environment(directory: str) -> list[str]:
    """The libraries of a `virtualenv` directory that the action brings."""
    versioned = f"virtualenv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    path = os.path.join(directory, versioned)
    return [path] if os.path.isdir(path) else []


def import_main(directory: str, main: str) -> Callable[[Any], Any]:
    """Import `__main__.py` under the name OpenWhisk's launcher gives it: `if __name__ == "__main__"` stays asleep."""
    path = os.path.join(directory, "__main__.py")
    try:
        with open(path, "rb") as file:
            program = compile(file.read(), path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as failure:
        show(failure)
        raise RequestRefused(502, "The action failed to generate or locate a binary. See logs for details.") from None
    module = type(sys)("main__")
    module.__file__ = path
    sys.modules["main__"] = module
    try:
        exec(program, vars(module))  # noqa: S102 - running the action's code is what this program is for
        return found(module, main)
    except BaseException as failure:  # noqa: BLE001 - process boundary: the action's module may raise anything
        show(failure)
        raise RequestRefused(502, "Cannot start action. Check logs for details.") from None


def found(module: ModuleType, main: str) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = getattr(module, main)
    if not callable(function):
        raise TypeError(f"{main!r} is not a function.")
    return function


def undo(directory: str, environment: Mapping[str, str], path: Sequence[str], working: str) -> None:
    """After a failed `/init`: leave nothing of it behind, so that a better one may follow."""
    # Late: only failures pay for it.
    import shutil

    os.chdir(working)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    for name in list(sys.modules):
        if str(getattr(sys.modules[name], "__file__", None)).startswith(directory):
            forget(name)
    shutil.rmtree(directory, ignore_errors=True)


def describe(failure: BaseException) -> str:
    """What the caller is told: an exception's own words, or its kind where it has none or ends processes."""
    if isinstance(failure, Exception):
        return str(failure) or type(failure).__name__
    return f"{type(failure).__name__}: {failure}"


def encode_result(result: object) -> Reply:
    if not isinstance(result, dict | list | tuple):
        raise RequestRefused(502, "The action did not return a dictionary or array.")
    try:
        return 200, encode(result).encode()
    except (TypeError, ValueError, RecursionError) as failure:
        raise RequestRefused(
            502, f"The action did not return a dictionary or array. Its result is no JSON: {failure}"
        ) from None
