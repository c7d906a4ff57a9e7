"""The program: how it was told to run, and what is done before the first request."""

# pathlib delays a cold start.
# ruff: noqa: PTH120

from __future__ import annotations

import builtins
import gc
import os
import signal
import socket
import sys

from .action import LoadedAction
from .environment import Environment
from .logs import keep_streams
from .preload import Preloaded
from .server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType
    from typing import NoReturn


class Options:
    """How the proxy was told to run: arguments first, then the environment."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        given: dict[str, list[str]] = {"--listen": [], "--path": [], "--preload": [], "--preload-path": []}
        for name, value in zip(arguments[::2], arguments[1::2], strict=False):
            if name not in given:
                sys.exit(f"proxy: {name} is unknown; use {', '.join(given)}")
            given[name].append(value)
        if len(arguments) % 2:
            sys.exit(f"proxy: {arguments[-1]} needs a value")
        self.listen = (given["--listen"] or [environment.get("PIXWHISK_LISTEN") or "0.0.0.0:8080"])[-1]
        self.alone = self.listen.startswith(("connection:", "orders:"))
        self.lifeline = int(self.listen.rpartition(",")[2]) if self.listen.startswith("orders:") else None
        self.paths = given["--path"]
        self.preload = given["--preload"] or split_list(environment.get("PIXWHISK_PRELOAD"))
        self.own = os.path.dirname(os.path.realpath(__file__))
        beside = os.path.dirname(self.own)
        self.preload_paths = given["--preload-path"] or split_list(environment.get("PIXWHISK_PRELOAD_PATH")) or [beside]


def split_list(text: str | None) -> list[str]:
    return [each.strip() for each in (text or "").split(",") if each.strip()]


def open_socket(address: str) -> socket.socket:
    """A socket to serve. The parent may have made it: listening (`fd:`), the one `connection:` there will be, or that
    which a zygote's `orders:` come over, followed by the descriptor of its lifeline.
    """
    if address.startswith(("fd:", "connection:", "orders:")):
        made = socket.socket(fileno=int(address.partition(":")[2].partition(",")[0]))
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
    action = LoadedAction(preloaded)
    if options.lifeline is not None:
        # Late: a container that is not copied needs nothing of it.
        from .zygote import OrderServer

        served = OrderServer(served, options.lifeline, action).serve_orders()
    Server(served, action, alone=options.alone).serve()
    # Threads of the action must not hold the process back.
    os._exit(0)
