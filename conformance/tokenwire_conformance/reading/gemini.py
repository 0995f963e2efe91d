"""A stream of Gemini's, as server-sent events or as one JSON array: what the `gem` checks look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .http import Response
from .stream import Stream

__all__ = ["Array", "Candidate", "Chunk", "GeminiStream"]

_DECODER = json.JSONDecoder()
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One `GenerateContentResponse`. `offset` counts in the content."""

    offset: int
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One member of `candidates`, with the chunk it came in and its place there."""

    chunk: Chunk
    value: dict[str, Any]
    number: int

    @property
    def offset(self) -> int:
        return self.chunk.offset

    @property
    def finish(self) -> Any:
        """Its finishReason; None where the model goes on."""
        reason = self.value.get("finishReason")
        return None if reason in (0, "", "FINISH_REASON_UNSPECIFIED") else reason

    @property
    def parts(self) -> list[dict[str, Any]]:
        content = self.value.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []

    @property
    def says_something(self) -> bool:
        """A part has text, a call, or anything else that is not empty."""
        return any(value for part in self.parts for name, value in part.items() if name != "thoughtSignature")


class Array:
    """The JSON array in a response."""

    def __init__(self, response: Response) -> None:
        self.response = response
        #: Why it is no JSON array that was closed; empty where it is one.
        self.flaw = ""

    @property
    def complete(self) -> bool:
        """It ended, and not because we left."""
        return not self.response.hung_up

    @cached_property
    def elements(self) -> list[tuple[int, Any]]:
        """The elements, as far as they can be read, each with its offset in the content."""
        return list(self._read())

    def _read(self) -> Iterator[tuple[int, Any]]:
        text = self.response.content.decode("utf-8", "replace")
        place = _after_blanks(text, 0)
        if text[place : place + 1] != "[":
            self.flaw = "it does not begin with ["
            return
        place = _after_blanks(text, place + 1)
        offset = place  # for so far there are no characters of several bytes
        while text[place : place + 1] not in ("]", ""):
            try:
                value, end = _DECODER.raw_decode(text, place)
            except (ValueError, RecursionError) as error:
                self.flaw = f"an element is no JSON: {error}"
                return
            yield offset, value
            element, place = place, _after_blanks(text, end)
            if text[place : place + 1] == ",":
                place = _after_blanks(text, place + 1)
                offset += len(text[element:place].encode())
            elif text[place : place + 1] not in ("]", ""):
                self.flaw = "two elements have no comma between them"
                return
        if not text[place:]:
            self.flaw = "it is not closed"
        elif text[place + 1 :].strip(_BLANKS):
            self.flaw = "something follows it"


def _after_blanks(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in _BLANKS:
        place += 1
    return place


class GeminiStream:
    """The chunks of one stream."""

    def __init__(self, body: Stream | Array) -> None:
        self.body = body

    @property
    def response(self) -> Response:
        return self.body.response

    @cached_property
    def objects(self) -> list[Chunk]:
        """Every JSON object."""
        if isinstance(self.body, Stream):
            return [Chunk(payload.offset, payload.value) for payload in self.body.objects]
        return [Chunk(offset, value) for offset, value in self.body.elements if isinstance(value, dict)]

    @cached_property
    def chunks(self) -> list[Chunk]:
        """Every object that is not an error."""
        return [chunk for chunk in self.objects if "error" not in chunk.value]

    @property
    def errored(self) -> bool:
        """The server said that it failed: in an object, or as bare JSON between the events."""
        if len(self.chunks) < len(self.objects):
            return True
        return isinstance(self.body, Stream) and any(line.raw.startswith(b"{") for line in self.body.lines)

    @property
    def judged_to_the_end(self) -> bool:
        """Its end can be judged: we did not leave, the server announced no failure, and the last event counts."""
        discarded = isinstance(self.body, Stream) and self.body.end_discarded
        return self.body.complete and not discarded and not self.errored and bool(self.chunks)

    @cached_property
    def candidates(self) -> list[Candidate]:
        return list(self._candidates())

    def _candidates(self) -> Iterator[Candidate]:
        for chunk in self.chunks:
            candidates = chunk.value.get("candidates")
            for place, value in enumerate(candidates if isinstance(candidates, list) else ()):
                if isinstance(value, dict):
                    index = value.get("index")
                    yield Candidate(chunk, value, index if type(index) is int else place)

    @property
    def numbers(self) -> list[int]:
        """Which candidates there are."""
        return sorted({candidate.number for candidate in self.candidates})

    @property
    def blocked(self) -> bool:
        """The prompt was blocked, so that there are no candidates."""
        feedbacks = [chunk.value.get("promptFeedback") for chunk in self.chunks]
        return any(isinstance(feedback, dict) and feedback.get("blockReason") for feedback in feedbacks)
