"""What the reference endpoint tells: one story, the same in all dialects and for every request that asks alike.

`tell` makes a `Script` of what was asked. A dialect's encoder walks its `steps` and puts each into the dialect's words,
so that what a client decodes is the script again, whatever the dialect.

The text has characters of two, three and four bytes, a combining sequence, an emoji made of several code points, a line
end, a tab, a quotation mark and a backslash, so that whatever cuts or escapes wrongly on the way shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..dialects.dialect import Tool
from .wanted import Refusal, Wanted

__all__ = [
    "CONTEXT_TOKENS",
    "MODELS",
    "REASONING",
    "SIGNATURE",
    "STORY",
    "Begin",
    "Delta",
    "Failure",
    "Part",
    "Reasoning",
    "Script",
    "Step",
    "Stop",
    "Text",
    "ToolCall",
    "tell",
]

#: The tokens of the answer. Joined they are the text.
STORY: tuple[str, ...] = (
    "Tokens", " travel", " one", " by", " one", ":", " naïve", " café", ",", " Grüße", ",", " Привет", ",",
    " 日本", "語", ",", " नमस्ते", ",", " 😀", " and", " 👩‍💻", ".",
    "\n", "A", " \"quoted\"", " back\\slash", ",", "\ta", " tab", ",",
    " e\u0301", ",", " then", " the", " end", " of", " the", " line", ".",
)  # fmt: skip

#: The tokens of the reasoning, which comes before the answer where it is asked for.
REASONING: tuple[str, ...] = (
    "Which", " characters", " break", " on", " the", " way", "?", "\n", "Those", " of", " more", " than", " one",
    " byte", ":", " é", ",", " 語", ",", " 🤔", ".",
)  # fmt: skip

#: What proves that reasoning is the model's own. The client sends it back unread.
SIGNATURE = "c2lnbmF0dXJlIG9mIHRoZSByZWZlcmVuY2U="

#: The models that are served. The first one answers; the others fail: before the stream, within it, and within it
#: because the server behind this one went away.
MODELS = ("tokenwire-reference", "tokenwire-overloaded", "tokenwire-fails-midstream", "tokenwire-upstream-cut")

#: Tokens that a prompt may have.
CONTEXT_TOKENS = 32_768

#: Tokens that a failing model gives before it fails.
_TOKENS_BEFORE_FAILURE = 5

#: Code and message of the failures, by model.
_FAILURES = {
    MODELS[2]: ("failed", "The model failed."),
    MODELS[3]: ("upstream_cut", "The answer of the upstream broke off."),
}

#: Characters in a piece of a tool call's arguments.
_ARGUMENTS_PIECE = 12


@dataclass(frozen=True, slots=True)
class Text:
    """A run of the answer's text."""

    pieces: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A run of reasoning."""

    pieces: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call. Its pieces, joined, are the arguments: a JSON object as text."""

    id: str
    name: str
    pieces: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


Part = Text | Reasoning | ToolCall


@dataclass(frozen=True, slots=True)
class Failure:
    """The generation breaks off after so many pieces, or at its end where it has no more than that."""

    after: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Begin:
    """A part begins. `number` counts the parts of the script from 0."""

    number: int
    part: Part


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the part that has begun."""

    number: int
    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The part is complete."""

    number: int
    part: Part


Step = Begin | Delta | Stop | Failure


