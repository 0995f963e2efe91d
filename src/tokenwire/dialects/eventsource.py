"""Plain server-sent events, as a browser's EventSource asks for them: GET, no body, any data.

In: any event. Out: `Other`, typed with the event's name and carrying its id as the cursor; the end of the body is
the end of the stream, since EventSource knows no other (WHATWG HTML 9.2.2 would connect again).
"""

from __future__ import annotations

from .dialect import Dialect, Message, after_last_event_id
from .events import End, Other, StreamEvent
from .values import error_fields

__all__ = ["EVENTSOURCE", "EventSourceDecoder"]


class EventSourceDecoder:
    """Hands every event on as it is."""

    def __init__(self) -> None:
        self.ended: bool = False

    def receive_message(self, message: Message) -> list[StreamEvent]:
        return [] if self.ended else [Other(message.event, message.data, cursor=message.id or None)]

    def finished(self) -> bool:
        return True

    def receive_eof(self) -> list[StreamEvent]:
        if self.ended:
            return []
        self.ended = True
        return [End(clean=True)]


EVENTSOURCE = Dialect(
    name="eventsource",
    framing="sse",
    path="/v1/chat/stream",
    method="GET",
    content_type="text/event-stream",
    decoder=EventSourceDecoder,
    ask=lambda prompt: {"model": prompt.model, "prompt": prompt.text},
    body=dict,
    error_fields=error_fields,
    plain=True,
    tools=False,
    reasoning=False,
    usage=False,
    terminator="the end of the body",
    resume="GET with Last-Event-ID",
    resuming=after_last_event_id,
)
