"""The format `*.wire.jsonl`: a header object on the first line, then one array a line.

    {"format": "tokenwire-recording", "version": 1, "transport": "http/1.1", ...}
    [0.0, ">", {"text": "POST /v1/chat/completions HTTP/1.1\\r\\n..."}]     written, seconds since the first entry
    [0.0042, "<", {"base64": "H4sI..."}]                                   read: read boundaries are kept
    [0.6347, "eof"]                                                        something that happened

Text is used where the bytes are UTF-8 and survive the round trip, base64 elsewhere, so that a recording can be
read and compared by eye.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InvalidRecording
from ..secrecy.shown import escaped

__all__ = ["FORMAT", "VERSION", "Entry", "Recording", "dump", "entry_line", "header_line", "load", "loads"]

FORMAT = "tokenwire-recording"
VERSION = 1

#: Beyond any recording: thirty years. It keeps what is no time, such as Infinity, out of a player's clock.
MAX_SECONDS = 1e9


class Entry(NamedTuple):
    """One line. `kind` is "<" (read), ">" (written), or what happened: "connected", "eof", "reset",
    "closed by us", "reset by us", "left open", "timeout"; `data` is empty then."""

    seconds: float
    kind: str
    data: bytes = b""


@dataclass(slots=True)
class Recording:
    """A wire in memory: the header of the file and its entries, in the order of their time."""

    header: dict[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    @property
    def received(self) -> bytes:
        """All that was read, joined."""
        return b"".join(entry.data for entry in self.entries if entry.kind == "<")

    @property
    def sent(self) -> bytes:
        """All that was written, joined."""
        return b"".join(entry.data for entry in self.entries if entry.kind == ">")


def load(path: str | Path) -> Recording:
    """Reads a recording from a file.

    :raises InvalidRecording: when it is none; the message names the line.
    :raises OSError: when the file cannot be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidRecording(f"{path} is no recording: byte {error.start} is not UTF-8") from None
    return loads(text, name=str(path))


def loads(text: str, *, name: str = "the text") -> Recording:
    """Reads a recording from text.

    :raises InvalidRecording: when it is none; the message names the line.
    """
    lines = text.split("\n")
    header = _json_line(lines[0], name, 1)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InvalidRecording(f'{name} is no recording: its first line has no "format": "{FORMAT}"')
    if header.get("version") != VERSION:
        raise InvalidRecording(f"{name} is a recording of version {header.get('version')!r}; this reads {VERSION}")
    entries = [
        _entry(_json_line(line, name, number), name, number) for number, line in enumerate(lines[1:], 2) if line.strip()
    ]
    return Recording(header, entries)


def dump(recording: Recording, path: str | Path) -> None:
    """Writes a recording to a file, as it is: redaction is the writer's, before anything gets this far."""
    Path(path).write_text(
        "".join([header_line(recording.header), *map(entry_line, recording.entries)]), encoding="utf-8"
    )


def header_line(header: dict[str, Any]) -> str:
    more = {name: value for name, value in header.items() if name not in ("format", "version")}
    return escaped(json.dumps({"format": FORMAT, "version": VERSION, **more}, ensure_ascii=False)) + "\n"


def entry_line(entry: Entry) -> str:
    seconds = round(entry.seconds, 6)
    line: list[Any] = [seconds, entry.kind]
    if entry.kind in ("<", ">"):
        line.append(_payload(entry.data))
    # Many tools take U+2028 and its like for the end of a line, and a terminal obeys others.
    return escaped(json.dumps(line, ensure_ascii=False)) + "\n"


def _payload(data: bytes) -> dict[str, str]:
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def _json_line(line: str, name: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidRecording(f"{name} is no recording: line {number} is not JSON ({error})") from None


def _entry(value: Any, name: str, number: int) -> Entry:
    match value:
        case [seconds, "<" | ">" as kind, {"text": str() as text}] if _is_time(seconds):
            return Entry(float(seconds), kind, _encoded(text, name, number))
        case [seconds, "<" | ">" as kind, {"base64": str() as coded}] if _is_time(seconds):
            return Entry(float(seconds), kind, _decoded(coded, name, number))
        case [seconds, str() as kind] if _is_time(seconds) and kind not in ("<", ">"):
            return Entry(float(seconds), kind)
    raise InvalidRecording(f"{name}: line {number} is no entry of a recording: [seconds, kind, payload] was expected")


def _is_time(value: Any) -> bool:
    """A number of seconds that a clock can show: JSON as Python reads it has NaN and Infinity too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_SECONDS


def _encoded(text: str, name: str, number: int) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRecording(f"{name}: line {number} holds a lone surrogate, which is no text") from None


def _decoded(coded: str, name: str, number: int) -> bytes:
    try:
        return base64.b64decode(coded, validate=True)
    except ValueError as error:
        raise InvalidRecording(f"{name}: line {number} is not base64 ({error})") from None
