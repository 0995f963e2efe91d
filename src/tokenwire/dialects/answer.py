"""Stream events in, the answer as far as it has come out: text, reasoning, tools, usage, finish.

Events are taken as they come and folded later, many at once: when somebody asks, or when `MAX_UNFOLDED` of them wait.
So a read costs no more than the growth of a list. What is kept of a long stream is what it said, and its last events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
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
from .latest import Latest, are_many

__all__ = ["Answer", "ToolCall"]

#: Events that wait to be folded; fewer, where they are large.
MAX_UNFOLDED = 64

#: Characters of a piece of text to which the next piece is joined: so many short ones take no more room than they hold.
MIN_PIECE = 1024

_BLOCK, _TEXT, _CURSOR = attrgetter("block"), attrgetter("text"), attrgetter("cursor")


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


class Answer:
    """What a stream has said so far. Where several choices were asked for, `text` is that of choice 0.

    :param keep_events: `events` has all events and not only the last: some 500 bytes each.
    """

    def __init__(self, *, keep_events: bool = False) -> None:
        self._said = _Said()
        self._unfolded: list[StreamEvent] = []
        self._folded = 0
        self._latest = Latest()
        self._kept: list[StreamEvent] | None = [] if keep_events else None

    @property
    def events(self) -> list[StreamEvent]:
        """The last events that came, up to 64 of them; all, where the answer was made with `keep_events`."""
        self._fold()
        return self._latest.events if self._kept is None else self._kept

    @property
    def first_cursor(self) -> str:
        """The cursor with which the stream began, or began anew; empty where it has none."""
        return self._fold().first_cursor

    @property
    def count(self) -> int:
        """How many events came."""
        return self._folded + len(self._unfolded)

    @property
    def start(self) -> Start | None:
        """The first `Start`."""
        return self._fold().start

    @property
    def usage(self) -> dict[str, Any] | None:
        """The last counts that were reported."""
        return self._fold().usage

    @property
    def finish(self) -> Finish | None:
        """Why the model stopped; of choice 0 where there are several."""
        return self._fold().finish

    @property
    def error(self) -> Error | None:
        """The first error that the server said."""
        return self._fold().error

    @property
    def end(self) -> End | None:
        """The `End`, once it has come."""
        return self._fold().end

    @property
    def text(self) -> str:
        return self.text_of(0)

    @property
    def reasoning(self) -> str:
        return _joined(self._fold().reasoning.get(0))

    @property
    def tools(self) -> list[ToolCall]:
        """The calls that the client is to make."""
        return [call for call in self.all_tools if not call.server]

    @property
    def all_tools(self) -> list[ToolCall]:
        """These and those that the server makes itself, in the order in which they began."""
        tools = self._fold().tools.values()
        for call, pieces in tools:
            call.arguments = _joined(pieces)
        return [call for call, _ in tools]

    def text_of(self, choice: int) -> str:
        """The text of one choice, counted from 0."""
        return _joined(self._fold().text.get(choice))

    def add_all(self, events: Iterable[StreamEvent]) -> None:
        """Takes the next events of the stream."""
        self._unfolded += events
        if are_many(self._unfolded, MAX_UNFOLDED):
            self._fold()

    def add(self, event: StreamEvent) -> None:
        """Takes the next event of the stream."""
        self.add_all((event,))

    def _fold(self) -> _Said:
        """What all events that came add up to."""
        events = self._unfolded
        if not events:
            return self._said
        self._unfolded = []
        self._folded += len(events)
        if self._kept is not None:
            self._kept += events
        self._latest.add_all(events)
        if _is_one_text(events):
            self._said.say_all(events)
            return self._said
        for event in events:
            if isinstance(event, Other) and event.type == "tokenwire.restart":
                self._said = _Said()  # what was said is void; only `events` has it
            else:
                self._said.add(event)
        return self._said


def _is_one_text(events: list[StreamEvent]) -> bool:
    """Whether they are deltas of one block of text, as nearly all events of a long stream are."""
    return set(map(type, events)) == {TextDelta} and len(set(map(_BLOCK, events))) == 1


class _Said:
    """What the events of a stream add up to. Text is kept in pieces, of each choice, and of each call by its block."""

    def __init__(self) -> None:
        self.first_cursor = ""
        self.start: Start | None = None
        self.usage: dict[str, Any] | None = None
        self.finish: Finish | None = None
        self.error: Error | None = None
        self.end: End | None = None
        self.text: dict[int, list[str]] = {}
        self.reasoning: dict[int, list[str]] = {}
        self.tools: dict[int, tuple[ToolCall, list[str]]] = {}
        self._choices: dict[int, int] = {}

    def say_all(self, deltas: list[StreamEvent]) -> None:
        """Deltas of one block of text."""
        first = deltas[0]
        assert isinstance(first, TextDelta)
        self.first_cursor = self.first_cursor or next(filter(None, map(_CURSOR, deltas)), "")
        self.say(self.text, first.block, "".join(map(_TEXT, deltas)))

    def say(self, where: dict[int, list[str]], block: int, text: str) -> None:
        """More of the text, or of the reasoning, of the choice to which the block belongs."""
        _extend(where.setdefault(self._choices.get(block, 0), []), text)

    def add(self, event: StreamEvent) -> None:
        self.first_cursor = self.first_cursor or event.cursor or ""
        match event:
            case TextDelta():
                self.say(self.text, event.block, event.text)
            case ReasoningDelta():
                self.say(self.reasoning, event.block, event.text)
            case ToolCallDelta():
                _extend(self.tools[event.block][1], event.arguments)
            case BlockStart():
                self._choices[event.block] = event.choice
                if event.kind in ("tool", "server_tool"):
                    server = event.kind == "server_tool"
                    self.tools[event.block] = (ToolCall(event.tool_id, event.name, "", event.choice, server), [])
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
            case Other(type="tokenwire.continuation"):
                self.first_cursor = ""  # what follows has cursors of its own
            case _:
                pass


def _extend(pieces: list[str], text: str) -> None:
    if pieces and len(pieces[-1]) < MIN_PIECE:
        pieces[-1] += text
    else:
        pieces.append(text)


def _joined(pieces: list[str] | None) -> str:
    """The pieces as one, which takes their place: it may be asked for again."""
    if not pieces:
        return ""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0]
