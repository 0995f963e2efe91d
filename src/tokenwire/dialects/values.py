"""Values out of JSON that a peer wrote, which may be of any type: what has the wrong one counts as absent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .surrogates import whole

__all__ = [
    "error_code",
    "error_fields",
    "error_message",
    "json_text",
    "listed",
    "mapping",
    "member",
    "parse",
    "percent_encoded",
    "piece",
    "value_of",
    "word",
]


#: RFC 3986, 2.3.
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def parse(text: str) -> Any:
    """The JSON value of a text.

    :raises ValueError: when it is none, or nested too deeply to be one.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def word(value: Any) -> str:
    """A string that is whole in itself, such as a name or an id; empty for anything else."""
    return whole(value) if isinstance(value, str) else ""


def piece(value: Any) -> str:
    """A string that may be a piece of a longer one and end within a surrogate pair; empty for anything else."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def member(value: Any, *names: str) -> Any:
    """What stands at the end of a path of members; None where the path breaks off."""
    for name in names:
        value = mapping(value).get(name)
    return value


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON array; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def percent_encoded(text: str) -> str:
    """A text as one segment of a path, or one value of a query (RFC 3986, 2.1)."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def value_of(text: str) -> Any:
    """The JSON value that the text is; None where it is none."""
    try:
        return parse(text)
    except ValueError:
        return None


def json_text(value: Any) -> str:
    """JSON text; empty for what is nested too deeply to write, which its raw message still shows."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""


def error_fields(body: Any) -> dict[str, Any]:
    """The error object of a message or of the body of a refusal; empty where there is none.

    Shapes seen: {"error": {…}}, {"error": "words"}, {"object": "error", "message": …}, {"type": "error", "message": …}.
    """
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict) and error:
        return error
    if error:
        return {"message": error if isinstance(error, str) else json_text(error)}
    if body.get("object") == "error":
        return body
    if body.get("type") == "error":
        return {name: value for name, value in body.items() if name != "type"}
    return {}


def error_code(fields: Mapping[str, Any], *names: str) -> str:
    """The first of the members that is there, as text."""
    for name in names:
        value = fields.get(name)
        if value is not None:
            return whole(value if isinstance(value, str) else json_text(value))
    return ""


def error_message(fields: Mapping[str, Any]) -> str:
    """The error in words, and where it has none, all that it has."""
    return word(fields.get("message")) or whole(json_text(fields))
