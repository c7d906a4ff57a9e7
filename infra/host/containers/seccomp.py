"""Which system calls a container may make, kept by the kernel beside Landlock: a seccomp filter.

Landlock knows files by what is opened; a mode, an owner or a time is changed without opening. So what a container
needs is listed by families (`system_calls`) and all else is refused, as are the ways to hold memory that nobody counts,
to touch processes of others, and to leave the process group by whose number a container is ended. A filter passes on to
all that a thread starts and is never taken off again. It is a program for a small machine in the kernel (classic BPF):
a binary search for the call's number, then a look at its arguments' lower halves.

Modes, owners and times of files are taken and dropped: an action's own files are in a directory that nobody else
enters, where none of them matters.
"""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from errno import EAFNOSUPPORT, EINVAL, ENOPROTOOPT, ENOSYS, ENOTTY, EOPNOTSUPP, EPERM
from functools import cache

from infra.host.containers.system_calls import FREE, LAST, RULED, read_numbers

_LIBC = ctypes.CDLL(None, use_errno=True)

# Instructions: load a word of `struct seccomp_data`, mask it, compare it, jump, return.
_LOAD, _AND, _IF_EQUAL, _IF_AT_LEAST, _JUMP, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x05, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _FAIL, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000

_SET_MODE_FILTER, _GET_ACTION_AVAILABLE = 1, 2
# Otherwise kernels before 5.16 slow down all that is filtered, against a weakness it does not have.
_NO_SLOWER = 4

# Stands for the container's process group until that is known; no process has such a number.
_GROUP = 0x7FFF_A5A5

Instruction = tuple[int, int, int, int]  # code, jumps if true and if false, constant


@dataclass(frozen=True, slots=True)
class Architecture:
    """How the kernel names this processor, its column of the tables, and the number of `seccomp` itself."""

    audited: int
    column: int
    seccomp: int


ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, 1, 317),
    "aarch64": Architecture(0xC00000B7, 2, 277),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """An argument (counted from 0), masked, is one of `values`; or none of them, where these are `unwanted`."""

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFF_FFFF
    unwanted: bool = False


@dataclass(frozen=True, slots=True)
class FilterRule:
    """A call is allowed where all conditions hold, and otherwise fails with `error`."""

    conditions: tuple[Condition, ...] = ()
    error: int = EPERM
    allowed: bool = True


ALLOWED = FilterRule()
REFUSED = FilterRule(allowed=False)
# As a kernel that does not have it: whoever asks has another way.
ABSENT = FilterRule(allowed=False, error=ENOSYS)
# As on a file system without them.
UNSUPPORTED = FilterRule(allowed=False, error=EOPNOTSUPP)
# As done, and not done: whoever copies a file or unpacks an archive does it, and would end of an error.
DROPPED = FilterRule(allowed=False, error=0)
_ITSELF = FilterRule((Condition(0, (0,)),))

# Every kind of CLONE_NEW… that fits in here, and CLONE_PARENT, whose children would be ours.
_CLONE_NAMESPACES = 0x7E02_0000 | 0x8000
_SHARED_AND_ANONYMOUS, _HUGE_PAGES = 0x21, 0x4_0000
_UNIX, _INTERNET, _INTERNET_6, _NETLINK = 1, 2, 10, 16
_TERMINALS, _SOCKETS, _KIND = 0x5400, 0x8900, 0xFFFF_FF00
_PUSH_BACK_INPUT, _CONSOLE, _SIGNAL_WHEN_READY = 0x5412, 0x541C, 0x5452
_SET_SECCOMP = 22
_SET_OWNER, _SET_SIGNAL, _SET_OWNER_OF_KIND, _NOTIFY, _SET_PIPE_SIZE = 8, 10, 15, 1026, 1031

RULES: Mapping[str, FilterRule] = {
    # Of any file of this user, however confined.
    **dict.fromkeys(("chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat"), DROPPED),
    **dict.fromkeys(("utime", "utimes", "futimesat", "utimensat"), DROPPED),
    **dict.fromkeys(("setxattr", "lsetxattr", "fsetxattr"), UNSUPPORTED),
    **dict.fromkeys(("removexattr", "lremovexattr", "fremovexattr"), UNSUPPORTED),
    # Never all that may be signalled at once.
    "kill": FilterRule((Condition(0, (0xFFFF_FFFF,), unwanted=True),)),
    # Shared memory without a file stays while no page of it is resident, and huge pages never count as resident.
    "mmap": FilterRule(
        (
            Condition(3, (_SHARED_AND_ANONYMOUS,), mask=_SHARED_AND_ANONYMOUS, unwanted=True),
            Condition(3, (0,), mask=_HUGE_PAGES),
        )
    ),
    "clone": FilterRule((Condition(0, (0,), mask=_CLONE_NAMESPACES),)),
    # Its flags are behind a pointer, which a filter cannot follow; libraries then take `clone`.
    "clone3": ABSENT,
    "ioctl": FilterRule(
        (
            Condition(1, (_TERMINALS, _SOCKETS), mask=_KIND),
            Condition(1, (_PUSH_BACK_INPUT, _CONSOLE, _SIGNAL_WHEN_READY), unwanted=True),
        ),
        error=ENOTTY,
    ),
    # Signals and news by way of a descriptor, and pipes that hold more than is usual.
    "fcntl": FilterRule(
        (Condition(1, (_SET_OWNER, _SET_SIGNAL, _SET_OWNER_OF_KIND, _NOTIFY, _SET_PIPE_SIZE), unwanted=True),)
    ),
    "socket": FilterRule((Condition(0, (_UNIX, _INTERNET, _INTERNET_6, _NETLINK)),), error=EAFNOSUPPORT),
    # A port that MinIO listens on would be shared with whoever asks so of the same user.
    "setsockopt": FilterRule((Condition(2, (socket.SO_REUSEPORT,), unwanted=True),), error=ENOPROTOOPT),
    # Only into the group in which it is: so that a container's first process can be put there.
    "setpgid": FilterRule((Condition(0, (0,)), Condition(1, (_GROUP,)))),
    "prlimit64": _ITSELF,
    "setpriority": FilterRule((Condition(0, (0, 1)), Condition(1, (0,)))),
    "ioprio_set": FilterRule((Condition(0, (1, 2)), Condition(1, (0,)))),
    "sched_setaffinity": _ITSELF,
    "sched_setscheduler": _ITSELF,
    "sched_setparam": _ITSELF,
    "sched_setattr": _ITSELF,
    # Rules and filters are memory of the kernel's, without a limit of their own.
    "prctl": FilterRule((Condition(0, (_SET_SECCOMP,), unwanted=True),), error=EINVAL),
    **dict.fromkeys(("seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"), ABSENT),
    "io_uring_setup": ABSENT,
    "io_uring_enter": ABSENT,
    "io_uring_register": ABSENT,
}
# What a zygote's copies do before they are containers.
_OF_ZYGOTES = {"seccomp": ALLOWED, "landlock_restrict_self": ALLOWED}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@cache
def is_available() -> bool:
    """Whether this kernel filters system calls for whoever asks, and we know its processor's."""
    architecture = ARCHITECTURES.get(platform.machine())
    if architecture is None:
        return False
    action = ctypes.c_uint32(_FAIL)
    asked = ctypes.c_uint(_GET_ACTION_AVAILABLE), ctypes.c_uint(0), ctypes.byref(action)
    return int(_LIBC.syscall(ctypes.c_long(architecture.seccomp), *asked)) == 0