@dataclass(frozen=True, slots=True)
class Script:
    """One generation. A piece is a token.

    :ivar limited: it stops because the token limit is reached.
    :ivar failure: where it breaks off, if it does.
    """

    model: str
    parts: tuple[Part, ...]
    prompt_tokens: int = 0
    limited: bool = False
    failure: Failure | None = None

    @property
    def text(self) -> str:
        return "".join(part.whole for part in self.parts if isinstance(part, Text))

    @property
    def reasoning(self) -> str:
        return "".join(part.whole for part in self.parts if isinstance(part, Reasoning))

    @property
    def calls(self) -> list[ToolCall]:
        return [part for part in self.parts if isinstance(part, ToolCall)]

    @property
    def finish(self) -> Literal["stop", "length", "tool_calls"]:
        if self.limited:
            return "length"
        return "tool_calls" if self.calls else "stop"

    @property
    def completion_tokens(self) -> int:
        """Of all that was generated, the reasoning too."""
        return sum(len(part.pieces) for part in self.parts)

    @property
    def reasoning_tokens(self) -> int:
        return sum(len(part.pieces) for part in self.parts if isinstance(part, Reasoning))

    def call_index(self, number: int) -> int:
        """Which of the tool calls the part with this number is, counted from 0."""
        return sum(isinstance(part, ToolCall) for part in self.parts[:number])

    def refuse_failure(self) -> None:
        """Before the answer is given whole.

        :raises Refusal: when the generation fails.
        """
        if self.failure is not None:
            raise Refusal(500, self.failure.code, self.failure.message)

    def steps(self) -> Iterator[Step]:
        """The generation step by step. A failure is the last step, and leaves open what is."""
        if self.failure is None:
            yield from self._undisturbed()
            return
        left = self.failure.after
        for step in self._undisturbed():
            if isinstance(step, Delta):
                if not left:
                    break
                left -= 1
            yield step
        yield self.failure

    def _undisturbed(self) -> Iterator[Begin | Delta | Stop]:
        for number, part in enumerate(self.parts):
            yield Begin(number, part)
            for piece in part.pieces:
                yield Delta(number, part, piece)
            yield Stop(number, part)


def tell(wanted: Wanted) -> Script:
    """The generation that answers: tool calls where tools are offered, the story otherwise.

    :raises Refusal: when there is no such model, when it is overloaded, and when the prompt is too long.
    """
    if wanted.model not in MODELS:
        known = ", ".join(MODELS)
        raise Refusal(404, "model_not_found", f"The model {wanted.model!r} does not exist. Known: {known}.")
    if wanted.model == MODELS[1]:
        message = "The model is overloaded. Try again in two seconds."
        raise Refusal(503, "overloaded", message, [("Retry-After", "2")])
    if wanted.prompt.tokens > CONTEXT_TOKENS:
        raise Refusal(400, "context_length_exceeded", f"The prompt is longer than {CONTEXT_TOKENS} tokens.")
    failure = Failure(_TOKENS_BEFORE_FAILURE, *_FAILURES[wanted.model]) if wanted.model in _FAILURES else None
    reasoning = REASONING if wanted.reasoning else ()
    if wanted.tools:
        calls = [_call(number, tool) for number, tool in enumerate(wanted.tools)]
        return Script(wanted.model, _told(Reasoning(reasoning), *calls), wanted.prompt.tokens, failure=failure)
    story = (wanted.prompt.mark + " ", *STORY) if wanted.prompt.mark else STORY
    tokens = len(reasoning) + len(story)
    limit = tokens if wanted.max_tokens is None else wanted.max_tokens
    shown = reasoning[:limit]
    parts = _told(Reasoning(shown), Text(story[: limit - len(shown)]))
    return Script(wanted.model, parts, wanted.prompt.tokens, limit < tokens, failure)


def _told(*parts: Part) -> tuple[Part, ...]:
    """The parts that say anything."""
    return tuple(part for part in parts if part.pieces)


def _call(number: int, tool: Tool) -> ToolCall:
    arguments = _arguments(tool.parameters)
    pieces = tuple(arguments[at : at + _ARGUMENTS_PIECE] for at in range(0, len(arguments), _ARGUMENTS_PIECE))
    return ToolCall(f"call_reference_{number}", tool.name, pieces)


def _arguments(schema: Mapping[str, Any]) -> str:
    """Arguments that fit a JSON schema, as JSON text; the same for the same schema."""
    properties = schema.get("properties")
    kinds = properties if isinstance(properties, dict) else {}
    return json.dumps({name: _value(kind) for name, kind in kinds.items()}, ensure_ascii=False)


def _value(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return "東京"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kinds: dict[str, Any] = {"integer": 3, "number": 2.5, "boolean": True, "array": [], "object": {}, "null": None}
    return kinds.get(str(schema.get("type")), "東京")
