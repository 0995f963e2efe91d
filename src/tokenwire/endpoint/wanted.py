"""What a request wants, in words that no dialect owns, and how a request is refused.

A dialect's service reads its requests into a `Wanted`. Whatever is wrong is raised as a `Refusal`, which the service
puts into its dialect's words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..dialects.dialect import Tool
from ..dialects.values import listed, mapping, word
from .seams import Call

__all__ = ["Heard", "Refusal", "Wanted", "heard", "json_object", "limit_of", "parse_object", "text_of", "tool_of"]


class Refusal(Exception):
    """The request is refused.

    :ivar status: of HTTP.
    :ivar code: as OpenAI has it. A dialect that has others goes by the status.
    :ivar headers: that the answer has besides.
    """

    def __init__(self, status: int, code: str, message: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers: list[tuple[str, str]] = list(headers)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said to the model.

    :ivar tokens: how many it is said to have: its words.
    :ivar mark: the last word that begins with a number sign. It is repeated, so that whoever asks many questions at
        once can tell the answers apart.
    """

    tokens: int = 0
    mark: str = ""

    def __add__(self, later: Heard) -> Heard:
        return Heard(self.tokens + later.tokens, later.mark or self.mark)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a generation is made from.

    :ivar tools: those that the model is to call; none where the request forbids it.
    :ivar max_tokens: of the answer; None for no limit.
    :ivar reasoning: whether the client wants to see it.
    """

    model: str
    prompt: Heard = Heard()
    tools: tuple[Tool, ...] = ()
    max_tokens: int | None = None
    reasoning: bool = False


def json_object(call: Call) -> dict[str, Any]:
    """The body of a request.

    :raises Refusal: when it is no JSON object, or does not say that it is JSON.
    """
    if call.header("content-type").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "unsupported_media_type", "Send the request as application/json.")
    return parse_object(call.body, "The body of the request")


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """The JSON object that a body or a message is; `what` names it.

    :raises Refusal: when it is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid_json", f"{what} is not JSON.") from None
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_request", f"{what} is no JSON object.")
    return value


def limit_of(*values: Any) -> int | None:
    """The first of the values that is a token limit."""
    return next((value for value in values if isinstance(value, int) and value > 0), None)


def tool_of(tool: Any, schema: str = "parameters") -> Tool:
    """A tool that a request offers; `schema` is the dialect's name for the JSON schema of its arguments."""
    fields = mapping(tool)
    return Tool(word(fields.get("name")) or "unnamed", word(fields.get("description")), mapping(fields.get(schema)))


def text_of(content: Any) -> str:
    """The text of a message: a string, or a list of parts that may have some."""
    return content if isinstance(content, str) else "\n".join(word(part.get("text")) for part in listed(content))


def heard(texts: Iterable[str]) -> Heard:
    """What was said to the model in these texts."""
    words = [word for text in texts for word in text.split()]
    marks = [word for word in words if word.startswith("#") and len(word) > 1]
    return Heard(len(words), marks[-1] if marks else "")
