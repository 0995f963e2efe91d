"""Every error that tokenwire raises. One root; what you did wrong and what the peer did wrong kept apart.

    TokenwireError
    ├── LocalProtocolError          you misused it; nothing was sent
    │   └── InvalidURL
    ├── RemoteProtocolError         the peer broke a rule: message, offset in bytes, clause
    │   ├── EventTooLarge           framing: a limit of the parser
    │   ├── HeaderTooLarge          the head of a response over its limit
    │   ├── BodyTruncated           the connection ended before the body did
    │   ├── DecodingError           the content coding is broken, or a bomb
    │   └── NotAStream              a 200 with another content type
    ├── StatusError                 the server refused: status, headers, message, fields
    ├── ConnectionFailed            no connection: name, refusal, TLS, proxy
    ├── TimeoutExceeded             which timer, and after how many seconds
    ├── StreamInterrupted           the stream ended without its end: all that had arrived
    ├── StreamFailed                the server said an error in mid-stream: the error, and all that had arrived
    └── InvalidRecording            a file that is no recording

The first four classes are defined in framing/sse.py, because that file must be able to stand alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ForwardRef, Literal

from .framing.sse import EventTooLarge, LocalProtocolError, RemoteProtocolError, TokenwireError
from .lazily import Lazily

if TYPE_CHECKING:
    from .dialects.answer import Answer
    from .dialects.events import Error, StreamEvent
else:  # they are in layers above, and are looked up by whoever reads the annotations at run time
    _answers, _events = Lazily("tokenwire.dialects.answer"), Lazily("tokenwire.dialects.events")
    Answer, Error, StreamEvent = map(ForwardRef, ("_answers.Answer", "_events.Error", "_events.StreamEvent"))

__all__ = [
    "BodyTruncated",
    "ConnectionFailed",
    "DecodingError",
    "EventTooLarge",
    "HeaderTooLarge",
    "InvalidRecording",
    "InvalidURL",
    "LocalProtocolError",
    "NotAStream",
    "OnError",
    "RemoteProtocolError",
    "StatusError",
    "StreamFailed",
    "StreamInterrupted",
    "TimeoutExceeded",
    "TokenwireError",
]

#: What follows a fatal error of the server's, once its `Error` and the `End` have been given.
OnError = Literal["raise", "event"]


class InvalidURL(LocalProtocolError):
    """Not a URL that can be asked for a stream."""


class HeaderTooLarge(RemoteProtocolError):
    """The status line and fields of a response, or a chunk header, passed the limit."""


class BodyTruncated(RemoteProtocolError):
    """The connection ended before the body was complete: no last chunk, or fewer bytes than Content-Length said."""


class DecodingError(RemoteProtocolError):
    """The body does not decode by its Content-Encoding, or inflates beyond the limits."""


class NotAStream(RemoteProtocolError):
    """The response is a success, but no stream: `content_type` says what it is, `body` holds its beginning."""

    def __init__(self, message: str, *, content_type: str, body: bytes, clause: str = "") -> None:
        super().__init__(message, clause=clause)
        self.content_type = content_type
        self.body = body


class StatusError(TokenwireError):
    """The server answered with another status than 200.

    :ivar status: the HTTP status.
    :ivar headers: (name, value) pairs, names in lower case.
    :ivar message: what the body says in words, bounded.
    :ivar body: the beginning of the body, bytes.
    :ivar fields: the error object of the dialect (`type`, `code`, `param`, ...), empty where there is none.
    """

    def __init__(
        self,
        status: int,
        headers: Sequence[tuple[str, str]],
        message: str,
        body: bytes,
        fields: Mapping[str, Any],
    ) -> None:
        super().__init__(f"the server answered {status}: {message}" if message else f"the server answered {status}")
        self.status = status
        self.headers: list[tuple[str, str]] = list(headers)
        self.message = message
        self.body = body
        self.fields: dict[str, Any] = dict(fields)


class ConnectionFailed(TokenwireError):
    """No connection was made, or none that answers. `phase`: "resolve", "connect", "tls", "proxy" or "answer"."""

    def __init__(self, message: str, *, phase: str) -> None:
        super().__init__(message)
        self.phase = phase


class TimeoutExceeded(TokenwireError):
    """A timer ran out.

    :ivar timer: "connect", "first byte", "first event", "idle", "event idle", "keepalive" or "total".
    :ivar seconds: its setting.
    :ivar answer: what had arrived; None where there was no stream yet.
    """

    def __init__(self, timer: str, seconds: float, answer: Answer | None = None) -> None:
        arrived = f", after {_extent(answer)}" if answer is not None and answer.count else ""
        super().__init__(f"the {timer} timeout of {seconds:g} s ran out{arrived}")
        self.timer = timer
        self.seconds = seconds
        self.answer = answer


class StreamInterrupted(TokenwireError):
    """The stream ended without the dialect's terminator, so what arrived may not be all.

    :ivar answer: text, reasoning, tools and usage as far as they came, and the last events.
    """

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer

    @property
    def text(self) -> str:
        """The text that had arrived."""
        return self.answer.text

    @property
    def events(self) -> list[StreamEvent]:
        """The last events that had arrived; all, where the stream was asked for with `keep_events`."""
        return self.answer.events


class StreamFailed(TokenwireError):
    """The server said in mid-stream that it had failed, so what arrived is not all. It comes after `End(clean=False)`.

    With `on_error="event"` it is not raised: the `Error` among the events is all there is then.

    :ivar error: what the server said, without the secrets of the request, which it may repeat.
    :ivar answer: text, reasoning, tools, usage and events as far as they came.

    :param instead: the message, where the server said no error in words and something else came in place of a stream.
    """

    def __init__(self, error: Error, answer: Answer, instead: str = "") -> None:
        code = f" ({error.code})" if error.code else ""
        words = error.message or error.raw or "without a word"
        super().__init__(instead or f"the server said an error in the stream{code}: {words}")
        self.error = error
        self.answer = answer

    @property
    def text(self) -> str:
        """The text that had arrived."""
        return self.answer.text

    @property
    def events(self) -> list[StreamEvent]:
        """The events that had arrived."""
        return self.answer.events


def _extent(answer: Answer) -> str:
    return f"{answer.count} events and {len(answer.text)} characters of text"


class InvalidRecording(TokenwireError):
    """The file is no recording of the format `*.wire.jsonl`."""
