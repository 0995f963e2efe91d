"""Stream events in, the answer as far as it has come out: text, reasoning, tools, usage, finish."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .events import (
    BlockStart,
    End,
    Error,
    Finish,
    Other,
    ReasoningDelta,
    Start,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    Usage,
)

__all__ = ["Answer", "ToolCall"]


@dataclass(slots=True)
class ToolCall:
    """One tool call. `arguments` is JSON text, as the model wrote it; empty where it wrote none, which means `{}`.

    `server`: the server runs the tool itself, and the client has nothing to do.
    """

    tool_id: str
    name: str
    arguments: str = ""
    choice: int = 0
    server: bool = False

    def parsed(self) -> dict[str, Any]:
        """The arguments as the object that they are; an empty one where the model wrote none.

        :raises ValueError: when they are no JSON object, as of a call that was cut.
        """
        try:
            value = json.loads(self.arguments.strip() or "{}", parse_constant=_no_json)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the arguments of the tool call {self.name!r} are not JSON: {error}") from None
        if not isinstance(value, dict):
            raise ValueError(f"the arguments of the tool call {self.name!r} are JSON, but no object")
        return value


def _no_json(constant: str) -> Any:
    raise ValueError(f"JSON has no {constant}")


class Answer:
    """What a stream has said so far. Where several choices were asked for, `text` is that of choice 0.

    `text` is the answer: what the provider marks as commentary, or as said by a sub-agent, is `commentary`. Where the
    agent that was asked has said nothing but commentary, as it does before it calls tools, `text` is that.
    """

    def __init__(self) -> None:
        #: Every event, for an interruption carries them. A program that reads without end may clear the list.
        self.events: list[StreamEvent] = []
        self._begin()

    def _begin(self) -> None:
        """Nothing has been said, or what was is void: `events` keeps it."""
        self.start: Start | None = None
        self.usage: dict[str, Any] | None = None
        self.finish: Finish | None = None
        self.error: Error | None = None
        self.end: End | None = None
        self._text: dict[int, list[str]] = {}
        self._asides: dict[int, list[str]] = {}  # commentary of the agent that was asked
        self._commentary: list[str] = []
        self._marked: dict[int, BlockStart] = {}  # the blocks that are commentary
        self._reasoning: dict[int, list[str]] = {}
        self._choices: dict[int, int] = {}
        self._calls: list[_Call] = []  # in the order in which they began
        self._tools: dict[int, _Call] = {}  # the same, by their blocks

    @property
    def text(self) -> str:
        return self.text_of(0)

    @property
    def commentary(self) -> str:
        """What was said on the way to the answer, and by sub-agents, in the order in which it came."""
        return "".join(self._commentary)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning.get(0, ()))

    @property
    def tools(self) -> list[ToolCall]:
        """The calls that the client is to make."""
        return [call for call in self.all_tools if not call.server]

    @property
    def all_tools(self) -> list[ToolCall]:
        """These and those that the server makes itself, in the order in which they began."""
        for it in self._calls:
            it.call.arguments = "".join(it.pieces)
        return [it.call for it in self._calls]

    def text_of(self, choice: int) -> str:
        """The text of one choice, counted from 0."""
        return "".join(self._text.get(choice) or self._asides.get(choice) or ())

    def add_all(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            self.add(event)

    def add(self, event: StreamEvent) -> None:
        self.events.append(event)
        match event:
            case TextDelta() if event.block in self._marked:
                self._add_commentary(self._marked[event.block], event.text)
            case TextDelta():
                self._text.setdefault(self._choices.get(event.block, 0), []).append(event.text)
            case ReasoningDelta():
                self._reasoning.setdefault(self._choices.get(event.block, 0), []).append(event.text)
            case ToolCallDelta():
                self._tools[event.block].pieces.append(event.arguments)
            case BlockStart():
                self._choices[event.block] = event.choice
                if event.kind in ("tool", "server_tool"):
                    self._begin_call(event)
                elif event.agent or event.phase == "commentary":
                    self._marked[event.block] = event
            case Usage():
                self.usage = dict(event.counts)
            case Finish():
                if event.choice == 0 or self.finish is None:
                    self.finish = event
            case Error():
                self.error = self.error or event
            case Start():
                self.start = self.start or event
            case End():
                self.end = event
            case Other(type="tokenwire.restart"):
                self._begin()
            case _:
                pass

    def _add_commentary(self, start: BlockStart, text: str) -> None:
        self._commentary.append(text)
        if not start.agent:
            self._asides.setdefault(start.choice, []).append(text)

    def _begin_call(self, start: BlockStart) -> None:
        """A call, in the place of the one that it replaces."""
        call = ToolCall(start.tool_id, start.name, "", start.choice, start.kind == "server_tool")
        replaced = None if start.replaces is None else self._tools.pop(start.replaces, None)
        if replaced is None:
            self._calls.append(_Call(call))
            self._tools[start.block] = self._calls[-1]
        else:
            replaced.call, replaced.pieces = call, []
            self._tools[start.block] = replaced


class _Call:
    __slots__ = ("call", "pieces")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.pieces: list[str] = []
