"""The suite's own reading of a WebSocket: frames, messages and answers, each with its offset, and all that is wrong.

Like the reading of HTTP it never raises and goes on as far as it makes sense: what breaks RFC 6455 or RFC 7692 is
noted as a `Problem` with its offset. A test holds it against tokenwire's parser on streams that are sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from tokenwire.dialects import DIALECTS, Dialect
from tokenwire.dialects.answer import Answer
from tokenwire.dialects.decoder import Decoder
from tokenwire.dialects.events import End

from .deflate import MOST_INFLATED, Extension, parse_extensions
from .frames import CLOSE, PING, PONG, Frame, Frames
from .http import Problem, Response
from .messages import Message, MessageReader
from .transcript import Transcript

__all__ = ["Socket"]


class Socket:
    """What went over a connection that became a WebSocket.

    :param response: the 101.
    :param dialect: what is spoken on it, where that is known.
    """

    def __init__(self, response: Response, dialect: Dialect | None = None) -> None:
        self.response = response
        self.transcript: Transcript = response.transcript
        self.dialect = dialect
        received, sent = self.transcript.growing
        self._theirs = Frames(received, response.end, self.transcript.seconds_at)
        self._ours = Frames(sent, sent.find(b"\r\n\r\n") + 4, self.transcript.sent_when)
        self._reader = MessageReader(self.deflate)
        self._answers = _Answers(dialect)

    @cached_property
    def extensions(self) -> list[Extension]:
        """What the server agreed to."""
        return parse_extensions(self.response.header("sec-websocket-extensions"))

    @cached_property
    def offered(self) -> list[Extension]:
        """What the client offered."""
        return parse_extensions(self.response.request.header("sec-websocket-extensions"))

    @property
    def deflate(self) -> Extension | None:
        """What was agreed about permessage-deflate."""
        return next((extension for extension in self.extensions if extension.name == "permessage-deflate"), None)

    @property
    def _reading(self) -> MessageReader:
        """The messages of the server's frames, and what is wrong with them: it reads on, and nothing twice."""
        frames = self._theirs
        frames.read()
        for frame in frames.whole[self._reader.count :]:
            self._reader.read(frame)
        return self._reader

    @property
    def frames(self) -> list[Frame]:
        """The server's frames, the last one perhaps cut."""
        return self._theirs.all

    @property
    def sent(self) -> list[Frame]:
        """The client's frames, the last one perhaps cut."""
        return self._ours.all

    @property
    def messages(self) -> list[Message]:
        """The server's messages, as far as they can be put together."""
        return self._reading.messages

    @property
    def too_large(self) -> str:
        """Why not all messages were read: they inflate to more than is judged. Empty where they were."""
        return f"its messages inflate to more than {MOST_INFLATED:,} bytes" if self._reading.too_large else ""

    @property
    def count(self) -> int:
        """How many frames of the server's are complete."""
        self._theirs.read()
        return len(self._theirs.whole)

    @property
    def wrong(self) -> list[Problem]:
        """All that is wrong with the server's frames and messages."""
        reading, cut = self._reading, self._theirs.cut
        return reading.problems + (reading.wrong_with(cut) if cut is not None else [])

    @property
    def close(self) -> Frame | None:
        """The server's Close frame."""
        return next(iter(self._of_server(CLOSE)), None)

    @property
    def pongs(self) -> list[Frame]:
        return self._of_server(PONG)

    @property
    def pings(self) -> list[Frame]:
        return self._of_server(PING)

    def _of_server(self, opcode: int) -> list[Frame]:
        """The complete frames with this opcode."""
        self._theirs.read()
        return self._theirs.of(opcode)

    @property
    def goodbye(self) -> Frame | None:
        """The client's Close frame."""
        self._ours.read()
        return next(iter(self._ours.of(CLOSE)), None)

    @property
    def asked(self) -> bool:
        """The client has sent data, to which an answer may come; to control frames alone none does."""
        return any(not frame.is_control for frame in self.sent)

    @property
    def spoken_at(self) -> int:
        """How much had been received when the client sent its first frame."""
        first = self._ours.first
        return self.received_when(first.offset) if first is not None else self.transcript.size

    @property
    def left(self) -> bool:
        """The client said Close, and had not heard the server's when it did."""
        said = self.goodbye
        return said is not None and (self.close is None or self.received_when(said.offset) <= self.close.offset)

    @property
    def mute(self) -> bool:
        """The client has let a ping go unanswered for so long that it may be taken for dead."""
        unanswered = self.pings[sum(frame.opcode == PONG for frame in self.sent) :]
        return bool(unanswered) and self.transcript.ending_time - unanswered[0].seconds >= 1.0

    def received_when(self, sent_offset: int) -> int:
        """How much had been received when the byte at this offset was sent."""
        return self.transcript.received_when(sent_offset)

    @property
    def failed(self) -> bool:
        """The server has failed or closed the connection: by a Close frame, or by ending it."""
        return self.close is not None or self.transcript.ended_by_server

    @property
    def answers(self) -> list[Answer]:
        """The answers that the messages hold, the last one perhaps not complete. Without a dialect, each message after
        the client's first frame is one answer; earlier ones are greetings. An error ends an answer too, though some
        dialects say the end besides.
        """
        return self._answers.of(self.messages, self.spoken_at)

    @property
    def answering(self) -> bool:
        """The server has begun an answer, so it took what was asked for sound."""
        return any(_begun(answer) or _sound(answer) for answer in self.answers)

    @property
    def in_answer(self) -> bool:
        """The server has begun an answer, and not ended it."""
        return bool(self.answers) and _begun(self.answers[-1]) and not _is_over(self.answers[-1])

    @property
    def answered(self) -> bool:
        """An answer has come to its end, and that is no error."""
        return any(map(_sound, self.answers))

    @property
    def complete_answers(self) -> int:
        """How many answers have come to their end."""
        last = self.answers[-1:]
        return self._answers.before + any(map(_is_over, last))


