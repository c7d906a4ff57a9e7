"""What is answered: JSON, and refusals."""

from __future__ import annotations

import json

Reply = tuple[int, bytes]

# NaN has no JSON; without spaces a megabyte of numbers is a fifth shorter.
encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


class RequestRefused(Exception):
    """A request that ends in `{"error": message}` under an HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def encode_refusal(refused: RequestRefused) -> bytes:
    return encode({"error": str(refused)}).encode()
