"""Values out of JSON that a peer wrote, which may be of any type.

A value of another type than the format demands is not an absent one: what a server said must not vanish. The functions
whose names end in `_of` read every value that has one meaning where it stands (a number where text belongs, an object
where the JSON text of arguments belongs). For a value that has none they return None: the caller then gives an `Other`.
None and empty values are absent.

`word`, `piece`, `mapping` and `listed` take a wrong type for an absent value. They are for members that say nothing by
themselves, such as the type of a message, and for those whose loss is told otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from .surrogates import whole

__all__ = [
    "arguments_of",
    "error_code",
    "error_fields",
    "error_in_words",
    "error_message",
    "index_of",
    "is_true",
    "items_of",
    "json_text",
    "listed",
    "mapping",
    "member",
    "name_of",
    "names_failure",
    "object_of",
    "parse",
    "percent_encoded",
    "piece",
    "text_of",
    "texts_of",
    "unknown_members",
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


def text_of(value: Any) -> str | None:
    """The text that a value means where text belongs. A piece of a longer text may end in half a surrogate pair.

    A number or a boolean means its JSON text, a list of text parts means their texts joined, one part means its text.

    :returns: empty for what is absent; None for what is no text, such as an object or a part of another kind.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    text, all_of_it = texts_of(value)
    return text if all_of_it else None


def texts_of(value: Any) -> tuple[str, bool]:
    """What of a value is text where text belongs, joined, and whether that is all of it."""
    pieces = [_text_of_part(part) for part in items_of(value)]
    texts = [text for text in pieces if text is not None]
    return "".join(texts), len(texts) == len(pieces)


def _text_of_part(part: Any) -> str | None:
    """A part is a text itself, or an object with the member `text` whose type, if it has one, is a kind of text."""
    if isinstance(part, dict) and "text" in part and word(part.get("type") or "text").endswith("text"):
        part = part["text"]
    if part is None:
        return ""
    if isinstance(part, str):
        return part
    return json_text(part) if isinstance(part, int | float) else None


def arguments_of(value: Any) -> str | None:
    """The JSON text of the arguments of a tool call, which may come as text, whole or in pieces, or as a JSON value.

    :returns: a string as it is; empty for what is absent; None for a value that is nested too deeply to write.
    """
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value) or None


def object_of(value: Any, text: str = "") -> dict[str, Any] | None:
    """The object that a value means where an object belongs: also the only one of a list, and one as JSON text.

    :param text: the member that a text means which stands there alone: `{"content": "Hello"}` for `"Hello"`. A string
        is that text then, whatever it looks like, for a model may write JSON. Empty where no text belongs.
    :returns: an empty one for what is absent or empty; None for what is no object.
    """
    if value is None or value in ("", []):
        return {}
    if text and _is_text(value):
        return {text: value}
    if isinstance(value, str):
        value = value_of(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, dict) else None


def _is_text(value: Any) -> bool:
    """Whether a value is a string or a number, or a list of these."""
    return all(isinstance(it, str | int | float) and not isinstance(it, bool) for it in items_of(value))


def items_of(value: Any) -> list[Any]:
    """The items where a list belongs, of whatever type: what stands there alone is the only item.

    :returns: nothing for what is absent.
    """
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def index_of(value: Any) -> int | None:
    """The whole number that a value means where an index belongs: also as text, or as a float.

    :returns: None for what is absent, and for what is no whole number.
    """
    if isinstance(value, str):
        value = value_of(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_true(value: Any) -> bool:
    """Whether a value says yes where a boolean belongs: also as text, or as 1."""
    return value is True or (isinstance(value, int | float) and value == 1) or word(value).lower() == "true"


def name_of(value: Any) -> str | None:
    """The name, id or code that a value means, whole in itself: a string, or a number as its JSON text.

    :returns: empty for what is absent; None for anything else.
    """
    if isinstance(value, str):
        return whole(value)
    if value is None:
        return ""
    return json_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def word(value: Any) -> str:
    """A string that is whole in itself, such as the type of a message; empty for anything else."""
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


def unknown_members(value: Any, known: Collection[str], opaque: Collection[str] = ()) -> list[str]:
    """The names of members, anywhere in a JSON value, that are not known and say something: not null, false or empty.

    :param opaque: known members whose values are not looked into.
    """
    names: list[str] = []
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            for name, it in value.items():
                if name in known and name not in opaque:
                    left.append(it)
                elif name not in known and it not in (None, False, "", [], {}):
                    names.append(name)
    return names


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

    Shapes seen: {"error": {…}}, {"error": "words"}, {"error": "a name", "message": …} (or "error_description"),
    {"object": "error", "message": …}, {"type": "error", "message": …}.
    """
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict) and error:
        return error
    if error:
        said = word(body.get("message")) or word(body.get("error_description"))
        words = error if isinstance(error, str) else json_text(error)
        return {"code": words, "message": said} if said else {"message": words}
    if body.get("object") == "error":
        return body
    if body.get("type") == "error":
        return {name: value for name, value in body.items() if name != "type"}
    return {}


#: How the data of a message begins that is an error in words: `error: …`, `Internal server error`, `[ERROR] …`.
_ERROR_WORDS = (  # compiled when it is first used, which takes longer than to load all of this module
    r"(?i)[\s\[(<*!#-]{0,4}(?:[\w/-]+ ){0,4}?"
    r"(error|exception|fail(?:ed|ure)|traceback|time-?out|timed out|unavailable|overloaded|exceeded|denied"
    r"|unauthorized|forbidden)\b(?:\W{0,2}:)?"
)


def error_in_words(data: str) -> dict[str, Any]:
    """The error object of data that is no JSON and begins with words that name an error; empty for other data."""
    found = re.match(_ERROR_WORDS, data)
    if found is None or data.startswith((":", '"')):  # a comment, and a line of JSON that was made pretty
        return {}
    value = value_of(data[found.end() :])
    if isinstance(value, dict) and value:
        return error_fields(value) or value
    only_a_label = found[0].lower() == "error:"
    return {"message": whole(data[found.end() :].strip() if only_a_label else data.strip()) or data}


#: What a reason or a status is called, or what its name ends with, that says that the server failed: "error", "ERROR",
#: "network_error", "failed", "timeout".
_FAILURE = re.compile(r"(?:.*[\W_])?(?:error|fail(?:ed|ure)?|time_?out|timed_out|crashed)", re.IGNORECASE)


def names_failure(reason: str) -> bool:
    """Whether a reason to stop says that the server failed, and the answer is no whole one."""
    return _FAILURE.fullmatch(reason) is not None


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
