"""What a container may touch, kept by the kernel: Landlock's rules, no capabilities, no way to gain any.

Rules belong to a thread and pass on to what it starts. So each container is started from a thread of its own that has
been confined first: nothing need run inside for it, in whatever language, and this process itself stays free. Besides
files, the rules keep a container from reading other processes' environments (which ptrace's right governs) and, from
Linux 6.12 on, from sending signals to them. What is done to a file without opening it, and all else that a container
has no business to ask of the kernel, `seccomp` refuses beside it. Sockets in the file system stay reachable; Postgres
has one.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

# What programs and their libraries are made of. Of /etc only what resolving names, trusting certificates and telling
# the time take: there are files in it that are for root alone, and root's host has root's containers.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/os-release"),
    *("/etc/hosts", "/etc/host.conf", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/protocols", "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone", "/etc/mime.types"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem"),
    *("/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust", "/etc/crypto-policies", "/etc/fonts"),
    *("/proc", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage"),
    # Not to be written: mapped so, it is memory that nobody counts.
    "/dev/zero",
)
DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522

# System calls; the same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_MAKE_CHARACTER, _MAKE_BLOCK = 1 << 6, 1 << 11
_TRUNCATE, _CONTROL_DEVICE = 1 << 14, 1 << 15
# Rights by the version of Landlock that first knows them.
_RIGHTS = ((1, (1 << 13) - 1), (2, 1 << 13), (3, _TRUNCATE), (5, _CONTROL_DEVICE))
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _CONTROL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_USE = _READ_FILE | _WRITE_FILE | _TRUNCATE
# Signals, and sockets with names outside the file system.
_SCOPES, SINCE_SIGNALS = 0b11, 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("process", ctypes.c_int32))


@dataclass(frozen=True, slots=True)
class Confinement:
    """What may be seen beside the system's files. `readable` may be read and executed, with all below; of `listed` only
    the names of what is below are seen. What is not there is no error.
    """

    readable: Sequence[Path] = ()
    listed: Sequence[Path] = ()


@cache
def read_version() -> int:
    """The version of Landlock that this kernel has; 0 where it has none or does not let us use it."""
    found = int(_LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)))
    return max(0, found)


def confine(confinement: Confinement, writable: Path, start: Callable[[], Result]) -> Result:
    """What `start` returns or raises, called in a thread that is confined for the rest of its short life.

    Only below the directory `writable` can it change anything. Raises `OSError` where confining fails, and then has not
    called `start`. Without Landlock files are not confined.
    """

    def confine_and_start() -> Result:
        _call(_LIBC.prctl, _PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(each) for each in (1, 0, 0, 0)))
        if read_version():
            _restrict(confinement, writable)
        _drop_capabilities()
        return start()

    with ThreadPoolExecutor(1, thread_name_prefix="confined") as thread:
        return thread.submit(confine_and_start).result()


def _restrict(confinement: Confinement, writable: Path) -> None:
    rules = make_rules(confinement, writable)
    try:
        _call(_LIBC.syscall, _RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)


def make_rules(confinement: Confinement, writable: Path) -> int:
    """A descriptor of rules that a process can take on, this or another; to be closed. Raises `OSError`."""
    version = read_version()
    known = sum(rights for since, rights in _RIGHTS if version >= since)
    scoped = _SCOPES if version >= SINCE_SIGNALS else 0
    attributes = _Ruleset(known, 0, scoped)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    ruleset = _call(_LIBC.syscall, _CREATE_RULESET, ctypes.byref(attributes), size, ctypes.c_uint32(0))
    try:
        _allow(ruleset, (*SYSTEM, *confinement.readable), _READ & known)
        _allow(ruleset, confinement.listed, _READ_DIR)
        _allow(ruleset, DEVICES, _USE & known)
        _allow(ruleset, [writable], known & ~(_MAKE_CHARACTER | _MAKE_BLOCK | _CONTROL_DEVICE))
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def _allow(ruleset: int, paths: Iterable[str | Path], rights: int) -> None:
    for path in paths:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            _allow_opened(ruleset, opened, rights)
        finally:
            os.close(opened)


def _allow_opened(ruleset: int, opened: int, rights: int) -> None:
    is_directory = stat.S_ISDIR(os.fstat(opened).st_mode)
    rule = _PathBeneath(rights if is_directory else rights & _OF_FILES, opened)
    kind = ctypes.c_int(_RULE_PATH_BENEATH)
    _call(_LIBC.syscall, _ADD_RULE, ctypes.c_int(ruleset), kind, ctypes.byref(rule), ctypes.c_uint32(0))


def _drop_capabilities() -> None:
    """Have none from here on. With "no new privileges" set, not even root's id brings them back at an exec."""
    header = _CapabilityHeader(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()  # two words each of effective, permitted, inheritable
    _call(_LIBC.capset, ctypes.byref(header), ctypes.byref(none))


def _call(function: Callable[..., int], *arguments: object) -> int:
    returned = int(function(*arguments))
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"confining a container: {os.strerror(number)}")
    return returned
