"""The action container's side of OpenWhisk's contract for Python: `POST /init` once, then `POST /run` again and again.

One file, standard library only, one process: the action is imported and called in this very process, in its main
thread, so that a call costs no hop and a container no second interpreter. The same file is a container's entry point
and a local process:

    python proxy.py [--listen HOST:PORT | unix:PATH | fd:NUMBER | connection:NUMBER]
                    [--path DIRECTORY]… [--preload MODULE]… [--preload-path DIRECTORY]…

`PIXWHISK_LISTEN`, `PIXWHISK_PRELOAD` and `PIXWHISK_PRELOAD_PATH` (comma separated) say the same. `--path` adds to where
libraries are found. `GET /` answers once preloading is over.

Preloading. A stem cell imports the modules it is told of before any action is known, and calls `preload()` of those
that have one. Modules found under a preload path (default: beside this file) belong to actions. At `/init` each stays
in use only if the action brings a byte-identical file for it, and for all it imported; it then counts as the
action's own: `__file__` and `__path__` point to the action's copy. All others are forgotten, and the path is taken
away, so an action sees its own files or none. A library from elsewhere is forgotten only if the action brings one of
the same name. What a kept module read at import (the environment, say) is as old as the stem cell.

What an action's `main` raises is an application error, with the traceback on stderr. Output up to the sentinel belongs
to the call. `dataclasses`, `typing` and `zipfile` are avoided here because each delays a cold start by 5 to 10 ms.
"""

# pathlib delays a cold start.
# ruff: noqa: PTH101, PTH102, PTH103, PTH109, PTH112, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import binascii
import builtins
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
import zlib
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType, ModuleType
    from typing import IO, Any, NoReturn

    Reply = tuple[int, bytes]
    Text = str | bytes | os.PathLike[str] | os.PathLike[bytes]

SENTINEL = b"XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"

LIMIT_HEAD = 16 << 10
# OpenWhisk allows 48 MB of code as sent; JSON escapes make plain code longer.
LIMIT_INIT = 72 << 20
# OpenWhisk allows 1 MiB of arguments; a sender that escapes everything beyond ASCII makes up to three of it.
LIMIT_RUN = 4 << 20
LIMIT_ENTRIES = 20_000
LIMIT_EXTRACTED = 512 << 20
LIMIT_CONNECTIONS = 32
# Seconds a client may take over one request, and over one read of a response.
TIMEOUT_REQUEST = 30.0

REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
}

# NaN has no JSON; without spaces a megabyte of numbers is a fifth shorter.
encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class Refused(Exception):
    """A request that ends in `{"error": message}` under an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadArchive(Exception):
    """The action's archive is damaged, hostile or larger than allowed."""


# --- archives: bytes → files in a directory


class Entry:
    """One file of an archive. `read` returns exactly `size` bytes or raises `BadArchive`."""

    __slots__ = ("mode", "name", "read", "size")

    def __init__(self, name: str, mode: int, size: int, read: Callable[[], bytes]) -> None:
        self.name = name
        self.mode = mode
        self.size = size
        self.read = read


def extract(archive: bytes, directory: str) -> None:
    """Write the archive's files below `directory`. Nothing is written anywhere else, nor beyond the limits."""
    total = 0
    made = {directory}
    for count, entry in enumerate(entries(archive), 1):
        total += entry.size
        if count > LIMIT_ENTRIES or total > LIMIT_EXTRACTED:
            raise BadArchive(f"more than {LIMIT_ENTRIES} files or {LIMIT_EXTRACTED >> 20} MiB")
        try:
            write_entry(entry, checked_path(entry.name, directory), made)
        except (OSError, EOFError, ValueError, struct.error, zlib.error) as failure:
            raise BadArchive(f"{entry.name[:100]!r}: {failure}") from None


def entries(archive: bytes) -> Iterator[Entry]:
    return zip_entries(archive) if archive.startswith(b"PK") else tar_entries(archive)


def checked_path(name: str, directory: str) -> str:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise BadArchive(f"{name[:100]!r} leads out of the archive")
    return os.path.join(directory, *parts)


