"""What tokenwire hears of an endpoint over a socket, for tests that compare it with what an official client heard."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

import tokenwire

__all__ = ["KEY", "hear"]

KEY = "a-key-of-some-length"


def hear(url: str, dialect: str, body: dict[str, Any]) -> tokenwire.Answer:
    """The answer to a request, which is made with the `KEY`. It ended cleanly."""
    with (
        patch.dict(os.environ, {"REFERENCE_KEY": KEY}),
        tokenwire.stream(url, json=body, dialect=dialect, key_env="REFERENCE_KEY") as stream,
    ):
        for _ in stream:
            pass
    assert stream.end == tokenwire.End(clean=True)
    return stream.answer
