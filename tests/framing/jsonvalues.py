"""What the parsers of streams of JSON values are held against: all of a stream at once, with Python's own decoder.

Slow and literal: each value is found by `JSONDecoder.raw_decode`, from its first character on.
"""

from __future__ import annotations

import json

__all__ = ["elements_of", "lines_of"]

_BLANK = " \t\r\n"


def lines_of(stream: bytes) -> tuple[list[str], str]:
    """The values of a stream that has one a line, and what is unfinished at its end."""
    *lines, last = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split("\n")
    values = [line.strip(_BLANK) for line in lines if line.strip(_BLANK)]
    last = last.strip(_BLANK)
    whole = _end_of(last, 0) == len(last) and not last[-1].isdigit()  # a number could go on
    return ([*values, last], "") if whole else (values, last)


def elements_of(stream: bytes) -> tuple[list[str], str]:
    """The values of a well-formed stream, which is one array or objects in a row, and what is unfinished at its end."""
    text = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    place = _after(text, 0, _BLANK)
    between = _BLANK
    if text[place : place + 1] == "[":
        place += 1
        between = _BLANK + ","
    values: list[str] = []
    while (place := _after(text, place, between)) < len(text) and text[place] != "]":
        end = _end_of(text, place)
        if end is None or (text[place] not in '{["' and text[end : end + 1] not in tuple(_BLANK + ",]")):
            return values, text[place:].rstrip(_BLANK)
        values.append(text[place:end])
        place = end
    return values, ""


def _after(text: str, place: int, skipped: str) -> int:
    while place < len(text) and text[place] in skipped:
        place += 1
    return place


def _end_of(text: str, place: int) -> int | None:
    """Where a value ends; None where there is none that does."""
    try:
        _, end = json.JSONDecoder().raw_decode(text, place)
    except ValueError:
        return None
    return end
