"""A streamed answer in any dialect, read message by message as tokenwire decodes it: what each of them says, and where.

What is particular to one dialect is read in a module of its own, and judged there. This reading is for what all of them
have: text, a reason to stop, an error, an end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tokenwire.dialects import DIALECTS, Dialect
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.events import Error, ReasoningDelta, StreamEvent, TextDelta
from tokenwire.dialects.guess import guess_dialect
from tokenwire.dialects.json_decoder import incomplete
from tokenwire.framing.sse import ServerSentEvent

from .http import Response
from .lines import Lines
from .stream import Stream

__all__ = ["DECODERS_OWN", "Generation", "Step", "dialect_of"]

#: The code of the fatal error that a decoder itself gives: its other ones are not fatal.
DECODERS_OWN = str(incomplete("")["code"])

#: Bytes of a body that tell its dialect, if any do.
_TELLING = 64 * 1024


def dialect_of(response: Response) -> str:
    """The dialect of an answer: as the transcript says, or as its URL and its first bytes do."""
    said = response.transcript.recording.header.get("dialect")
    if isinstance(said, str) and said in DIALECTS:
        return said
    return guess_dialect(response.request.target, response.media_type, response.content[:_TELLING]).dialect


@dataclass(frozen=True, slots=True)
class Step:
    """What one message says. `offset` counts in the content."""

    offset: int
    events: list[StreamEvent]

    @property
    def spoken(self) -> str:
        """What is said or thought in it."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta | ReasoningDelta))

    @property
    def error(self) -> Error | None:
        """What the server says went wrong, and not what the decoder says of its messages."""
        errors = (event for event in self.events if isinstance(event, Error) and event.fatal)
        return next((error for error in errors if error.code != DECODERS_OWN), None)


class Generation:
    """The answer in a body of server-sent events or of JSON lines."""

    def __init__(self, body: Stream | Lines, dialect: Dialect) -> None:
        self.body = body
        self.dialect = dialect

    @property
    def response(self) -> Response:
        return self.body.response

    @cached_property
    def steps(self) -> list[Step]:
        decoder = self.dialect.decoder()
        return [Step(offset, decoder.receive_message(message)) for offset, message in self._messages()]

    def _messages(self) -> Iterator[tuple[int, ServerSentEvent]]:
        if isinstance(self.body, Stream):
            for event in self.body.events:
                name = "" if event.name == "message" else event.name
                yield event.offset, ServerSentEvent(name, event.data, "")
        else:
            for line in self.body.lines:
                yield line.offset, ServerSentEvent("", line.text, "")

    @cached_property
    def answer(self) -> Answer:
        """All that was said. It has no end where the stream goes on without one."""
        decoder, answer = self.dialect.decoder(), Answer()
        for _, message in self._messages():
            answer.add_all(decoder.receive_message(message))
        if self.response.complete:
            answer.add_all(decoder.receive_eof())
        return answer

    @property
    def failed(self) -> Step | None:
        """The message by which the server says that it failed."""
        return next((step for step in self.steps if step.error is not None), None)

    def spoken_before(self, step: Step) -> bool:
        """Anything was said or thought before that message."""
        return any(earlier.spoken for earlier in self.steps if earlier.offset < step.offset)

    @property
    def says_anything(self) -> bool:
        """It has text, reasoning, a call, a reason to stop, or an error."""
        answer = self.answer
        told = answer.text or answer.reasoning or answer.all_tools or answer.finish or answer.error
        return bool(told)