class _Answers:
    """Puts messages together to answers, as they come.

    :ivar before: how many of the answers before the last one have come to their end.
    """

    def __init__(self, dialect: Dialect | None) -> None:
        self.before = 0
        self._dialect = dialect or DIALECTS["raw"]
        self._raw = self._dialect.name == "raw"
        self._answers: list[Answer] = []
        self._decoder: Decoder | None = None
        self._read = 0

    def of(self, messages: Sequence[Message], spoken_at: int) -> list[Answer]:
        """The answers in the messages so far. `spoken_at`: where the greetings end."""
        for message in messages[self._read :]:
            if not self._raw or message.offset >= spoken_at:
                self._take(message)
        self._read = len(messages)
        return self._answers

    def _take(self, message: Message) -> None:
        decoder = self._decoder
        events = [] if decoder is None or decoder.ended else decoder.receive_message(message.payload)
        ends = any(isinstance(event, End) for event in events)
        if decoder is None or (not ends and (decoder.ended or _refused(self._answers[-1]))):
            decoder = self._begin()
            events = decoder.receive_message(message.payload)
        self._answers[-1].add_all(events)
        if self._raw:
            self._answers[-1].add_all(decoder.receive_eof())

    def _begin(self) -> Decoder:
        self.before += any(map(_is_over, self._answers[-1:]))
        self._answers.append(Answer())
        self._decoder = Decoder(self._dialect)
        return self._decoder


def _is_over(answer: Answer) -> bool:
    """It has come to its end, or to an error that ends it."""
    return answer.end is not None or _refused(answer)


def _begun(answer: Answer) -> bool:
    return bool(answer.text or answer.reasoning or answer.all_tools)


def _refused(answer: Answer) -> bool:
    return answer.error is not None and answer.error.fatal


def _sound(answer: Answer) -> bool:
    return answer.end is not None and answer.end.clean
