"""A stream read as chat completion chunks, each with its offset: what the `chat` checks look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tokenwire.dialects import DIALECTS

from .http import Response
from .stream import Payload, Stream

__all__ = ["ChatStream", "Choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One member of `choices`, with the chunk it came in and its place there."""

    payload: Payload
    value: dict[str, Any]
    number: int

    @property
    def offset(self) -> int:
        return self.payload.offset

    @property
    def is_numbered(self) -> bool:
        """Its index is an integer. Where it is not, `number` is a guess, on which no other finding may rest."""
        return type(self.value.get("index")) is int

    @property
    def delta(self) -> dict[str, Any]:
        delta = self.value.get("delta")
        return delta if isinstance(delta, dict) else {}

    @property
    def finish(self) -> Any:
        return self.value.get("finish_reason")

    @property
    def content(self) -> str:
        content = self.delta.get("content")
        return content if isinstance(content, str) else ""

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        calls = self.delta.get("tool_calls")
        return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []

    @property
    def says_something(self) -> bool:
        """The delta carries content of any kind, beyond the role."""
        return any(value for name, value in self.delta.items() if name not in ("role", "index"))


class ChatStream:
    """The chunks of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @staticmethod
    def is_one(stream: Stream) -> bool:
        said = stream.response.transcript.recording.header.get("dialect")
        if said in DIALECTS:
            return bool(said == "openai-chat")
        target = stream.response.request.target.partition("?")[0]
        if target:
            return target.endswith("/chat/completions")
        return any("choices" in payload.value for payload in stream.objects)

    @property
    def response(self) -> Response:
        return self.stream.response

    @property
    def request(self) -> dict[str, Any]:
        return self.stream.request

    @cached_property
    def chunks(self) -> list[Payload]:
        """Every JSON object that is not only an error."""
        return [payload for payload in self.stream.objects if not _is_error(payload.value)]

    @property
    def errored(self) -> bool:
        """The server said that it failed, so that the stream may lack what a whole one has."""
        return any(payload.value.get("error") for payload in self.stream.objects)

    @property
    def judged_to_the_end(self) -> bool:
        """Its end can be judged: we did not leave, and the server announced no failure."""
        return self.stream.complete and not self.errored and bool(self.chunks)

    @cached_property
    def choices(self) -> list[Choice]:
        return list(self._choices())

    def _choices(self) -> Iterator[Choice]:
        for payload in self.chunks:
            choices = payload.value.get("choices")
            for place, value in enumerate(choices if isinstance(choices, list) else ()):
                if isinstance(value, dict):
                    index = value.get("index")
                    yield Choice(payload, value, index if type(index) is int else place)

    def text(self, number: int = 0) -> str:
        """The joined content of one choice. Halves of a surrogate pair that came in two deltas become a character."""
        text = "".join(choice.content for choice in self.choices if choice.number == number)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    @property
    def finishes(self) -> dict[int, list[str]]:
        """The finish reasons that were given, by choice."""
        finishes: dict[int, list[str]] = {}
        for choice in self.choices:
            reasons = finishes.setdefault(choice.number, [])
            if choice.finish:
                reasons.append(str(choice.finish))
        return finishes

    @property
    def usages(self) -> list[Payload]:
        """The chunks that carry usage."""
        return [payload for payload in self.chunks if isinstance(payload.value.get("usage"), dict)]

    @cached_property
    def tools(self) -> dict[tuple[int, int], str]:
        """The joined arguments of each tool call, by choice and index."""
        arguments: dict[tuple[int, int], list[str]] = {}
        for choice in self.choices:
            for place, call in enumerate(choice.tool_calls):
                index = call.get("index")
                key = (choice.number, index if type(index) is int else place)
                function = call.get("function")
                piece = function.get("arguments") if isinstance(function, dict) else None
                arguments.setdefault(key, []).append(piece if isinstance(piece, str) else "")
        return {key: "".join(pieces) for key, pieces in arguments.items()}


def _is_error(value: dict[str, Any]) -> bool:
    return bool(value.get("error")) and "choices" not in value
