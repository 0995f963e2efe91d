"""What the reference endpoint tells: one text, cut into tokens, the same for every request.

It has characters of two, three and four bytes, a combining sequence, an emoji made of several code points, a line
end, a tab, a quotation mark and a backslash, so that whatever cuts or escapes wrongly on the way shows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["STORY", "count_tokens", "tool_argument_tokens", "tool_arguments"]

#: The tokens of the answer. Joined they are the text.
STORY: tuple[str, ...] = (
    "Tokens", " travel", " one", " by", " one", ":", " naïve", " café", ",", " Grüße", ",", " Привет", ",",
    " 日本", "語", ",", " नमस्ते", ",", " 😀", " and", " 👩‍💻", ".",
    "\n", "A", " \"quoted\"", " back\\slash", ",", "\ta", " tab", ",",
    " e\u0301", ",", " then", " the", " end", " of", " the", " line", ".",
)  # fmt: skip

#: Characters in a piece of a tool call's arguments.
_ARGUMENTS_PIECE = 12


def count_tokens(text: str) -> int:
    """How many tokens a prompt is said to have: its words."""
    return len(text.split())


def tool_arguments(tool: Mapping[str, Any]) -> str:
    """Arguments that fit the tool's JSON schema, as JSON text; the same for the same tool."""
    function = tool.get("function")
    schema = function.get("parameters") if isinstance(function, dict) else None
    properties = schema.get("properties") if isinstance(schema, dict) else None
    names = properties if isinstance(properties, dict) else {}
    return json.dumps({name: _value(kind) for name, kind in names.items()}, ensure_ascii=False)


def tool_argument_tokens(arguments: str) -> list[str]:
    """The arguments in the pieces in which they are streamed."""
    return [arguments[at : at + _ARGUMENTS_PIECE] for at in range(0, len(arguments), _ARGUMENTS_PIECE)]


def _value(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return "東京"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kinds: dict[str, Any] = {"integer": 3, "number": 2.5, "boolean": True, "array": [], "object": {}, "null": None}
    return kinds.get(str(schema.get("type")), "東京")
