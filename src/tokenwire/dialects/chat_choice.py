"""One of the answers of a chat stream: its text, reasoning and refusal, its tool calls, its finish.

In: the objects of `choices`. Out: stream events. What is said under several names counts once; a member that has no
place among the events is told by an `Other` beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from .chat_tools import ToolCalls
from .events import (
    BlockKind,
    BlockStart,
    BlockStop,
    Finish,
    FinishReason,
    Other,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from .surrogates import SurrogateJoiner, whole
from .values import items_of, json_text, object_of, text_of, unknown_members, word

__all__ = ["Choice", "Members"]

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}

#: Where servers put what a model thinks. Those with several say the same in each.
_REASONING = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought")

#: Members of a delta that are read, and those that say nothing to a user.
_DELTA = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "reasoning_details", "token_id", "error"}
    | set(_REASONING)
)

#: The same of a choice.
_CHOICE = frozenset(
    {"index", "delta", "message", "text", "finish_reason", "error"}
    | {"native_finish_reason", "stop_reason", "matched_stop", "seed"}
)

#: What parts of text are called beside "text"; some have no name.
_TEXT_PARTS = ("", "output_text", "input_text")

#: Members of one of `reasoning_details` that are text, and those that say nothing to a user.
_DETAIL_TEXTS = ("text", "summary")
_DETAIL = frozenset({"type", "format", "id", "index", *_DETAIL_TEXTS})

#: Members of a chunk or of a choice that bring something new whenever they change. The others there tell of the whole
#: stream, and once is enough.
_TOLD_AT_EVERY_CHANGE = frozenset(
    {
        "annotations",
        "audio",
        "citations",
        "content_filter_results",
        "images",
        "logprobs",
        "moderation",
        "search_results",
        "x_groq",
    }
)

#: Names of members that are remembered as told.
_MAX_NAMES = 256

_State = Literal["speaking", "finished", "speaking again"]

_SAID = (BlockStart, TextDelta, ReasoningDelta, ToolCallDelta)


class Members:
    """Tells of members that have no place among the events. One that stands in every chunk is told once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def tell(
        self, members: Mapping[str, Any], known: frozenset[str], raw: str, *, once: bool = False
    ) -> Iterator[StreamEvent]:
        """An `Other` for each member that is neither known nor empty, nor the same as it was the last time.

        :param once: what tells of the whole stream is told once, however it changes.
        """
        for name, value in members.items():
            if name in known or value in (None, False, "", [], {}):
                continue
            text = json_text(value)
            if name in self._told and (text == self._told[name] or (once and name not in _TOLD_AT_EVERY_CHANGE)):
                continue
            if name in self._told or len(self._told) < _MAX_NAMES:
                self._told[name] = text
            yield Other(whole(name), raw)


