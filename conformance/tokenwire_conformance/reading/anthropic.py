"""A stream read as Anthropic's messages: what the `anth` checks look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .http import Response
from .stream import Payload, Stream, key_of

__all__ = ["ContentBlock", "MessageStream", "delta_of", "kind_of"]


def kind_of(payload: Payload) -> str:
    """The `type` of an event; empty where it has none."""
    kind = payload.value.get("type")
    return kind if isinstance(kind, str) else ""


@dataclass(slots=True)
class ContentBlock:
    """One block of content, from its start on.

    :ivar stop: what closes it; None where nothing did.
    """

    index: Any
    start: Payload
    deltas: list[Payload] = field(default_factory=list)
    stop: Payload | None = None

    @property
    def content(self) -> dict[str, Any]:
        content = self.start.value.get("content_block")
        return content if isinstance(content, dict) else {}

    @property
    def kind(self) -> str:
        return str(self.content.get("type", ""))

    @property
    def arguments(self) -> str:
        """The joined pieces of a tool's input."""
        pieces = [delta_of(payload).get("partial_json") for payload in self.deltas]
        return "".join(piece for piece in pieces if isinstance(piece, str))


def delta_of(payload: Payload) -> dict[str, Any]:
    """The delta of an event; empty where it has none."""
    delta = payload.value.get("delta")
    return delta if isinstance(delta, dict) else {}


class MessageStream:
    """The events of one stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @property
    def response(self) -> Response:
        return self.stream.response

    @property
    def events(self) -> list[Payload]:
        return self.stream.objects

    def of_kind(self, *kinds: str) -> list[Payload]:
        return [payload for payload in self.events if kind_of(payload) in kinds]

    @cached_property
    def told(self) -> list[Payload]:
        """The events that belong to the message: all but pings and errors."""
        return [payload for payload in self.events if kind_of(payload) not in ("ping", "error")]

    @property
    def errors(self) -> list[Payload]:
        """The events that tell of a failure."""
        return [payload for payload in self.events if kind_of(payload) == "error" or payload.value.get("error")]

    @property
    def judged_to_the_end(self) -> bool:
        """Its end can be judged: we did not leave, the server announced no failure, and the last event counts."""
        return self.stream.complete and not self.stream.end_discarded and not self.errors and bool(self.told)

    @cached_property
    def blocks(self) -> list[ContentBlock]:
        """The blocks in the order of their starts. A delta or a stop belongs to the open one with its index."""
        blocks: list[ContentBlock] = []
        open_blocks: defaultdict[Hashable, list[ContentBlock]] = defaultdict(list)
        for payload in self.events:
            index = payload.value.get("index")
            same = open_blocks[key_of(index)]
            match kind_of(payload):
                case "content_block_start":
                    same.append(ContentBlock(index, payload))
                    blocks.append(same[-1])
                case "content_block_delta" if same:
                    same[-1].deltas.append(payload)
                case "content_block_stop" if same:
                    same.pop().stop = payload
        return blocks

    @property
    def stop_reason(self) -> str:
        """Why it stopped; empty where that was not said."""
        reasons = [delta_of(payload).get("stop_reason") for payload in self.of_kind("message_delta")]
        return next((reason for reason in reversed(reasons) if isinstance(reason, str)), "")