def write_entry(entry: Entry, path: str, made: set[str]) -> None:
    parent, name = os.path.split(path)
    if parent not in made:
        os.makedirs(parent, 0o700, exist_ok=True)
        made.add(parent)
    if not name:
        return
    with open(path, "wb") as file:
        file.write(entry.read())
    if entry.mode & 0o111:
        os.chmod(path, 0o700)


def zip_entries(archive: bytes) -> Iterator[Entry]:
    """Walk the zip's central directory (no zip64: 48 MB of code never needs it)."""
    try:
        end = archive.rindex(b"PK\x05\x06")
        count, _, start, _ = struct.unpack_from("<HIIH", archive, end + 10)
        for _ in range(count):
            entry, start = zip_entry(archive, start)
            yield entry
    except (ValueError, struct.error):
        raise BadArchive("the zip's directory is damaged") from None


def zip_entry(archive: bytes, start: int) -> tuple[Entry, int]:
    magic, host, flags, method, crc, packed, size, named, extra, comment, mode, offset = struct.unpack_from(
        "<4sxBxxHH4xIIIHHH6xHI", archive, start
    )
    if magic != b"PK\x01\x02":
        raise ValueError
    raw = archive[start + 46 : start + 46 + named]
    name = raw.decode("utf-8" if flags & 0x800 else "cp437")
    # The upper half of the attributes holds Unix's mode where the zip was made on Unix (3) or macOS (19).
    mode = mode if host in (3, 19) else 0
    if mode & 0o170000 == 0o120000 or flags & 1 or method not in (0, 8):
        raise BadArchive(f"{name[:100]!r}: links, encryption and methods but deflate are refused")

    def read() -> bytes:
        return unpack(archive, offset, packed, size, crc, deflated=method == 8)

    return Entry(name, mode, size, read), start + 46 + named + extra + comment


def unpack(archive: bytes, offset: int, packed: int, size: int, crc: int, *, deflated: bool) -> bytes:
    """One member's bytes; never unpacks more than `size`, whatever the member holds."""
    named, extra = struct.unpack_from("<HH", archive, offset + 26)
    start = offset + 30 + named + extra
    data = archive[start : start + packed]
    if deflated:
        try:
            data = zlib.decompressobj(-15).decompress(data, size + 1)
        except zlib.error:
            raise BadArchive("a member of the zip is damaged") from None
    if len(data) != size or zlib.crc32(data) != crc:
        raise BadArchive("a member of the zip is damaged")
    return data


def tar_entries(archive: bytes) -> Iterator[Entry]:
    # Late: rare, and tarfile is slow to import.
    import io
    import tarfile
    from functools import partial

    def read(content: IO[bytes]) -> bytes:
        try:
            return content.read()
        except tarfile.TarError:
            raise ValueError("damaged") from None

    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise BadArchive(f"{member.name[:100]!r}: neither file nor directory")
                content = tar.extractfile(member)
                name = member.name.removeprefix("./") + ("" if content else "/")
                yield Entry(name, member.mode, member.size, partial(read, content) if content else bytes)
    except (tarfile.TarError, EOFError, OSError, ValueError, zlib.error):
        raise BadArchive("the tar.gz is damaged") from None


# --- preloading: which modules a stem cell may keep


