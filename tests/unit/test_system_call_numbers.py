"""The numbers of system calls, on both architectures, against the kernel's own headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.host.containers.system_calls import FREE, RULED, read_numbers
from tests.fixtures.needs import need

# By the column of our table. ARM's are the generic ones, which headers on every machine have.
HEADERS = {
    1: [
        "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
        "/usr/include/asm/unistd_64.h",
        "/usr/x86_64-linux-gnu/include/asm/unistd_64.h",
    ],
    2: ["/usr/include/asm-generic/unistd.h"],
}
DEFINED = re.compile(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", re.MULTILINE)


def read_header(column: int) -> Mapping[str, int]:
    found = next((path for path in map(Path, HEADERS[column]) if path.exists()), None)
    need(found, "the kernel's headers are not installed: Debian has them in linux-libc-dev")
    assert found is not None
    numbers = {name: int(number) for name, number in DEFINED.findall(found.read_text())}
    # Where both widths of a structure have one number, the header has it by its older name.
    return {"newfstatat": numbers["fstatat"], **numbers} if "fstatat" in numbers else numbers


@pytest.mark.parametrize("column", [1, 2])
def test_every_number_is_the_kernels(column: int) -> None:
    """A wrong one would let a call through that is to be refused."""
    ours = {**read_numbers(FREE, column), **read_numbers(RULED, column)}
    header = read_header(column)
    assert {name: (number, header.get(name)) for name, number in ours.items() if number != header.get(name)} == {}


def test_arm_lacks_only_what_it_has_not() -> None:
    """A call without a number there is an older form that ARM never had; none is forgotten."""
    ours = {**read_numbers(FREE + RULED, 1)}
    forgotten = ours.keys() - read_numbers(FREE + RULED, 2).keys()
    assert forgotten & read_header(2).keys() == set()
