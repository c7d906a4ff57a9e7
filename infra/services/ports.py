"""Ports of loopback: whether one is free, and who has it otherwise."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from infra.errors import OperatorError
from infra.services.minio import LOOPBACK

# What a killed `up` left behind ends by itself, and its ports are free soon after.
TIMEOUT_PORT = 6.0
_PAUSE = 0.05


class PortTaken(OperatorError):
    """Somebody else listens where a service should."""


def check(wanted: Sequence[tuple[str, int]], data: Path) -> None:
    """Raises `PortTaken` naming the port and the flag that chooses it. A service that works in `data` and is just
    ending, because its `up` was killed, is given time to leave.
    """
    for flag, port in wanted:
        if not _becomes_free(port, data):
            raise PortTaken(
                f"port {port} is taken{_listener_words(port)}: stop what listens there, or choose another with {flag}"
            )


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(preferred: int) -> int:
    """`preferred` if nobody listens there, else any free one."""
    if is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _becomes_free(port: int, data: Path) -> bool:
    deadline = time.monotonic() + TIMEOUT_PORT
    while not is_free(port):
        if time.monotonic() > deadline or not _is_leftover(port, data):
            return False
        time.sleep(_PAUSE)
    return True


def _is_leftover(port: int, data: Path) -> bool:
    """Whether whoever listens works in our data directory: a service of an `up` that was killed, about to end."""
    try:
        process = _listener(port)
        return process is not None and Path(process.cwd()).is_relative_to(data)
    except psutil.Error:
        return True  # gone between two looks, or not ours to ask: look again until the deadline


def _listener_words(port: int) -> str:
    try:
        process = _listener(port)
        return f" by process {process.pid} ({process.name()})" if process else ""
    except psutil.Error:
        return ""


def _listener(port: int) -> psutil.Process | None:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return psutil.Process(connection.pid) if connection.pid else None
    return None