class Choice:
    """One of the answers: its open block of text, reasoning or refusal, and its tool calls.

    :param new_block: gives the number of the next block.
    """

    def __init__(self, number: int, new_block: Callable[[], int]) -> None:
        self.tools: ToolCalls = ToolCalls(number, new_block)
        self._state: _State = "speaking"
        self._number = number
        self._new_block = new_block
        self._open: _Run | None = None
        self._members = Members()
        self._in_delta = Members()
        self._has_deltas = False
        self._message: str | None = None  # the text of the whole message, where one came without any delta

    @property
    def finished(self) -> bool:
        """The end of the stream may come: the choice has said why it stopped, and nothing since."""
        return self._state == "finished"

    @property
    def cut(self) -> bool:
        """A tool call was begun whose arguments are not whole, and no reason to stop was given."""
        return self._state != "finished" and self.tools.cut

    def receive(self, choice: dict[str, Any], raw: str) -> list[StreamEvent]:
        events = list(self._said(choice, raw))
        if self._state == "finished" and any(isinstance(event, _SAID) for event in events):
            self._state = "speaking again"
        if not choice.keys() <= _CHOICE:
            events += self._members.tell(choice, _CHOICE, raw, once=True)
        reason = choice.get("finish_reason")
        if reason:
            events += self._finish(reason, raw)
        return events

    def close(self, raw: str) -> list[StreamEvent]:
        """Closes what is open, at the end of the stream."""
        return [*self._close_run(raw), *self.tools.close(raw)]

    def _finish(self, reason: Any, raw: str) -> Iterator[StreamEvent]:
        """The choice has stopped. Servers that say so too early go on; those that say so twice mean the first."""
        if not isinstance(reason, str):
            yield Other("finish_reason", raw)
            return
        first = self._state == "speaking"
        self._state = "finished"
        yield from self._close_run(raw)
        yield from self.tools.settle(raw)
        if first:
            yield Finish(_REASONS.get(reason, "other"), whole(reason), self._number, raw)
        else:
            yield Other("finish_reason", raw)

    def _said(self, choice: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        """What the choice says, by its delta; by its message, where no delta ever came; by `text`, which is older."""
        delta = _object_or_text(choice.get("delta"))
        text = choice.get("text")
        if text and not delta.get("content"):
            delta = {**delta, "content": text}
        elif text and text != delta.get("content"):
            yield Other("text", raw)
        events = list(self._delta(delta, raw))
        yield from events
        self._has_deltas = self._has_deltas or any(isinstance(event, _SAID) for event in events)
        message = choice.get("message")
        if message:
            yield from self._whole(_object_or_text(message), message, raw)

    def _whole(self, message: dict[str, Any], value: Any, raw: str) -> Iterator[StreamEvent]:
        """A whole message. Beside deltas it repeats them; without them it is the answer."""
        if self._has_deltas:
            yield from self._members.tell({"message": value}, frozenset(), raw, once=True)
            return
        text = text_of(message.get("content"))
        if self._message is not None and text is not None:
            if not text or self._message.startswith(text):
                yield Other("message", raw)
                return
            message = {**message, "content": text.removeprefix(self._message)}
        self._message = text or self._message or ""
        yield from self._delta(message, raw)

    def _delta(self, delta: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        yield from self._reasoning(delta, raw)
        content = delta.get("content")
        if isinstance(content, str):
            yield from self._run("text", content, raw)
        elif content is not None:
            yield from self._content(content, raw)
        refusal = delta.get("refusal")
        if refusal is not None:
            yield from self._text("refusal", "refusal", refusal, raw)
        calls = delta.get("tool_calls")
        for call in items_of(calls) if calls else ():
            yield from self.tools.receive(call, raw) if isinstance(call, dict) else [Other("tool_calls", raw)]
        if delta.get("function_call"):
            yield from self.tools.receive({"index": 0, "function": delta["function_call"]}, raw)
        if not delta.keys() <= _DELTA:
            yield from self._in_delta.tell(delta, _DELTA, raw)

    def _reasoning(self, delta: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        """The first name under which there is some counts; a name that says something else is told."""
        said = ""
        for name in _REASONING:
            value = delta.get(name)
            if value and value != said:
                if said:
                    yield Other(name, raw)
                else:
                    yield from self._text("reasoning", name, value, raw)
                    said = value
        details = delta.get("reasoning_details")
        if details:
            yield from self._details(items_of(details), said, raw)

    def _details(self, details: list[Any], said: Any, raw: str) -> Iterator[StreamEvent]:
        """OpenRouter and MiniMax: reasoning as a list of objects. Signatures and what is encrypted have no event."""
        objects = [detail for detail in details if isinstance(detail, dict)]
        texts = [text_of(detail.get(name)) for detail in objects for name in _DETAIL_TEXTS]
        text = "".join(it for it in texts if it)
        if not said:
            yield from self._run("reasoning", text, raw)
        told = all(not _more_than_text(detail) for detail in details)
        if not told or (said and text not in ("", said)) or not text:
            yield Other("reasoning_details", raw)

    def _text(self, kind: BlockKind, name: str, value: Any, raw: str) -> Iterator[StreamEvent]:
        """A member that is text, or ought to be."""
        text = text_of(value)
        if text is None:
            yield Other(name, raw)
        else:
            yield from self._run(kind, text, raw)

    def _content(self, content: Any, raw: str) -> Iterator[StreamEvent]:
        """Content that is no string: a list of parts, or a number."""
        if isinstance(content, list | dict):
            for part in items_of(content):
                yield from self._part(part, raw)
        else:
            yield from self._text("text", "content", content, raw)

    def _part(self, part: Any, raw: str) -> Iterator[StreamEvent]:
        """Mistral: typed parts, thinking being a list of its own."""
        part = {"type": "text", "text": part} if isinstance(part, str) else part
        kind = word(part.get("type")) if isinstance(part, dict) else ""
        if kind in _TEXT_PARTS and isinstance(part, dict) and part.get("text") is not None:
            kind = "text"
        if kind == "thinking":
            yield from self._text("reasoning", kind, part.get("thinking") or part.get("text"), raw)
        elif kind == "refusal":
            yield from self._text("refusal", kind, part.get("refusal"), raw)
        elif kind == "text":
            yield from self._text("text", kind, part.get("text"), raw)
        else:
            yield Other(kind or "part", raw)
            return
        if unknown_members(part, {"type", "index", "closed", "text", kind}):
            yield Other(kind, raw)

    def _run(self, kind: BlockKind, text: str, raw: str) -> Iterator[StreamEvent]:
        if not text:
            return
        if self._open is None or self._open.kind != kind:
            yield from self._close_run(raw)
            self._open = _Run(kind, self._new_block())
            yield BlockStart(self._open.block, kind, choice=self._number, raw=raw)
        joined = self._open.joiner.feed(text)
        if joined:
            yield self._open.delta(joined, raw)

    def _close_run(self, raw: str) -> Iterator[StreamEvent]:
        if self._open is not None:
            rest = self._open.joiner.flush()
            if rest:
                yield self._open.delta(rest, raw)
            yield BlockStop(self._open.block, raw)
            self._open = None


class _Run:
    """An open block of text, reasoning or refusal."""

    def __init__(self, kind: BlockKind, block: int) -> None:
        self.kind = kind
        self.block = block
        self.joiner = SurrogateJoiner()

    def delta(self, text: str, raw: str) -> StreamEvent:
        if self.kind == "reasoning":
            return ReasoningDelta(self.block, text, raw)
        return TextDelta(self.block, text, raw)


def _object_or_text(value: Any) -> dict[str, Any]:
    """A delta or a message. Some servers send no object there but its text."""
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    return (object_of(value) if isinstance(value, list) else None) or {"content": value}


def _more_than_text(detail: Any) -> bool:
    """Whether one of `reasoning_details` has something that is no text."""
    if not isinstance(detail, dict):
        return True
    return bool(unknown_members(detail, _DETAIL)) or any(text_of(detail.get(name)) is None for name in _DETAIL_TEXTS)
