"""Containers made ready before the first upload, over real HTTP."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from infra.host.calls import Call, Ran
from infra.openwhisk.client import ActivationFailed, Whisk
from infra.openwhisk.warming import SEQUENCE, warm
from tests.contract.host.served import serving
from tests.doubles import InProcessPool


class Together(InProcessPool):
    """Begins no call before so many have come."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._missing = count
        self._complete = asyncio.Event()

    async def run(self, call: Call) -> Ran:
        self._missing -= 1
        if self._missing <= 0:
            self._complete.set()
        await asyncio.wait_for(self._complete.wait(), 10)
        return await super().run(call)


def test_no_call_waits_for_anothers_container(tmp_path: Path) -> None:
    """All are under way at once, so each has a container of its own; one that fails is the caller's to hear of."""
    with serving(tmp_path, Together(3), namespaces=1) as served, closing(served.fresh()) as namespace:
        namespace.ok("PUT", "packages/pixwhisk", {})
        namespace.action(SEQUENCE)
        with Whisk(namespace.url, namespace.key) as whisk:
            warm(whisk, 3)
            namespace.action(SEQUENCE, "def main(params):\n    return {'error': 'no use'}\n")
            with pytest.raises(ActivationFailed, match="no use"):
                warm(whisk, 3)