def restrict_calls(group: int) -> None:
    """Confine this thread, and all it starts from now on, to the listed calls; `group` is the one process group that
    may be entered, 0 one of its own, as a zygote's copies do, and then more rules may be taken on, too. "No new
    privileges" has been set. Raises `OSError` where the kernel refuses.
    """
    architecture = ARCHITECTURES[platform.machine()]
    text = program(architecture, zygote=group == 0).replace(_word(_GROUP), _word(group))
    wanted = _Program(len(text) // 8, text)
    asked = ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_NO_SLOWER), ctypes.byref(wanted)
    if _LIBC.syscall(ctypes.c_long(architecture.seccomp), *asked) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"confining a container's system calls: {os.strerror(number)}")


def describe() -> tuple[bytes, int, int]:
    """For a process that takes the filter on by itself: its program, which lets no process group be entered at all, and
    the number and the flags of the call. Only where it is available.
    """
    architecture = ARCHITECTURES[platform.machine()]
    return program(architecture), architecture.seccomp, _NO_SLOWER


@cache
def program(architecture: Architecture, *, zygote: bool = False) -> bytes:
    """The filter as the kernel takes it."""
    rules = _rules(architecture, {**RULES, **(_OF_ZYGOTES if zygote else {})})
    start: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture.audited),
        # Calls of another architecture have other numbers.
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    return b"".join(struct.pack("=HBBI", *each) for each in (*start, *_search(_ranges(rules))))


def _rules(architecture: Architecture, rules: Mapping[str, FilterRule]) -> dict[int, FilterRule]:
    free = dict.fromkeys(read_numbers(FREE, architecture.column).values(), ALLOWED)
    ruled = read_numbers(RULED, architecture.column)
    return free | {number: rules[name] for name, number in ruled.items()}


def _ranges(rules: Mapping[int, FilterRule]) -> list[tuple[int, FilterRule]]:
    """From which number on which rule holds. Beyond the last number nothing is known, x32's calls included."""
    found: list[tuple[int, FilterRule]] = []
    for number in range(LAST + 1):
        rule = rules.get(number, REFUSED)
        if not found or found[-1][1] != rule:
            found.append((number, rule))
    return [*found, (LAST + 1, ABSENT)]


def _search(ranges: Sequence[tuple[int, FilterRule]]) -> list[Instruction]:
    if len(ranges) == 1:
        return _decide(ranges[0][1])
    middle = len(ranges) // 2
    low, high = _search(ranges[:middle]), _search(ranges[middle:])
    # A conditional jump reaches 255 instructions, a plain one any number.
    if len(low) <= 255:
        return [(_IF_AT_LEAST, len(low), 0, ranges[middle][0]), *low, *high]
    return [(_IF_AT_LEAST, 0, 1, ranges[middle][0]), (_JUMP, 0, 0, len(low)), *low, *high]


def _decide(rule: FilterRule) -> list[Instruction]:
    failed = (_RETURN, 0, 0, _FAIL | rule.error)
    if not rule.allowed:
        return [failed]
    checks = [each for condition in rule.conditions for each in (*_check(condition), failed)]
    return [*checks, (_RETURN, 0, 0, _ALLOW)]


def _check(condition: Condition) -> list[Instruction]:
    """Goes on behind the instruction that follows where the condition holds, else with it."""
    load = [(_LOAD, 0, 0, _ARGUMENTS + 8 * condition.argument), (_AND, 0, 0, condition.mask)]
    count = len(condition.values)
    compare = [(_IF_EQUAL, count - at, 0, value) for at, value in enumerate(condition.values)]
    return [*load, *compare, (_JUMP, 0, 0, 1)] if condition.unwanted else [*load, *compare]


def _word(number: int) -> bytes:
    return struct.pack("=I", number)
