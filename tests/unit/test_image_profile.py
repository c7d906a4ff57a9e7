"""The profile of system calls that is recommended for the image, against what the embedded host allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra import paths
from infra.host.containers import seccomp
from infra.host.containers.system_calls import FREE, RULED, read_numbers

# Of RULED: refused in a container, too. `seccomp` starts one.
REFUSED = {name for name, rule in seccomp.RULES.items() if not rule.allowed and rule.error != 0} - {"seccomp"}
STARTING = {"prctl", "setsid", "setuid", "setgid", "setgroups", "setresuid", "setresgid", "capset", "seccomp"}
# Later than the embedded host's list; runc and libraries ask for it first.
LATER = {"fchmodat2"}


@pytest.fixture
def rules() -> list[dict[str, Any]]:
    document = json.loads((paths.ROOT / "infra/runtime/seccomp.json").read_text())
    assert document["defaultAction"] == "SCMP_ACT_ERRNO"
    assert set(document["architectures"]) == {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"}
    found: list[dict[str, Any]] = document["syscalls"]
    return found


def test_it_allows_what_the_embedded_host_does(rules: list[dict[str, Any]]) -> None:
    """And beside that what starts a container; no call is in one list alone."""
    allowed = {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    free, ruled = read_numbers(FREE, 1), read_numbers(RULED, 1)
    assert allowed == {*free, *(ruled.keys() - REFUSED - {"seccomp"}), *STARTING, *LATER}


def test_it_refuses_namespaces_and_other_kinds_of_sockets(rules: list[dict[str, Any]]) -> None:
    """By their arguments."""
    found = {name: [each for each in rules if name in each["names"]] for name in ("clone", "socket", "clone3")}
    assert [each["args"][0]["value"] for each in found["clone"]] == [0x7E020000]
    assert sorted(each["args"][0]["value"] for each in found["socket"]) == [1, 2, 10, 16]
    assert [(each["action"], each["errnoRet"]) for each in found["clone3"]] == [("SCMP_ACT_ERRNO", 38)]
