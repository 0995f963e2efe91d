"""What the checks of this group share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ...judging.case import Case, at, json_of, not_whole
from ...judging.verdict import Evidence, Inconclusive
from ...reading.chat import ChatStream, Choice
from ...reading.http import Response

DESCRIPTION = "OpenAI API description, chat streaming"


def has_choices(chat: ChatStream) -> bool:
    return bool(chat.choices)


def kind_of(value: Any) -> str:
    """What JSON calls it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    kinds: dict[type, str] = {int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def whole_chat(case: Case, probe: str) -> ChatStream:
    """The chat stream that a probe got, come to its end without an error.

    :raises Inconclusive: when it did not.
    """
    chat = case.chat(probe)
    if not chat.judged_to_the_end:
        raise not_whole(probe, chat.response)
    return chat


def at_end(chat: ChatStream) -> Evidence:
    return at(chat.response, content=chat.chunks[-1].offset)


@dataclass(slots=True)
class Call:
    """One tool call: its deltas, each with the choice that it came in.

    A new id begins a new call, even under an index that is taken: that is a breach of its own.
    """

    choice: int
    index: Any
    id: str = ""
    deltas: list[tuple[Choice, dict[str, Any]]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"tool call {self.index}" if self.index is not None else "a tool call"


def calls_of(chat: ChatStream) -> list[Call]:
    calls: list[Call] = []
    current: dict[tuple[int, str], Call] = {}
    for choice in chat.choices:
        for delta in choice.tool_calls:
            index = delta.get("index")
            key = (choice.number, json.dumps(index))  # what is no integer tells calls apart all the same
            call = current.get(key)
            given = text_of(delta.get("id"))
            if call is None or (given and call.id and given != call.id):
                call = current[key] = Call(choice.number, index)
                calls.append(call)
            call.id = call.id or given
            call.deltas.append((choice, delta))
    return calls


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def message_of(response: Response) -> dict[str, Any]:
    """The message of an answer that is not streamed.

    :raises Inconclusive: when it has none.
    """
    value = json_of(response)
    choices = value.get("choices") if isinstance(value, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise Inconclusive("the answer without streaming has no message")
    return message
