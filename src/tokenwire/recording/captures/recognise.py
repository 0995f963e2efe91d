"""Which form a source has, by how it begins; and of what is none of them, what it looks like and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ...errors import InvalidRecording
from ..format import FORMAT
from .body import begins_events, begins_lines
from .capture import Form
from .curl_trace import begins_trace
from .heads import head_of, is_chunked

__all__ = ["recognised"]

_READ = (
    "What is read: recordings (*.wire.jsonl), the output of `curl -i` and `curl --raw -i`, the file of `curl --trace`, "
    "a HAR, and the bare body of a stream."
)

#: What other files begin with, what they are, and how to get one that is read.
_OTHERS: Sequence[tuple[re.Pattern[bytes], str, str]] = (
    (
        re.compile(rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x4d\x3c\xb2\xa1|\xa1\xb2\x3c\x4d|\x0a\x0d\x0d\x0a"),
        "a capture of packets (pcap)",
        "Let curl ask, with --trace FILE, or tokenwire record.",
    ),
    (re.compile(rb"\x1f\x8b|\x28\xb5\x2f\xfd|PK\x03\x04|BZh|\xfd7zXZ"), "a compressed file", "Unpack it first."),
    (
        re.compile(rb"[0-9]{1,9}:[0-9]{1,6}:[a-z]"),
        "a file of mitmproxy's own",
        "Make a HAR of it: mitmdump -nr FILE --set hardump=OUT.har",
    ),
    (
        re.compile(rb"(?:[*<>] [^\n]*\n|  % Total)"),
        "what `curl -v` prints, which is no longer the bytes",
        "Keep them with --trace FILE.",
    ),
    (re.compile(rb"\s*<(?:!doctype|html|\?xml)", re.IGNORECASE), "an HTML page", ""),
)


def recognised(data: bytes) -> Form:
    """The form.

    :raises InvalidRecording: when it is none of them.
    """
    if begins_trace(data):
        return "curl-trace"
    if data.startswith(b"HTTP/") and head_of(data) is not None:
        return "curl-raw" if is_chunked(_body_of(data)) else "curl-i"
    if begins_events(data):
        return "body"
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _of_json(data)
    for begins, what, advice in _OTHERS:
        if begins.match(data):
            raise InvalidRecording(f"is no recording: it looks like {what}. {advice}{' ' if advice else ''}{_READ}")
    raise InvalidRecording(f"is no recording: it {_looks(data)}. {_READ}")


def _body_of(data: bytes) -> bytes:
    """What follows all heads."""
    start = 0
    while (head := head_of(data, start)) is not None:
        start = head.end
    return data[start:]


def _of_json(data: bytes) -> Form:
    first = _json(data.partition(b"\n")[0])
    if isinstance(first, dict) and first.get("format") == FORMAT:
        return "wire"
    whole = _json(data)
    if isinstance(whole, dict) and isinstance(whole.get("log"), dict):
        return "har"
    if whole is None and begins_lines(data):
        return "body"
    if isinstance(whole, dict) and "constants" in whole and "events" in whole:
        raise InvalidRecording(
            f"is no recording: it looks like a net log of Chrome. Save a HAR in the tab Network instead. {_READ}"
        )
    if isinstance(whole, dict) and _is_line_of_a_stream(whole):
        return "body"
    what = "JSON, but neither a HAR (it has no log) nor a recording" if whole is not None else "JSON that is broken"
    raise InvalidRecording(f"is no recording: it looks like {what}. {_READ}")


def _is_line_of_a_stream(value: dict[str, Any]) -> bool:
    """The only line of a stream of Ollama's, which ends by the member `done`."""
    return isinstance(value.get("done"), bool)


def _json(data: bytes) -> Any:
    """The value, behind a BOM if there is one; None where there is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _looks(data: bytes) -> str:
    if not data.strip():
        return "is empty"
    begins = data[:40]
    text = begins.decode("utf-8", "replace")
    kind = "text" if text.replace("\r", "").replace("\n", "").replace("\t", "").isprintable() else "binary data"
    return f"looks like {kind} that begins {text!r}"
