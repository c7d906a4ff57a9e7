"""The boundary between an action and OpenWhisk: whatever goes wrong becomes a result, and the container lives on."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from actions.errors import ActionError, UnexpectedFailure, error_result

Handle = Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, Any]]


def answer(handle: Handle, params: Mapping[str, Any]) -> dict[str, Any]:
    """Call `handle` with arguments and environment; an error becomes `{"error": {code, message, retryable}}`."""
    try:
        return handle(params, os.environ)
    except ActionError as error:
        print(f"failed: {error.code}: {error}")
        return error_result(error)
    except Exception as error:  # noqa: BLE001 - the process boundary
        # Where, not what: the words of a foreign exception may hold an address with its password, a header or a row.
        print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
        return error_result(UnexpectedFailure(f"an unforeseen {type(error).__name__}; the activation's log says where"))
