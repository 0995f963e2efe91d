"""One of the answers of a chat stream: its text, reasoning and refusal, its tool calls, its finish.

In: the objects of `choices`. Out: stream events. What is said under several names counts once; a member that has no
place among the events is told by an `Other` beside them. A whole message may come after its deltas, before them, in
every chunk, or in their place: what it says more than was told is given, and what is told twice is given once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from .chat_said import Said
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
from .json_decoder import failed_without_words
from .pieces import Pieces
from .surrogates import SurrogateJoiner, whole
from .values import items_of, json_text, names_failure, object_of, text_of, unknown_members, word
from .wholes import differs

__all__ = ["BESIDE", "Choice", "Members"]

#: In lower case, for some write them otherwise: OpenAI's, then those of Mistral, Together, DeepSeek, Z.AI, llama.cpp,
#: and of gateways that hand on the words of Anthropic or Gemini. What names a failure needs no place here.
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "word": "stop",
    "limit": "length",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "safety": "content_filter",
    "sensitive": "content_filter",
    "refusal": "refusal",
    "cancelled": "cancelled",
    "malformed_function_call": "error",
    "unexpected_tool_call": "error",
}

#: What says that the server gave up, and the answer is cut, though it names no failure: DeepSeek's, and that of vLLM
#: and SGLang, whose engine ends requests so when it stops, is paused or runs out of memory.
_GIVEN_UP = ("insufficient_system_resource", "abort")

#: Where servers put what a model thinks. Those with several say the same in each.
_REASONING = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought")

#: Where the last delta of RAGFlow has all of the text. Some of its versions have it in a delta before that as well.
_WHOLE_TEXT = "final_content"

#: Members of a message and of a delta that are read, and those that say nothing to a user.
_MESSAGE = frozenset(
    {"role", "content", "refusal", "tool_calls", "function_call", "reasoning_details", "token_id", "error"}
    | set(_REASONING)
)
_DELTA = _MESSAGE | {_WHOLE_TEXT}

#: Members of a delta that some servers put beside it, into the choice; `text` is what completions call it.
BESIDE = frozenset({"text", "content", "refusal", "tool_calls", "function_call", "reasoning_details", *_REASONING})

#: The same of a choice.
_CHOICE = BESIDE | {
    *("index", "delta", "message", "finish_reason", "error"),
    *("native_finish_reason", "stop_reason", "matched_stop", "seed"),
}

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
        self._told: dict[str, int] = {}  # what was told, as a hash: it may be large

    def tell(
        self, members: Mapping[str, Any], known: frozenset[str], raw: str, *, once: bool = False
    ) -> Iterator[StreamEvent]:
        """An `Other` for each member that is neither known nor empty, nor the same as it was the last time.

        :param once: what tells of the whole stream is told once, however it changes.
        """
        for name, value in members.items():
            if name in known or value in (None, False, "", [], {}):
                continue
            said = hash(json_text(value))
            if name in self._told and (said == self._told[name] or (once and name not in _TOLD_AT_EVERY_CHANGE)):
                continue
            if name in self._told or len(self._told) < _MAX_NAMES:
                self._told[name] = said
            yield Other(whole(name), raw)


class _Text(NamedTuple):
    """A piece of text, reasoning or refusal."""

    kind: BlockKind
    text: str


class Choice:
    """One of the answers: its open block of text, reasoning or refusal, and its tool calls.

    :ivar failure: the error object of its end, where the reason to stop is all that tells of a failure; else empty.

    :param new_block: gives the number of the next block.
    """

    def __init__(self, number: int, new_block: Callable[[], int]) -> None:
        self.tools: ToolCalls = ToolCalls(number, new_block)
        self.failure: dict[str, Any] = {}
        self._state: _State = "speaking"
        self._number = number
        self._new_block = new_block
        self._open: _Run | None = None
        self._members = Members()
        self._in_delta = Members()
        self._said: dict[BlockKind, Said] = {}
        self._has_deltas = False

    @property
    def finished(self) -> bool:
        """The end of the stream may come: the choice has said why it stopped, and nothing since."""
        return self._state == "finished"

    @property
    def cut(self) -> bool:
        """A tool call was begun whose arguments are not whole, and no reason to stop was given."""
        return self._state != "finished" and self.tools.cut

    def texts(self, block: int) -> Pieces | None:
        """Where the pieces of a block are kept."""
        if self._open is not None and self._open.block == block:
            return self._said[self._open.kind].pieces
        return self.tools.texts(block)

    def receive(self, choice: dict[str, Any], raw: str) -> list[StreamEvent]:
        delta = _object_or_text(choice.get("delta"))
        events: list[StreamEvent] = []
        if not BESIDE.isdisjoint(choice):
            delta, names = _with_what_stands_beside(delta, choice)
            events += [Other(name, raw) for name in names]
        events += self._delta(delta, raw)
        if any(isinstance(event, _SAID) for event in events):
            self._has_deltas = True
            if self._state == "finished":
                self._state = "speaking again"
        message = choice.get("message") or delta.get(_WHOLE_TEXT)
        if message:
            events += self._message(_object_or_text(message), delta, raw)
        if not choice.keys() <= _CHOICE:
            events += self._members.tell(choice, _CHOICE, raw, once=True)
        reason = choice.get("finish_reason")
        if reason:
            events += self._finish(reason, word(choice.get("native_finish_reason")), raw)
        return events

    def close(self, raw: str) -> list[StreamEvent]:
        """Closes what is open, at the end of the stream."""
        return [*self._close_run(raw), *self.tools.close(raw)]

    def _finish(self, reason: Any, native: str, raw: str) -> Iterator[StreamEvent]:
        """The choice has stopped. Servers that say so too early go on; those that say so twice mean the first.

        :param native: the word of the model's own provider, which a gateway has translated.
        """
        words = ""
        if isinstance(reason, dict):  # SGLang's own
            words, reason = word(reason.get("message")), reason.get("type")
        if not isinstance(reason, str) or not reason:
            yield Other("finish_reason", raw)
            return
        first = self._state == "speaking"
        self._state = "finished"
        yield from self._close_run(raw)
        yield from self.tools.settle(raw)
        failing = next((name for name in (reason, native) if names_failure(name) or name.lower() in _GIVEN_UP), "")
        if failing:
            self.failure = failed_without_words(whole(failing))
            self.failure["message"] = words or self.failure["message"]
        is_error = failing or "error" in (_reason(reason), _reason(native))
        if first:
            yield Finish("error" if is_error else _reason(reason), whole(reason), self._number, raw)
        else:
            yield Other("finish_reason", raw)

    def _message(self, message: dict[str, Any], delta: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        """A whole message. What is new in it is told; without deltas it may also be a piece, and stand for one."""
        if {**message, "role": None} == {**delta, "role": None}:
            return
        is_first = not self._said and not self.tools.some
        texts: dict[BlockKind, str] = {}
        for it in self._texts(message, raw):
            if isinstance(it, Other):
                yield it
            elif is_first:
                yield from self._tell_ahead(it.kind, it.text, raw)
            else:
                texts[it.kind] = texts.get(it.kind, "") + it.text
        for kind, text in texts.items():
            yield from self._whole(kind, text, raw)
        calls = items_of(message.get("tool_calls"))
        if message.get("function_call"):
            calls = [*calls, {"index": 0, "function": message["function_call"]}]
        yield from self.tools.receive_whole(calls, raw, by_deltas=self._has_deltas)
        if not message.keys() <= _MESSAGE:
            yield from self._in_delta.tell(message, _MESSAGE, raw)

    def _whole(self, kind: BlockKind, text: str, raw: str) -> Iterator[StreamEvent]:
        """All of the text of a kind, as a message says."""
        said = self._said.setdefault(kind, Said())
        rest = said.pieces.rest(text) if text else ""
        if rest is None and not self._has_deltas:
            rest = "" if said.pieces.begin_with(text) else text
            if not rest:
                yield Other("message", raw)
        if rest is None:
            said.pieces.replace(text)
            yield differs(f"the whole {kind} of the message is not what its deltas said", raw)
        elif rest:
            yield from self._tell_ahead(kind, rest, raw)

    def _tell_ahead(self, kind: BlockKind, text: str, raw: str) -> Iterator[StreamEvent]:
        """Tells what a message says, which deltas may repeat."""
        if text:
            self._said.setdefault(kind, Said()).tell_ahead(text)
            yield from self._tell(kind, text, raw)

    def _delta(self, delta: dict[str, Any], raw: str) -> Iterator[StreamEvent]:
        for it in self._texts(delta, raw):
            if isinstance(it, Other):
                yield it
            elif it.text:
                yield from self._piece(it.kind, it.text, raw)
        calls = delta.get("tool_calls")
        for call in items_of(calls) if calls else ():
            yield from self.tools.receive(call, raw) if isinstance(call, dict) else [Other("tool_calls", raw)]
        if delta.get("function_call"):
            yield from self.tools.receive({"index": 0, "function": delta["function_call"]}, raw)
        if not delta.keys() <= _DELTA:
            yield from self._in_delta.tell(delta, _DELTA, raw)

    def _piece(self, kind: BlockKind, text: str, raw: str) -> Iterator[StreamEvent]:
        """A piece of a text, which a whole message may have told before."""
        said = self._said.get(kind)
        if said is None:
            said = self._said[kind] = Said()
        if said.is_ahead:
            self._has_deltas = True
            new, is_other = said.receive(text)
            if is_other:
                yield differs(f"the deltas of the {kind} are not what the whole message said", raw)
        else:
            new = text
        if new:
            said.pieces.add(new)
            yield from self._tell(kind, new, raw)

    def _texts(self, delta: dict[str, Any], raw: str) -> Iterator[_Text | Other]:
        """The text, the reasoning and the refusal of a delta or a message."""
        yield from self._reasoning(delta, raw)
        content = delta.get("content")
        if isinstance(content, str):
            yield _Text("text", content)
        elif content is not None:
            yield from self._content(content, raw)
        refusal = delta.get("refusal")
        if refusal is not None:
            yield self._text("refusal", "refusal", refusal, raw)

    def _reasoning(self, delta: dict[str, Any], raw: str) -> Iterator[_Text | Other]:
        """The first name under which there is some counts; a name that says something else is told."""
        said = ""
        for name in _REASONING:
            value = delta.get(name)
            if value and value != said:
                if said:
                    yield Other(name, raw)
                else:
                    yield self._text("reasoning", name, value, raw)
                    said = value
        details = delta.get("reasoning_details")
        if details:
            yield from self._details(items_of(details), said, raw)

    def _details(self, details: list[Any], said: Any, raw: str) -> Iterator[_Text | Other]:
        """OpenRouter and MiniMax: reasoning as a list of objects. Signatures and what is encrypted have no event."""
        objects = [detail for detail in details if isinstance(detail, dict)]
        texts = [text_of(detail.get(name)) for detail in objects for name in _DETAIL_TEXTS]
        text = "".join(it for it in texts if it)
        if not said:
            yield _Text("reasoning", text)
        told = all(not _more_than_text(detail) for detail in details)
        if not told or (said and text not in ("", said)) or not text:
            yield Other("reasoning_details", raw)

    def _text(self, kind: BlockKind, name: str, value: Any, raw: str) -> _Text | Other:
        """A member that is text, or ought to be."""
        text = text_of(value)
        return Other(name, raw) if text is None else _Text(kind, text)

    def _content(self, content: Any, raw: str) -> Iterator[_Text | Other]:
        """Content that is no string: a list of parts, or a number."""
        if isinstance(content, list | dict):
            for part in items_of(content):
                yield from self._part(part, raw)
        else:
            yield self._text("text", "content", content, raw)

    def _part(self, part: Any, raw: str) -> Iterator[_Text | Other]:
        """Mistral: typed parts, thinking being a list of its own."""
        part = {"type": "text", "text": part} if isinstance(part, str) else part
        kind = word(part.get("type")) if isinstance(part, dict) else ""
        if kind in _TEXT_PARTS and isinstance(part, dict) and part.get("text") is not None:
            kind = "text"
        if kind == "thinking":
            yield self._text("reasoning", kind, part.get("thinking") or part.get("text"), raw)
        elif kind == "refusal":
            yield self._text("refusal", kind, part.get("refusal"), raw)
        elif kind == "text":
            yield self._text("text", kind, part.get("text"), raw)
        else:
            yield Other(kind or "part", raw)
            return
        if unknown_members(part, {"type", "index", "closed", "text", kind}):
            yield Other(kind, raw)

    def _tell(self, kind: BlockKind, text: str, raw: str) -> Iterator[StreamEvent]:
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
        self.kind: BlockKind = kind
        self.block = block
        self.joiner = SurrogateJoiner()

    def delta(self, text: str, raw: str) -> StreamEvent:
        if self.kind == "reasoning":
            return ReasoningDelta(self.block, text, raw)
        return TextDelta(self.block, text, raw)


def _reason(name: str) -> FinishReason:
    return "error" if names_failure(name) else _REASONS.get(name.lower(), "other")


def _with_what_stands_beside(delta: dict[str, Any], choice: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The delta with those of its members that stand in the choice; and the names of those that say something else
    there than in the delta."""
    names: list[str] = []
    for name in [name for name in choice if name in BESIDE and choice[name]]:
        inside = "content" if name == "text" else name
        if not delta.get(inside):
            delta = {**delta, inside: choice[name]}
        elif delta[inside] != choice[name]:
            names.append(name)
    return delta, names


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
