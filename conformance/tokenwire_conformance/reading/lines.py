"""The suite's own reading of a body of JSON lines: every line, each with its offset and its JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .http import Response

__all__ = ["JSON_LINES", "JSONLine", "Lines"]

#: The media types of JSON lines.
JSON_LINES = frozenset({"application/jsonl", "application/ndjson", "application/stream+json", "application/x-ndjson"})


@dataclass(frozen=True, slots=True)
class JSONLine:
    """One line. `offset` counts in the content; `ended` when its LF came."""

    offset: int
    raw: bytes
    ended: bool

    @property
    def text(self) -> str:
        return self.raw.decode("utf-8", "replace")

    @property
    def value(self) -> Any:
        """Its JSON; None where it is none."""
        try:
            return json.loads(self.raw)
        except (ValueError, RecursionError):
            return None


class Lines:
    """The JSON lines in a response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        self.content: bytes = response.content

    @cached_property
    def all(self) -> list[JSONLine]:
        """Every line; the last one without an end if it was cut, or if its LF is missing."""
        lines = []
        start = 0
        for raw in self.content.split(b"\n"):
            end = start + len(raw)
            if raw or end < len(self.content):
                lines.append(JSONLine(start, raw, end < len(self.content)))
            start = end + 1
        return lines

    @cached_property
    def lines(self) -> list[JSONLine]:
        """The lines that are not blank."""
        return [line for line in self.all if line.raw.strip()]

    @property
    def complete(self) -> bool:
        """It ended, and not because we left."""
        return not self.response.hung_up
