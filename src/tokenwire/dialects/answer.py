"""Stream events in, the answer as far as it has come out: text, reasoning, tools, usage, finish.

Events are taken as they come and folded later, many at once: when somebody asks, or when `MAX_UNFOLDED` of them wait.
So a read costs no more than the growth of a list. What is kept of a long stream is what it said, and its last events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..records import record
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


@record
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
    def commentary(self) -> str:
        """What was said on the way to the answer, and by sub-agents, in the order in which it came."""
        return _joined(self._fold().commentary)

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
        calls = self._fold().calls
        for it in calls:
            it.call.arguments = _joined(it.pieces)
        return [it.call for it in calls]

    def text_of(self, choice: int) -> str:
        """The text of one choice, counted from 0."""
        said = self._fold()
        return _joined(said.text.get(choice)) or _joined(said.asides.get(choice))

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
        if self._said.add_run(events):
            return self._said
        for event in events:
            if isinstance(event, Other) and event.type == "tokenwire.restart":
                self._said = _Said()  # what was said is void; only `events` has it
            else:
                self._said.add(event)
        return self._said


class _Said:
    """What the events of a stream add up to. Text is kept in pieces: of each choice, and of each call."""

    def __init__(self) -> None:
        self.first_cursor = ""
        self.start: Start | None = None
        self.usage: dict[str, Any] | None = None
        self.finish: Finish | None = None
        self.error: Error | None = None
        self.end: End | None = None
        self.text: dict[int, list[str]] = {}
        self.asides: dict[int, list[str]] = {}  # commentary of the agent that was asked
        self.commentary: list[str] = []
        self.reasoning: dict[int, list[str]] = {}
        self.calls: list[_Call] = []  # in the order in which they began
        self._tools: dict[int, _Call] = {}  # the same, by their blocks
        self._choices: dict[int, int] = {}
        self._marked: dict[int, BlockStart] = {}  # the blocks that are commentary

    def add_run(self, events: list[StreamEvent]) -> bool:
        """Takes deltas of one block of text, as nearly all events of a long stream are; whether they are that."""
        first = events[0]
        if type(first) is not TextDelta:
            return False
        block = first.block
        texts = [event.text for event in events if type(event) is TextDelta and event.block == block]
        if len(texts) < len(events):
            return False
        self.first_cursor = self.first_cursor or first.cursor or ""
        self._say(block, "".join(texts))
        return True

    def add(self, event: StreamEvent) -> None:
        self.first_cursor = self.first_cursor or event.cursor or ""
        match event:
            case TextDelta():
                self._say(event.block, event.text)
            case ReasoningDelta():
                _extend(self.reasoning.setdefault(self._choices.get(event.block, 0), []), event.text)
            case ToolCallDelta():
                _extend(self._tools[event.block].pieces, event.arguments)
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
            case Other(type="tokenwire.continuation"):
                self.first_cursor = ""  # what follows has cursors of its own
            case _:
                pass

    def _say(self, block: int, text: str) -> None:
        start = self._marked.get(block)
        if start is None:
            _extend(self.text.setdefault(self._choices.get(block, 0), []), text)
            return
        _extend(self.commentary, text)
        if not start.agent:
            _extend(self.asides.setdefault(start.choice, []), text)

    def _begin_call(self, start: BlockStart) -> None:
        """A call, in the place of the one that it replaces."""
        call = ToolCall(start.tool_id, start.name, "", start.choice, start.kind == "server_tool")
        replaced = None if start.replaces is None else self._tools.pop(start.replaces, None)
        if replaced is None:
            self.calls.append(_Call(call))
            self._tools[start.block] = self.calls[-1]
        else:
            replaced.call, replaced.pieces = call, []
            self._tools[start.block] = replaced


class _Call:
    __slots__ = ("call", "pieces")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.pieces: list[str] = []


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
