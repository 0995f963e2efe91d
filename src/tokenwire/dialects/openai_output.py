"""The output of a response, which OpenAI's Responses and Realtime APIs describe in the same words.

A response has output items: messages, reasoning, calls. An item comes as `response.output_item.added`, then the deltas
of its parts, each run of them ended by a `.done` that repeats the whole, then `response.output_item.done`, which
repeats all of it once more, as the last message of the response does for all items. What a delta has said is not said
again. What only a whole says is given, and where a whole is not what the deltas said, an `Error` tells: see `wholes`.
Messages that say nothing new are `Other`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

from .dialect import Message, Tool
from .events import BlockKind, Error, Finish, FinishReason, Other, Start, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .openai_names import (
    CALLS,
    COMMAND,
    ITEM,
    MESSAGE,
    PART_ENDS,
    PARTS,
    RANKS,
    REASONS,
    RESPONSE,
    TOOLS,
    Call,
    Run,
)
from .output_items import Address, Item, Items
from .pieces import Pieces, rest_of_all
from .values import arguments_of, index_of, items_of, listed, member, name_of, object_of, text_of, word
from .wholes import WholeBlocks, paired, too_late

__all__ = ["OutputDecoder", "function_tools"]


#: Parts that are numbered together and told in blocks of one kind.
_Sort = tuple[BlockKind, int]


#: Parts of an item that are looked at together, for its whole may be cut and numbered otherwise. A message has a dozen.
MAX_RUNS = 256

_SAYS_NOTHING = frozenset({"id", "object", "role", "status", "type"})


class _Part(NamedTuple):
    """A part as a whole has it."""

    address: Address
    kind: BlockKind
    text: str

    @property
    def sort(self) -> _Sort:
        return self.kind, self.address[1]


class OutputDecoder(JSONDecoder):
    """Decodes one response. A dialect says what its runs are called, and how it knows an item."""

    json_events = r"(response|transcript\.text)\..*"

    def __init__(self, runs: Mapping[str, Run]) -> None:
        super().__init__()
        self._blocks: WholeBlocks = WholeBlocks()
        self._runs = runs  # by the type of their messages, without `.delta` or `.done`
        self._items = Items()
        self._started = False
        self._model = ""  # where the description of the response does not name it
        self._called = False
        self._furthest: dict[str, tuple[int, ...]] = {}  # of what is one text for the reader: the last run told

    @abstractmethod
    def _place(self, value: dict[str, Any]) -> tuple[int | None, str]:
        """The index and the id of the item that a message is about; None and empty where it does not say."""

    @abstractmethod
    def _is_of_another(self, value: dict[str, Any]) -> bool:
        """Whether a message is about another response on the same connection."""

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw, cursor = message.data, self._cursor(value, message)
        kind = "error" if message.event == "error" else word(value.get("type")) or message.event
        if self._started and self._is_of_another(value):
            return None
        self._look_for_unknown(value, MESSAGE)
        name, _, step = kind.rpartition(".")
        run = self._runs.get(name)
        if run is not None and step == "delta" and (text := _delta(run, value.get("delta"))) is not None:
            return self._more(run, text, value, raw, cursor)
        events = self._start(value, raw, cursor)
        if run is not None and step == "done":
            events += self._done(kind, run, value, raw, cursor)
        return events + self._event(kind, value, raw, cursor) or None

    def _error_beside(self, value: dict[str, Any], message: Message, *, known: bool) -> list[StreamEvent]:
        another = self._started and self._is_of_another(value)
        return [] if another else super()._error_beside(value, message, known=known)

    def _look_for_unknown(self, value: dict[str, Any], known: frozenset[str]) -> None:
        """Has what nobody knows told, without a look at each member where all are known."""
        if not value.keys() <= known:
            self._odd.members(value, known)

    def _event(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What a message says that is no part of a run."""
        match kind:
            case "response.output_item.added":
                return self._item_added(value, raw, cursor)
            case "response.output_item.done":
                return self._item_done(kind, value, raw, cursor)
            case _ if kind in PART_ENDS:
                return self._part_done(PART_ENDS[kind], value, raw, cursor)
            case _:
                return []

    def _start(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """The first message that describes the response; a resumed stream has no `response.created`."""
        response = value.get("response")
        if self._started or not isinstance(response, dict):
            return []
        self._started = True
        return [Start(word(response.get("id")), word(response.get("model")) or self._model, raw, cursor)]

    # Runs.

    def _more(self, run: Run, text: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """More of a run. Text opens with its first piece; a call that was not announced with what the message says."""
        if not text:
            return []
        item = self._items.of(*self._place(value), grows=True)
        item.name_agent(value)
        address = _address(item, run, value)
        if RANKS[run.counter]:
            return self._more_text(item, address, self._kind(item, run.kind), text, raw, cursor)
        opening = [] if address in self._blocks else self._open_call(item, run.kind, value, raw, cursor)
        if run.counter == COMMAND:
            text = self._next_command(item, address, value) + text
        return opening + self._blocks.delta(address, text, raw, cursor)

    def _more_text(
        self, item: Item, address: Address, kind: BlockKind, text: str, raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        if address not in self._blocks:
            self._opens(item, address, kind)
        return self._blocks.run(address, kind, text, raw, cursor, agent=item.agent, phase=item.phase)

    def _opens(self, item: Item, address: Address, kind: BlockKind) -> None:
        if self._blocks.told(address) is None and len(item.runs) < MAX_RUNS:
            item.runs.append(address)
        self._furthest[_reader(kind)] = max(self._furthest.get(_reader(kind), ()), (*item.order, *address))

    def _kind(self, item: Item, kind: BlockKind) -> BlockKind:
        """Reasoning stays reasoning, whatever its parts are called."""
        return "reasoning" if item.type == "reasoning" else kind

    def _next_command(self, item: Item, address: Address, value: dict[str, Any]) -> str:
        """What stands between this command of a call and the one before it."""
        number, told = index_of(value.get(COMMAND)) or 0, self._blocks.told(address)
        if number == item.part or told is None:
            return ""
        between = "\n" if told.arguments else ""
        item.part, item.mark = number, len(told.arguments) + len(between)
        return between

    def _done(self, kind: str, run: Run, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        item = self._items.of(*self._place(value))
        item.name_agent(value)
        address = _address(item, run, value)
        whole = value.get(run.member)
        if not RANKS[run.counter]:
            # A call stays open for its item's end: only that has its name where the item's beginning was not sent.
            return self._call_whole(item, run.kind, value, self._commands(item, address, run, value), raw, cursor)
        text = text_of(whole)
        if text is None:
            return [*self._blocks.close(address, raw, cursor), Other(kind, raw, cursor)]
        kind = self._kind(item, run.kind)
        if self._blocks.told(address) is None:
            address = self._open_run(item, kind, text) or address
        events = self._whole(item, _Part(address, kind, text), raw, cursor)
        return events + self._blocks.close(address, raw, cursor)

    def _open_run(self, item: Item, kind: BlockKind, text: str) -> Address | None:
        """The run of an item that has not ended, and which a text continues: its `.done` may have another number."""
        open_ones = (it for it in item.runs if self._blocks.kind(it) == kind)
        return next((it for it in open_ones if self._pieces(it).rest(text) is not None), None)

    def _commands(self, item: Item, address: Address, run: Run, value: dict[str, Any]) -> Any:
        """The whole of a call as far as a `.done` tells it: of a shell's, one command after those before it."""
        whole, told = value.get(run.member), self._blocks.told(address)
        if run.counter != COMMAND or told is None or not isinstance(whole, str):
            return whole
        number = index_of(value.get(COMMAND)) or 0
        if number < item.part:
            return ""  # the item's end tells whether it was told
        between = self._next_command(item, address, value)
        return told.arguments[: item.mark - len(between)] + between + whole

    def _part_done(self, counter: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        item = self._items.of(*self._place(value))
        part, _ = self._part(item, counter, index_of(value.get(counter)) or 0, value.get("part"))
        return [] if part is None else self._whole(item, part, raw, cursor)

    def _whole(self, item: Item, part: _Part, raw: str, cursor: str | None) -> list[StreamEvent]:
        """All of a part's text: what is new of it, and a word where it comes too late to stand in its place."""
        if self._blocks.told(part.address) is not None:
            events = self._blocks.whole(part.address, part.text, raw, cursor)
        else:
            events = self._more_text(item, part.address, part.kind, part.text, raw, cursor)
        place = (*item.order, *part.address)
        if events and not isinstance(events[0], Error) and place < self._furthest.get(_reader(part.kind), ()):
            events.append(too_late(raw, cursor))
        return events

    # Items.

    def _item_added(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        described = self._odd.object(value.get("item"), "item", "content")
        self._look_for_unknown(described, ITEM)
        known = len(self._items.all)
        item = self._items.added(*self._place(value), described)
        item.name_agent(value)
        if item.type not in CALLS or (item.number < known and item.runs):
            return []
        return self._open_call(item, _call_kind(item, described), described, raw, cursor)

    def _item_done(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        described = object_of(value.get("item"), "content")
        if not described:
            return []
        self._look_for_unknown(described, ITEM)
        item = self._items.of(*self._place(value))
        item.describe(described)
        events, understood = self._item_whole(item, described, raw, cursor)
        item.ended, item.described = True, {}
        return events if understood or not events else [*events, Other(kind, raw, cursor)]

    def _item_whole(
        self, item: Item, described: dict[str, Any], raw: str, cursor: str | None, said: Container[_Sort] = ()
    ) -> tuple[list[StreamEvent], bool]:
        """What is new in the whole of an item, and whether all of it was understood.

        :param said: the sorts of parts of which nothing is new.
        """
        if item.type in CALLS:
            call = CALLS[item.type]
            if described.get("content"):
                self._odd.note("content")  # calls have none
            value = _input(call, described)
            events = self._call_whole(item, _call_kind(item, described), described, value, raw, cursor)
            for address in item.runs:
                events += self._blocks.close(address, raw, cursor)
            return events, not call.name
        parts, understood = self._parts(item, described)
        events = []
        for sort in dict.fromkeys(part.sort for part in parts):
            if sort not in said:
                events += self._parts_whole(item, [part for part in parts if part.sort == sort], raw, cursor)
        return events, understood

    def _parts(self, item: Item, described: dict[str, Any]) -> tuple[list[_Part], bool]:
        """The parts of an item that have text, and whether there are no others."""
        parts: list[_Part] = []
        understood = True
        for counter, name in (("summary_index", "summary"), ("content_index", "content")):
            for number, value in enumerate(items_of(described.get(name))):
                part, readable = self._part(item, counter, number, value)
                understood = understood and readable
                if part is not None:
                    parts.append(part)
        return parts, understood

    def _part(self, item: Item, counter: str, number: int, value: Any) -> tuple[_Part | None, bool]:
        """A part that has text, and whether the value was understood."""
        part = object_of(value, "text") or {}
        run = PARTS.get(word(part.get("type"))) or (PARTS[""] if item.type == "reasoning" else None)
        text = None if run is None or not part else text_of(part.get(run.member))
        if run is None or text is None:
            return None, not value
        address = (item.number, RANKS[counter], number)
        return (_Part(address, self._kind(item, run.kind), text) if text else None), True

    def _parts_whole(self, item: Item, parts: list[_Part], raw: str, cursor: str | None) -> list[StreamEvent]:
        """The parts of one sort. They may be cut and numbered otherwise than their deltas were."""
        kind, sort = parts[0].kind, parts[0].sort
        told = {address: self._pieces(address) for address in sorted(item.runs) if self._sort_told(address) == sort}
        events: list[StreamEvent] = []
        for address, text in paired(told, [(part.address, part.text) for part in parts]):
            new = self._whole(item, _Part(address, kind, text), raw, cursor)
            events += [*new, *self._blocks.close(address, raw, cursor)] if new else []
        return events

    def _pieces(self, address: Address) -> Pieces:
        told = self._blocks.told(address)
        return Pieces() if told is None else told.pieces

    def _sort_told(self, address: Address) -> _Sort | None:
        told = self._blocks.told(address)
        return None if told is None else (told.start.kind, address[1])

    # Calls.

    def _open_call(
        self, item: Item, kind: BlockKind, call: Mapping[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        self._called = self._called or kind == "tool"
        address = (item.number, 0, 0)
        self._opens(item, address, kind)
        tool_id, name = self._names(item, call)
        return self._blocks.open(
            address, kind, raw, cursor, tool_id=tool_id, name=name, agent=item.agent, phase=item.phase
        )

    def _names(self, item: Item, call: Mapping[str, Any]) -> tuple[str, str]:
        """The id and the name of a call."""
        known = (self._odd.name(call.get(name), name) for name in ("call_id", "id", "item_id"))
        tool_id = next(filter(None, known), "")
        return item.call_id or tool_id, self._odd.name(call.get("name"), "name") or (
            CALLS[item.type].name if item.type in CALLS else ""
        )

    def _call_whole(
        self, item: Item, kind: BlockKind, call: Mapping[str, Any], value: Any, raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        """All of a call: what is new of its arguments, and of its name where it began without one."""
        address = (item.number, 0, 0)
        told = self._blocks.told(address)
        if told is None and not value and not name_of(call.get("name")):
            return []  # it says nothing
        opening = self._open_call(item, kind, call, raw, cursor) if told is None else []
        tool_id, name = self._names(item, call)
        if told is not None and name and not told.start.name:
            text = arguments_of(value) or told.arguments
            return self._blocks.call_anew(address, tool_id, name, text, raw, cursor)
        if value is None or isinstance(value, str):
            return opening + self._blocks.whole(address, value or "", raw, cursor)
        return opening + self._blocks.whole_value(address, value, raw, cursor)

    # The end.

    def _finish(
        self, status: str, why: str, error: dict[str, Any], response: dict[str, Any], raw: str, cursor: str | None
    ) -> list[StreamEvent]:
        """The last events of the response.

        :param why: the provider's word for what the status leaves open; empty for none.
        :param error: of a response that failed. Where a message of type `error` told of it before, it counts once.
        """
        self._look_for_unknown(response, RESPONSE)
        self._odd.object(response.get("text"), "text")  # the form of the text; a text itself would be odd
        events = self._output(self._odd.objects(response.get("output"), "output", "content"), raw, cursor)
        if response.get("output_text") and not self._blocks.opened:
            self._odd.note("output_text")
        if error and status != "failed" and not self._failed:
            self._odd.note("error")
        events += self._blocks.close_all(raw, cursor)
        counts = self._odd.object(response.get("usage"), "usage")
        if counts or response.get("usage") == {}:
            events.append(Usage(counts, True, raw, cursor))
        if status == "failed" and not self._failed:
            events.append(self._error(error or {"message": status}, raw, cursor))
        finish = Finish(self._reason(status, why, response), why or status, raw=raw, cursor=cursor)
        events.append(self._noted(finish))
        return events + self._end(raw, cursor, clean=True)

    def _output(self, output: list[dict[str, Any]], raw: str, cursor: str | None) -> list[StreamEvent]:
        """What is new in the output of a response that is over, and in the items that were begun and not ended."""
        heard = len(self._items.all)
        items = self._items.in_output(output)
        wholes = list(zip(items, output, strict=True))
        known = {item.number for item in items}
        begun = [it for it in self._items.all if it.described and not it.ended and it.number not in known]
        wholes += [(it, it.described) for it in begun if not any(self._pieces(address).some for address in it.runs)]
        parts = [part for item, described in wholes for part in self._parts(item, described)[0]]
        told = [address for item in sorted(self._items.all, key=lambda it: it.order) for address in sorted(item.runs)]
        said: set[_Sort] = set()
        for sort in {part.sort for part in parts}:
            pieces = [self._pieces(address) for address in told if self._sort_told(address) == sort]
            if rest_of_all(pieces, "".join(part.text for part in parts if part.sort == sort)) == "":
                said.add(sort)
        events: list[StreamEvent] = []
        for item, described in wholes:
            self._look_for_unknown(described, ITEM)
            new, understood = self._item_whole(item, described, raw, cursor, said)
            unheard = item.number >= heard and bool(described.keys() - _SAYS_NOTHING)
            if new or unheard or not (understood or item.type in CALLS):
                self._odd.note("output")  # the `Other` has what stands beside, and what was not understood
            events += new
        return events

    def _reason(self, status: str, why: str, response: dict[str, Any]) -> FinishReason:
        """Calls have no word of their own: the response is complete, and they are in its output."""
        called = self._called or any(item.get("type") in TOOLS for item in listed(response.get("output")))
        if status == "completed" and called:
            return "tool_calls"
        return self._reason_of(why if self._reason_of(why, REASONS) != "other" else status, REASONS)


def _delta(run: Run, value: Any) -> str | None:
    """The piece that a delta is; None for what is none."""
    if value is None:
        return None
    return text_of(value) if RANKS[run.counter] else arguments_of(value)


def _address(item: Item, run: Run, value: dict[str, Any]) -> Address:
    rank = RANKS[run.counter]
    return item.number, rank, (index_of(value.get(run.counter)) or 0) if rank else 0


def _reader(kind: BlockKind) -> str:
    """What is one text for the reader: refusals stand between the text."""
    return "text" if kind == "refusal" else kind


def _call_kind(item: Item, described: Mapping[str, Any]) -> BlockKind:
    """Who runs a call: the shell of a container is the server's, any other the client's."""
    kind = CALLS[item.type].kind
    in_container = word(member(described, "environment", "type")).startswith("container")
    return "server_tool" if in_container else kind


def _input(call: Call, described: dict[str, Any]) -> Any:
    """The input of a call; of a shell's, its commands as lines, and of a patch that has no text, the operation."""
    value = member(described, *call.path)
    if call.path[-1] == "commands":
        return "\n".join(lines) if (lines := _lines(value)) is not None else value
    return described.get("operation") if value is None and call.path[-1] == "diff" else value


def _lines(value: Any) -> list[str] | None:
    lines = [text_of(it) for it in items_of(value)]
    return None if None in lines else [line for line in lines if line is not None]


def function_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools of a prompt, as both APIs have them."""
    return [
        {"type": "function", "name": t.name, "description": t.description, "parameters": dict(t.parameters)}
        for t in tools
    ]
