"""The embedded host answers as a real OpenWhisk answered, request by request."""

from __future__ import annotations

import pytest

from tests.contract.clients.answers import Answered, ask_all, exchanges
from tests.contract.clients.replay import Comparison
from tests.fixtures.whisk import Whisk


@pytest.mark.timeout(600)
def test_answers_are_those_of_a_real_openwhisk(whisk: Whisk, subtests: pytest.Subtests) -> None:
    """Status, type, words and fields of every exchange; what a real one leaves out may be there."""
    known = exchanges()
    with whisk.client(authorized=False) as client:
        answers = ask_all(client, whisk.key, whisk.namespace, [each.asked for each in known])
        for exchange, answer in zip(known, answers, strict=True):
            with subtests.test(exchange.asked.name):
                assert _differences(exchange.answered, answer) == []


def _differences(expected: Answered, actual: Answered) -> list[str]:
    comparison = Comparison()
    for part in ("status", "type", "headers", "body"):
        comparison.compare(getattr(expected, part), getattr(actual, part), part)
    return comparison.differences
