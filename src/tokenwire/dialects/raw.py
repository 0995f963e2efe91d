"""The body as it is: every read becomes an `Other` of type "bytes" whose raw text is the bytes, decoded as UTF-8.

For looking at what an endpoint sends before one knows what it speaks. A code point that is cut between two reads
waits for its rest; bytes that are not UTF-8 become U+FFFD.
"""

from __future__ import annotations

from .dialect import Dialect, Message, chat_body
from .events import End, Other, StreamEvent
from .values import error_fields

__all__ = ["RAW", "RawDecoder"]


class RawDecoder:
    """Hands every piece of text on as it is."""

    def __init__(self) -> None:
        self.ended: bool = False

    def receive_message(self, message: Message) -> list[StreamEvent]:
        return [Other("bytes", message.data)] if message.data and not self.ended else []

    def finished(self) -> bool:
        return True

    def receive_eof(self) -> list[StreamEvent]:
        if self.ended:
            return []
        self.ended = True
        return [End(clean=True)]


RAW = Dialect(
    name="raw",
    framing="raw",
    path="/",
    method="GET",
    content_type="",
    decoder=RawDecoder,
    ask=chat_body,
    body=dict,
    error_fields=error_fields,
    opening=lambda json: [dict(json)],
    tools=False,
    reasoning=False,
    usage=False,
    terminator="the end of the body",
)