class Preloaded:
    """Modules imported before the action was known, the bytes they came from, and who imported whom."""

    def __init__(self, modules: Sequence[str], paths: Sequence[str]) -> None:
        self.paths = [os.path.realpath(path) for path in paths]
        # Where an installed distribution is preloaded from, its libraries lie side by side with it.
        self.shared = {os.path.realpath(path) for path in sys.path}
        self.named = {name.partition(".")[0] for name in modules}
        self.sources: dict[str, tuple[str, bytes]] = {}
        self.imports: dict[str, set[str]] = {}
        self.libraries: set[str] = set()
        if modules:
            self._preload(modules)

    def _preload(self, modules: Sequence[str]) -> None:
        before = set(sys.modules)
        original = builtins.__import__
        sys.path[:0] = [path for path in self.paths if path not in self.shared]
        builtins.__import__ = self._recording(original)
        try:
            for name in modules:
                preload(name)
        finally:
            builtins.__import__ = original
        for name in set(sys.modules) - before:
            self._note(name)

    def _recording(self, original: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
        def record(
            name: str,
            of: Mapping[str, Any] | None = None,
            local: Mapping[str, Any] | None = None,
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            module = original(name, of, local, fromlist, level)
            imported = self.imports.setdefault(str((of or {}).get("__name__")), set())
            found = getattr(module, "__name__", name)
            imported.update([found, *(f"{found}.{each}" for each in fromlist or ())])
            if not level:
                imported.add(name)
            return module

        return record

    def _note(self, name: str) -> None:
        file = os.path.realpath(getattr(sys.modules[name], "__file__", None) or os.sep)
        top = name.partition(".")[0]
        for path in self.paths:
            relative = file.removeprefix(os.path.join(path, ""))
            # The exact place, because libraries may lie somewhere below a preload path.
            exact = relative in [name.replace(".", os.sep) + end for end in (".py", "/__init__.py")]
            if exact and (path not in self.shared or top in self.named):
                with open(file, "rb") as opened:
                    self.sources[name] = (relative, opened.read())
                return
        self.libraries.add(top)

    def adopt(self, directory: str) -> None:
        """Keep what the action in `directory` brings unchanged as its own; forget everything else."""
        sys.path[:] = [path for path in sys.path if path not in self.paths or path in self.shared]
        forgotten = self._with_importers(self._changed(directory) | self._shadowed(directory))
        for name in forgotten:
            forget(name)
        for name in self.sources.keys() - forgotten:
            move(sys.modules[name], os.path.join(directory, self.sources[name][0]))
        if forgotten:
            gc.unfreeze()
            gc.collect()
        self.sources, self.imports, self.libraries = {}, {}, set()

    def _changed(self, directory: str) -> set[str]:
        return {name for name, (path, source) in self.sources.items() if not holds(directory, path, source)}

    def _shadowed(self, directory: str) -> set[str]:
        brought = {name.removesuffix(".py") for name in os.listdir(directory)}
        shadowed = (self.libraries & brought) - sys.stdlib_module_names
        return {name for name in sys.modules if name.partition(".")[0] in shadowed}

    def _with_importers(self, forgotten: set[str]) -> set[str]:
        """Whoever imported a forgotten module holds parts of it, and is forgotten too."""
        while more := {name for name in self.sources.keys() - forgotten if self._needs(name) & forgotten}:
            forgotten |= more
        return forgotten

    def _needs(self, name: str) -> set[str]:
        parents = {name[:at] for at, letter in enumerate(name) if letter == "."}
        return parents | self.imports.get(name, set())


def preload(name: str) -> None:
    """Import a module and let it warm up. What fails here is only slower later, so it is told and survived."""
    try:
        warm_up = getattr(importlib.import_module(name), "preload", None)
        if warm_up is not None:
            warm_up()
    except Exception as failure:  # noqa: BLE001 - process boundary: somebody else's module
        show(failure)


def holds(directory: str, path: str, content: bytes) -> bool:
    try:
        with open(os.path.join(directory, path), "rb") as file:
            return file.read() == content
    except OSError:
        return False


def forget(name: str) -> None:
    """Drop a module, also from its package: `from package import module` would still find it there."""
    sys.modules.pop(name, None)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(child, None)


def move(module: ModuleType, path: str) -> None:
    """Make a module's data files and later imports come from `path`."""
    module.__file__ = path
    spec = module.__spec__
    if spec is None:
        return
    spec.origin = path
    if hasattr(spec.loader, "path"):
        vars(spec.loader)["path"] = path
    if spec.submodule_search_locations is not None:
        module.__path__ = spec.submodule_search_locations = [os.path.dirname(path)]


# --- the action: what /init makes and /run calls


class Action:
    """At most one action, from `/init` on. Its directory is the working directory."""

    def __init__(self, preloaded: Preloaded) -> None:
        self.preloaded = preloaded
        self.call: Callable[[Any], Any] | None = None
        self.context: set[str] = set()
        self.attempts = 0

    def init(self, body: bytes) -> Reply:
        if self.call is not None:
            raise Refused(403, "Cannot initialize the action more than once.")
        value = parse_object(body).get("value")
        if not isinstance(value, dict):
            raise Refused(400, "Error unmarshaling request: value is not an object.")
        code = decoded(value)
        environment = checked_environment(value.get("env") or {})
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
        directory = new_directory(self.attempts)
        try:
            unfold(code, directory)
            os.environ.update(environment)
            self.call = self._imported(directory, main)
        finally:
            if self.call is None:
                undo(directory, *saved)

    def _imported(self, directory: str, main: str) -> Callable[[Any], Any]:
        os.chdir(directory)
        self.preloaded.adopt(directory)
        sys.path[:0] = [directory, *virtual_environment(directory)]
        sys.dont_write_bytecode = True
        return import_main(directory, main)

    def run(self, body: bytes) -> Reply:
        request = parse_object(body)
        if self.call is None:
            raise Refused(500, "no action defined yet")
        self._set_context(request)
        try:
            result = self.call(request.get("value", {}))
        except BaseException as failure:  # noqa: BLE001 - process boundary: whatever the action raises is its result
            show(failure)
            result = {"error": described(failure)}
        return encoded(result)

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


class Environment:
    """Puts variables into C's environment, for `os.environ` to use instead of glibc's `setenv`.

    That keeps every value it was ever given: 240 bytes an activation, for ever. Here a name's buffer is used again.
    """

    def __init__(self) -> None:
        self._putenv = ctypes.CDLL(None).putenv
        self._putenv.argtypes = [ctypes.c_char_p]
        self._buffers: dict[bytes, ctypes.Array[ctypes.c_char]] = {}

    def put(self, name: Text, value: Text) -> None:
        """As `os.putenv`."""
        name = os.fsencode(name)
        variable = name + b"=" + os.fsencode(value)
        if not name or b"=" in name:
            raise ValueError("illegal environment variable name")
        if b"\0" in variable:
            raise ValueError("embedded null byte")
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) <= len(variable):
            buffer = ctypes.create_string_buffer(2 * len(variable))
        buffer.value = variable
        if self._putenv(buffer):
            raise MemoryError
        # Only now may the one before go: C has had it until here.
        self._buffers[name] = buffer


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as failure:
        raise Refused(400, f"Error unmarshaling request: {failure}") from None
    if not isinstance(parsed, dict):
        raise Refused(400, "Error unmarshaling request: not an object.")
    return parsed


def decoded(value: Mapping[str, Any]) -> bytes:
    code = value.get("code")
    if not isinstance(code, str) or not code.strip():
        raise Refused(403, "Missing main/no code to execute.")
    try:
        return binascii.a2b_base64(code.strip(), strict_mode=True) if value.get("binary") else code.encode()
    except ValueError as failure:
        raise Refused(400, f"cannot decode the request: {failure}") from None


def checked_environment(environment: object) -> dict[str, str]:
    if not isinstance(environment, dict):
        raise Refused(400, "Error unmarshaling request: env is not an object.")
    named = {name: as_text(value) for name, value in environment.items()}
    for name, text in named.items():
        if not name or "=" in name or "\0" in name + text:
            raise Refused(400, f"Error unmarshaling request: env holds a name or value that cannot be set: {name!r}.")
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


def unfold(code: bytes, directory: str) -> None:
    """Put the action's files in place: an archive's, or the code itself as `__main__.py`."""
    try:
        if code.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b")):
            extract(code, directory)
            return
    except BadArchive as failure:
        print(f"The action's archive was refused: {failure}", file=sys.stderr)
        raise Refused(400, f"The action's archive was refused: {failure}") from None
    with open(os.path.join(directory, "__main__.py"), "wb") as file:
        file.write(code)


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
        raise Refused(502, "The action failed to generate or locate a binary. See logs for details.") from None
    module = type(sys)("main__")
    module.__file__ = path
    sys.modules["main__"] = module
    try:
        exec(program, vars(module))  # noqa: S102 - running the action's code is what this program is for
        return found(module, main)
    except BaseException as failure:  # noqa: BLE001 - process boundary: the action's module may raise anything
        show(failure)
        raise Refused(502, "Cannot start action. Check logs for details.") from None


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


def described(failure: BaseException) -> str:
    """What the caller is told: an exception's own words, or its kind where it has none or ends processes."""
    if isinstance(failure, Exception):
        return str(failure) or type(failure).__name__
    return f"{type(failure).__name__}: {failure}"


def show(failure: BaseException) -> None:
    """Print the traceback from the first frame that is not ours (and without importing `traceback`)."""
    frames = failure.__traceback__
    while frames and frames.tb_next and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    sys.__excepthook__(type(failure), failure.with_traceback(frames), frames)


def encoded(result: object) -> Reply:
    if not isinstance(result, dict | list | tuple):
        raise Refused(502, "The action did not return a dictionary or array.")
    try:
        return 200, encode(result).encode()
    except (TypeError, ValueError, RecursionError) as failure:
        raise Refused(
            502, f"The action did not return a dictionary or array. Its result is no JSON: {failure}"
        ) from None


# --- logs


class Logs:
    """The two streams as they were at start: an action may close or replace its own."""

    streams: Sequence[int] = (1, 2)


def keep_streams() -> None:
    Logs.streams = [os.dup(1), os.dup(2)]
    for stream in (sys.stdout, sys.stderr):
        # Line by line, so that what a killed action said is not lost; and never an error over odd characters.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


def end_logs() -> None:
    """Flush, and mark the end of a call on both streams. Nobody may be reading: that is not the action's fault."""
    for stream, descriptor in zip((sys.stdout, sys.stderr), Logs.streams, strict=True):
        # The action may have closed or replaced its streams.
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
        with suppress(OSError):
            os.write(descriptor, SENTINEL)


# --- HTTP/1.1, as much of it as the contract needs


class Head:
    """A request's first line and what matters of its headers."""

    __slots__ = ("expects", "keep", "length", "method", "path")

    def __init__(self, method: str, path: str, length: int | None, *, keep: bool, expects: bool) -> None:
        self.method = method
        self.path = path
        self.length = length
        self.keep = keep
        self.expects = expects


def parse_head(block: bytes) -> Head:
    first, *lines = block.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or not first.isascii():
        raise Refused(400, "The request line is malformed.")
    headers = parse_headers(lines)
    if b"transfer-encoding" in headers:
        raise Refused(411, "Send Content-Length instead of chunks.")
    connection = headers.get(b"connection", b"").lower()
    keep = connection == b"keep-alive" if parts[2] == b"HTTP/1.0" else connection != b"close"
    return Head(
        parts[0].decode(),
        parts[1].decode(),
        content_length(headers.get(b"content-length")),
        keep=keep,
        expects=headers.get(b"expect", b"").lower() == b"100-continue",
    )


def parse_headers(lines: Sequence[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        key = name.lower()
        if not colon or not name or name.strip() != name or (key == b"content-length" and key in headers):
            raise Refused(400, "A header is malformed.")
        headers[key] = value.strip()
    return headers


def content_length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.isdigit() or len(value) > 15:
        raise Refused(400, "Content-Length is malformed.")
    return int(value)


def body_length(head: Head) -> int:
    """How many bytes follow the head. Refuses before they are read."""
    if head.length is None:
        if head.method == "POST":
            raise Refused(411, "Content-Length is missing.")
        return 0
    limit = LIMIT_INIT if head.path == "/init" else LIMIT_RUN
    if head.length > limit:
        raise Refused(413, f"The request's body is larger than {limit} bytes.")
    return head.length


def response(status: int, body: bytes, *, keep: bool) -> bytes:
    """Head and body in one piece: sent as two, the second waits for the first's acknowledgement (40 ms)."""
    connection = "keep-alive" if keep else "close"
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: {connection}\r\n\r\n"
    )
    return head.encode() + body


def error(refused: Refused) -> bytes:
    return encode({"error": str(refused)}).encode()


class Connection:
    """One client: the bytes it has sent so far, and until when the request they begin must be complete."""

    __slots__ = ("buffer", "deadline", "discarding", "head", "needed", "socket")

    def __init__(self, accepted: socket.socket) -> None:
        self.socket = accepted
        self.buffer = bytearray()
        self.head: Head | None = None
        self.needed = 0
        self.deadline: float | None = None
        # A refused request's remaining bytes are read and dropped, so that the refusal is not lost to a reset.
        self.discarding = False

    def receive(self) -> bool:
        """Take in what has come; False once the client is gone."""
        size = min(max(65536, self.needed - len(self.buffer)), 1 << 20)
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.deadline is None:
            self.deadline = time.monotonic() + TIMEOUT_REQUEST
        if not self.discarding:
            self.buffer += data
        return bool(data)

    def next_request(self) -> tuple[Head, bytes] | None:
        """A complete request, if there is one. Raises `Refused` for one that cannot become one."""
        if self.head is None:
            self._read_head()
        if self.head is None or len(self.buffer) < self.needed:
            return None
        head, body = self.head, bytes(memoryview(self.buffer)[: self.needed])
        del self.buffer[: self.needed]
        self.head = None
        self.deadline = time.monotonic() + TIMEOUT_REQUEST if self.buffer else None
        return head, body

    def _read_head(self) -> None:
        end = self.buffer.find(b"\r\n\r\n", 0, LIMIT_HEAD)
        if end < 0:
            if len(self.buffer) >= LIMIT_HEAD:
                raise Refused(431, "The request's head is too long.")
            return
        head = parse_head(bytes(self.buffer[:end]))
        del self.buffer[: end + 4]
        self.needed = body_length(head)
        self.head = head
        if head.expects and not self.buffer:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send(self, data: bytes) -> bool:
        try:
            self.socket.settimeout(TIMEOUT_REQUEST)
            self.socket.sendall(data)
            self.socket.setblocking(False)
        except OSError:
            return False
        return True

    def refuse(self, refused: Refused) -> bool:
        self.discarding = True
        self.buffer.clear()
        if not self.send(response(refused.status, error(refused), keep=False)):
            return False
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        return True


class Server:
    """Serves one request at a time, in the calling thread, from any number of open connections."""

    def __init__(self, served: socket.socket, action: Action, *, alone: bool) -> None:
        self.listener = served
        self.action = action
        self.connections: dict[int, Connection] = {}
        self.selector = selectors.DefaultSelector()
        self.alone = alone
        if alone:
            self._admit(served)
        else:
            served.setblocking(False)
            self.selector.register(served, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve until the only connection is over, or for ever where there is a listener."""
        while self.connections or not self.alone:
            for key, _ in self.selector.select(self._patience()):
                connection = self.connections.get(key.fd)
                if connection is None:
                    self._accept()
                elif not self._serve_connection(connection):
                    self._close(connection)
            self._expire()

    def _patience(self) -> float | None:
        deadlines = [each.deadline for each in self.connections.values() if each.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections.values()):
            if connection.deadline is not None and connection.deadline <= now:
                if not connection.discarding:
                    connection.refuse(Refused(408, "The request took too long."))
                self._close(connection)

    def _accept(self) -> None:
        try:
            accepted, _ = self.listener.accept()
        except OSError:
            return
        if len(self.connections) >= LIMIT_CONNECTIONS:
            # The first is the one that has been silent longest.
            self._close(next(iter(self.connections.values())))
        self._admit(accepted)

    def _admit(self, accepted: socket.socket) -> None:
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setblocking(False)
        self.connections[accepted.fileno()] = Connection(accepted)
        self.selector.register(accepted, selectors.EVENT_READ)

    def _close(self, connection: Connection) -> None:
        del self.connections[connection.socket.fileno()]
        self.selector.unregister(connection.socket)
        connection.socket.close()

    def _serve_connection(self, connection: Connection) -> bool:
        """Answer every complete request that has come; False where the connection is over."""
        if not connection.receive():
            return False
        self.connections[connection.socket.fileno()] = self.connections.pop(connection.socket.fileno())
        if connection.discarding:
            return True
        try:
            while request := connection.next_request():
                head, body = request
                status, answer = self._answer(head, body)
                if not connection.send(response(status, answer, keep=head.keep)) or not head.keep:
                    return False
        except Refused as refused:
            return connection.refuse(refused)
        return True

    def _answer(self, head: Head, body: bytes) -> Reply:
        try:
            return self._route(head, body)
        except Refused as refused:
            return refused.status, error(refused)
        except Exception as failure:  # noqa: BLE001 - process boundary: a mistake of ours must not end the container
            show(failure)
            return 500, b'{"error":"The proxy failed. See logs for details."}'

    def _route(self, head: Head, body: bytes) -> Reply:
        if head.path == "/" and head.method == "GET":
            return 200, b'{"ok":true}'
        if head.path not in ("/init", "/run"):
            raise Refused(404, "Only /init and /run are here.")
        if head.method != "POST":
            raise Refused(405, "Only POST is allowed.")
        if head.path == "/run":
            try:
                return self.action.run(body)
            finally:
                end_logs()
        try:
            return self.action.init(body)
        except Refused:
            end_logs()
            raise


# --- the program


class Options:
    """How the proxy was told to run: arguments first, then the environment."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        given: dict[str, list[str]] = {"--listen": [], "--path": [], "--preload": [], "--preload-path": []}
        for name, value in zip(arguments[::2], arguments[1::2], strict=False):
            if name not in given:
                sys.exit(f"proxy.py: {name} is unknown; use {', '.join(given)}")
            given[name].append(value)
        if len(arguments) % 2:
            sys.exit(f"proxy.py: {arguments[-1]} needs a value")
        self.listen = (given["--listen"] or [environment.get("PIXWHISK_LISTEN") or "0.0.0.0:8080"])[-1]
        self.paths = given["--path"]
        self.preload = given["--preload"] or listed(environment.get("PIXWHISK_PRELOAD"))
        self.own = os.path.dirname(os.path.realpath(__file__))
        self.preload_paths = given["--preload-path"] or listed(environment.get("PIXWHISK_PRELOAD_PATH")) or [self.own]


def listed(text: str | None) -> list[str]:
    return [each.strip() for each in (text or "").split(",") if each.strip()]


def open_socket(address: str) -> socket.socket:
    """A socket to serve. The parent may have made it: listening (`fd:`), or the one `connection:` there will be."""
    if address.startswith(("fd:", "connection:")):
        made = socket.socket(fileno=int(address.partition(":")[2]))
        # Not for what the action starts.
        made.set_inheritable(False)
        return made
    if address.startswith("unix:"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address[5:])
        listener.listen(16)
        return listener
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=16)


def leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    # Not sys.exit: an action may catch SystemExit, or run threads that never end.
    os._exit(0)


def main(arguments: Sequence[str]) -> None:
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    options = Options(arguments, os.environ)
    served = open_socket(options.listen)
    keep_streams()
    # `os.environ` calls whatever stands here.
    os.putenv = Environment().put
    # Without `site` (a faster start) these are missing, and actions do call them.
    vars(builtins).setdefault("exit", sys.exit)
    vars(builtins).setdefault("quit", sys.exit)
    # Python put this file's directory there; what lies beside it is for preloading only.
    sys.path[:] = [path for path in sys.path if os.path.realpath(path) != options.own] + options.paths
    # What importing makes is there to stay: looking for garbage in it takes a sixth of the time.
    gc.disable()
    preloaded = Preloaded(options.preload, options.preload_paths)
    gc.collect()
    gc.freeze()
    gc.enable()
    Server(served, Action(preloaded), alone=options.listen.startswith("connection:")).serve()
    # Threads of the action must not hold the process back.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
