"""Tool calls in chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...judging.case import Case, at, brief, gathered, offsets_of
from ...judging.registry import active, passive
from ...judging.verdict import Finding, Level, NotApplicable
from ...reading.chat import ChatStream
from .common import DESCRIPTION, Call, at_end, calls_of, kind_of, message_of, text_of, whole_chat

MUST, SHOULD = Level.MUST, Level.SHOULD


def _has_tools(chat: ChatStream) -> bool:
    return any(choice.delta.get("tool_calls") for choice in chat.choices)


def _function(delta: dict[str, Any]) -> dict[str, Any]:
    """What is called: a function, or a tool of one's own (`custom`)."""
    function = delta.get("function") or delta.get("custom")
    return function if isinstance(function, dict) else {}


@passive(
    "chat.tool-index",
    MUST,
    DESCRIPTION,
    "tool_calls is an array, and each of its deltas has an integer index.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 raises TypeError",
)
def tool_index(chat: ChatStream) -> Iterator[Finding]:
    no_array = [choice for choice in chat.choices if not isinstance(choice.delta.get("tool_calls") or [], list)]
    yield from gathered(chat.response, offsets_of(no_array), "`tool_calls` is no array")
    wrong = [choice for choice in chat.choices for delta in choice.tool_calls if type(delta.get("index")) is not int]
    yield from gathered(chat.response, offsets_of(wrong), "a delta of a tool call has no integer `index`")


@passive(
    "chat.tool-index-unique",
    MUST,
    DESCRIPTION,
    "A tool call with a new id has a new index.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 merges the calls: ids, names and arguments are joined",
)
def tool_index_unique(chat: ChatStream) -> Iterator[Finding]:
    first: dict[tuple[int, int], Call] = {}
    for call in calls_of(chat):
        if type(call.index) is not int:
            continue
        taken = first.setdefault((call.choice, call.index), call)
        if taken is not call:
            message = f"index {call.index} has the tool call {brief(taken.id)}, then {brief(call.id)}"
            yield Finding(message, at(chat.response, content=call.deltas[0][0].offset))


@passive(
    "chat.tool-first-delta",
    MUST,
    DESCRIPTION + "; OpenAI, function calling: streaming",
    "The first delta of a tool call has its id, its type and the name of the function.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
)
def tool_first_delta(chat: ChatStream) -> Iterator[Finding]:
    for call in calls_of(chat):
        choice, delta = call.deltas[0]
        given = {"id": delta.get("id"), "type": delta.get("type"), "name": _function(delta).get("name")}
        missing = [name for name, value in given.items() if not text_of(value)]
        if missing:
            message = f"the first delta of {call.label} lacks {', '.join(missing)}"
            yield Finding(message, at(chat.response, content=choice.offset))


@passive(
    "chat.tool-id-once",
    SHOULD,
    "practice (openai-python)",
    "The id and the name of a tool call come once.",
    on="chats",
    when=_has_tools,
    absent="no tool call was seen",
    shown_by=("tools",),
    breaks="the stream helper of openai 3.54.0 joins repeated ids and names: 'get_weatherget_weather'",
)
def tool_id_once(chat: ChatStream) -> Iterator[Finding]:
    for call in calls_of(chat):
        for what, values in (
            ("id", [(choice, delta.get("id")) for choice, delta in call.deltas]),
            ("name", [(choice, _function(delta).get("name")) for choice, delta in call.deltas]),
        ):
            again = [choice for choice, value in values if text_of(value)][1:]
            yield from gathered(chat.response, offsets_of(again), f"the {what} of {call.label} comes again")


def _whole_calls(chat: ChatStream) -> list[Call]:
    """The tool calls of choices that were finished, and not by the token limit."""
    finished = {number for number, reasons in chat.finishes.items() if reasons and "length" not in reasons}
    return [call for call in calls_of(chat) if call.choice in finished]


@passive(
    "chat.tool-args-json",
    SHOULD,
    DESCRIPTION,
    "The joined arguments of a tool call are JSON, unless the token limit cut them.",
    on="chats",
    when=lambda chat: bool(_whole_calls(chat)),
    absent="no choice that calls a tool was finished by it",
    shown_by=("tools",),
)
def tool_args_json(chat: ChatStream) -> Iterator[Finding]:
    for call in _whole_calls(chat):
        pieces = [_function(delta).get("arguments") for _, delta in call.deltas if "custom" not in delta]
        where = at(chat.response, content=call.deltas[-1][0].offset)
        odd = [piece for piece in pieces if piece is not None and not isinstance(piece, str)]
        if odd:
            yield Finding(f"the arguments of {call.label} are {kind_of(odd[0])}, not a string", where)
            continue
        arguments = "".join(map(text_of, pieces))
        if pieces and not _is_json(arguments):
            yield Finding(f"the arguments of {call.label} are not JSON: {brief(arguments)}", where)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@active(
    "chat.tools-same-as-nonstream",
    SHOULD,
    DESCRIPTION,
    "A request that makes the model call tools does so with and without streaming.",
    probes=("tools", "tools-whole"),
)
def tools_same_as_nonstream(case: Case) -> Iterator[Finding]:
    chat = whole_chat(case, "tools")
    message = message_of(case.accepted("tools-whole"))
    streamed, whole = bool(calls_of(chat)), bool(message.get("tool_calls"))
    if not streamed and not whole:
        raise NotApplicable("the model called no tool, streamed or not")
    if streamed != whole:
        only = "without streaming" if whole else "when streaming"
        yield Finding(f"the same request calls tools only {only}", at_end(chat))
