"""The bytes of a body in, stream events out: a framing and a dialect put together, without I/O.

    decoder = Decoder("openai-chat")
    for event in decoder.receive_data(chunk): ...
    for event in decoder.receive_eof(): ...
    decoder.outcome      # "clean", "error" (the server said so) or "interrupted"; None while it runs

With the dialect "auto" the first bytes are held back until they tell which one it is: see `guess`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from ..checking import must_be, must_be_number
from ..errors import RemoteProtocolError
from ..framing.sse import MAX_EVENT_SIZE, ServerSentEvent, as_bytes
from ..lazily import Lazily
from . import dialect_named
from .dialect import Dialect
from .events import BlockStart, End, Error, Finish, Other, StreamEvent
from .frames import frames_for
from .names import DialectName
from .refusals import refusal_in
from .template import Shortcut
from .values import error_code, mapping, value_of, word

if TYPE_CHECKING:  # few streams are guessed, or resumed
    from . import guess as guessing
    from . import overlap as overlapping
else:
    guessing, overlapping = Lazily("tokenwire.dialects.guess"), Lazily("tokenwire.dialects.overlap")

__all__ = ["Decoder", "Outcome"]

Outcome = Literal["clean", "error", "interrupted"]

#: Bytes of an unfinished message that wait to go the short way. They are joined with every read: a longer message is
#: the framing's, which takes pieces of any size in linear time.
MAX_WAITING = 4096


class Decoder:
    """Decodes one stream of one dialect.

    :param dialect: a dialect, or the name of one; "auto" guesses it from the first bytes.
    :param last_event_id: where an earlier connection stopped (framing "sse").
    :param max_event_size: bytes, as in `SSEParser`.
    :param hint: with "auto", the dialect where the bytes do not say which.
    :raises LocalProtocolError: for the name of no dialect.
    """

    def __init__(
        self,
        dialect: DialectName | Dialect,
        *,
        last_event_id: str = "",
        max_event_size: int = MAX_EVENT_SIZE,
        hint: guessing.Guess | None = None,
    ) -> None:
        must_be_number(max_event_size, "max_event_size", whole=True)
        must_be(last_event_id, str, "last_event_id", "text, empty for none")
        #: How the stream ended; None while it has not.
        self.outcome: Outcome | None = None
        #: With "auto": the dialect that the stream was taken for, and why, once that is clear.
        self.guess: guessing.Guess | None = None
        #: At the end: the body was no stream, and a fatal `Error` stands in its place.
        self.no_stream: bool = False
        #: What terminated the framing, and what the next call raises; None once the stream has ended.
        self.error: RemoteProtocolError | None = None
        self._failure: Error | None = None
        self._is_stream = False  # a message said something of an answer
        self._final_id: str | None = None  # the last event ID at the message that ended the stream
        self._last_event_id = last_event_id
        self._max_event_size = max_event_size
        self._guesser: guessing.Guesser | None = None
        if dialect == "auto":
            self._guesser = guessing.Guesser(hint, min(guessing.MAX_HELD, max_event_size))
            dialect = hint.dialect if hint else "raw"
        self._waiting = b""  # the beginning of a message, of which the framing knows nothing yet
        self._aligned = False  # the framing is between two messages
        self._passed_over = 0  # bytes that went the short way since the framing was last told
        self._overlap: overlapping.Overlap | None = None
        self._resumed_after = ""  # the last event ID before that, to which what comes twice has not come
        self._read_as(dialect_named(dialect))

    def _read_as(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._decoder = dialect.decoder()
        self._frames = frames_for(dialect, self._last_event_id, self._max_event_size)
        self._shortcut = Shortcut(dialect.holes, self._decoder) if dialect.holes is not None else None

    @property
    def ended(self) -> bool:
        """The `End` has been given: what follows on the wire is of no interest."""
        return self.outcome is not None

    @property
    def failure(self) -> Error | None:
        """The fatal error that the server said, once the stream has ended with it."""
        return self._failure if self.outcome == "error" else None

    @property
    def may_end(self) -> bool:
        """The end of the body would stand for the dialect's terminator now. While the dialect is guessed it may not."""
        return self._guesser is None and self._decoder.finished()

    @property
    def last_event_id(self) -> str:
        """For the Last-Event-ID header of the next connection; empty where there is none. What comes after the message
        that ended the stream does not count, be it in the same read or not; nor does what comes a second time."""
        if self._final_id is not None:
            return self._final_id
        return self._frames.last_event_id if self._overlap is None else self._resumed_after

    @property
    def retry(self) -> int | None:
        """The reconnection time that the stream asked for, in milliseconds."""
        return self._frames.retry

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[StreamEvent]:
        """Takes the next bytes of the body.

        :raises RemoteProtocolError: when a limit of the framing is passed, or the framing is so broken that nobody can
            tell where the next message begins; after what came before it was given.
        """
        if type(data) is not bytes:
            data = as_bytes(data)
        if self.outcome is not None:
            return []
        if self._guesser is not None:
            self._guesser.receive_data(data)
            data = self._take_guess(self._guesser)
        shortcut = self._shortcut
        if self._aligned and shortcut is not None and shortcut.ready and not self._waiting and len(data) <= MAX_WAITING:
            events = shortcut.read_block(data)
            if events is not None:
                self._passed_over += len(data)
                return events
        if shortcut is None or (shortcut.given_up and not self._waiting) or self._overlap is not None:
            return self._read(data)
        return self._receive(shortcut, data)

    def receive_message(self, data: str | bytes | bytearray | memoryview) -> list[StreamEvent]:
        """Takes one message of a WebSocket; some servers put their JSON into binary ones."""
        text = data if isinstance(data, str) else as_bytes(data).decode("utf-8", "replace")
        if self._guesser is not None:
            self._guesser.receive_message(text)
            self._take_guess(self._guesser)
        if self.outcome is not None:
            return []
        shortcut = self._shortcut
        if shortcut is not None and shortcut.ready and (events := shortcut.read_message(text)) is not None:
            return events
        return self._decode([ServerSentEvent("", text, "")])

    def receive_messages(self, messages: Sequence[str | bytes]) -> list[StreamEvent]:
        """Takes the messages that came in one read of a WebSocket: those that are alike go the short way together."""
        if len(messages) == 1:
            return self.receive_message(messages[0])
        shortcut = self._shortcut
        if shortcut is None:
            return [event for message in messages for event in self.receive_message(message)]
        if shortcut.ready and not self.ended and (deltas := shortcut.read_messages(messages)) is not None:
            return deltas
        events: list[StreamEvent] = []
        at = 0
        while at < len(messages) and not self.ended:
            end = shortcut.alike(messages, at) if shortcut.ready else at
            deltas = shortcut.read_messages(messages[at:end]) if end > at + 1 else None
            if deltas is not None:
                events += deltas
            else:
                end = max(end, at + 1)
                events += [event for message in messages[at:end] for event in self.receive_message(message)]
            at = end
        return events

    def resume(self, overlap: overlapping.Overlap | None = None) -> None:
        """The next bytes are those of another connection, which goes on where the last one broke.

        What was unfinished there is dropped, for it comes again.

        :param overlap: knows what of it had arrived; that is told, and not decoded again.
        """
        self._resumed_after = self.last_event_id
        self.error = None
        self._frames = frames_for(self.dialect, self._resumed_after, self._max_event_size)
        self._waiting = b""
        self._aligned = False
        self._passed_over = 0
        self._overlap = overlap

    def receive_eof(self, *, cut: bool = False) -> list[StreamEvent]:
        """The body ended. An `End` that is not clean means that the dialect's terminator had not been seen.

        :param cut: the transport knows that more should have come, so this end stands for no terminator. The same
            holds where the framing knows it.
        :raises RemoteProtocolError: what the next `receive_data` would have raised.
        """
        if self.ended:
            return []
        events: list[StreamEvent] = []
        if self._guesser is not None:
            self._guesser.receive_eof()
            held = self._take_guess(self._guesser)
            events = self._read(held)
        if self._shortcut is not None and self._waiting:
            self._through_framing(self._shortcut, self._waiting, events)
            self._waiting = b""
        self._catch_up()
        events += self._read(None)
        if self.ended:
            return events
        words = "" if self._is_stream else self._frames.words
        whole = self._whole_answer(words) if words and self._failure is None else []
        if words and self._failure is None and not whole:  # the dialect may have known the error in them
            self.no_stream = True
            events += self._note([self._in_place_of_a_stream(words)])
        last = whole or self._decoder.receive_eof()
        for event in last:
            if isinstance(event, End):
                event.clean = event.clean and not cut and not self._frames.cut and (bool(whole) or not words)
        return events + self._note(last)

    def _whole_answer(self, words: str) -> list[StreamEvent]:
        """The events of a body that is no stream and has the whole answer, as of a server that does not stream, or was
        not asked to; nothing for any other body."""
        decoder = self.dialect.decoder()
        told = decoder.receive_message(ServerSentEvent("message", words, "")) if words.startswith(("{", "[")) else []
        told += decoder.receive_eof()
        failed = any(isinstance(event, Error) and event.fatal for event in told)
        return told if not failed and any(isinstance(event, BlockStart | Finish) for event in told) else []

    def _in_place_of_a_stream(self, words: str) -> Error:
        """The error that a body is which is no stream: an error object, as of a refusal, or words, or a page."""
        body = value_of(words)
        fields = self.dialect.error_fields(body) or refusal_in(body, alone=True) or mapping(body)
        code, message = error_code(fields, "code", "type", "status_code"), word(fields.get("message"))
        return Error(code, message or words, fatal=True, raw=words)

    def _take_guess(self, guesser: guessing.Guesser) -> bytes:
        """What has been held back, once it is clear what it is; nothing before."""
        if guesser.guess is not None:
            self.guess = guesser.guess
            self._guesser = None
            self._read_as(dialect_named(guesser.guess.dialect))
        return guesser.held

    def _receive(self, shortcut: Shortcut, data: bytes) -> list[StreamEvent]:
        """What may hold many deltas: whole messages go the short way where they can, and the beginning of another waits
        for its rest."""
        events: list[StreamEvent] = []
        if self.error is not None:
            raise self.error
        if self._waiting:
            data, self._waiting = self._waiting + data, b""
        try:
            if not self._aligned:
                first = shortcut.first_end(data)
                self._through_framing(shortcut, data[:first], events)
                data = data[first:]
            end = shortcut.last_end(data) if self._aligned else 0
            if end:
                self._receive_whole(shortcut, data[:end], events)
            if self._aligned and shortcut.ready and len(data) - end <= MAX_WAITING:
                self._waiting = data[end:]
            else:
                self._through_framing(shortcut, data[end:], events)
        except RemoteProtocolError:
            if not events:
                raise  # otherwise it takes effect after them
        return events

    def _receive_whole(self, shortcut: Shortcut, data: bytes, events: list[StreamEvent]) -> None:
        """Whole messages: all at once where they are alike, else run by run, with what stands between the runs."""
        if self._go_short(shortcut, shortcut.read_body, data, events):
            return
        at = 0
        while at < len(data) and not self.ended:
            end = shortcut.run_end(data, at) if shortcut.ready else shortcut.first_end(data, at)
            if not shortcut.ready:
                self._through_framing(shortcut, data[at:end], events)
            elif end == at or not self._go_short(shortcut, shortcut.read_body, data[at:end], events):
                end = max(end, shortcut.first_end(data, at))
                self._receive_singly(shortcut, data[at:end], events)
            at = end

    def _receive_singly(self, shortcut: Shortcut, data: bytes, events: list[StreamEvent]) -> None:
        at = 0
        while at < len(data):
            end = shortcut.first_end(data, at)
            if not self._go_short(shortcut, shortcut.read_block, data[at:end], events):
                self._through_framing(shortcut, data[at:end], events)
            at = end

    def _go_short(
        self,
        shortcut: Shortcut,
        read: Callable[[bytes], list[StreamEvent] | None],
        data: bytes,
        events: list[StreamEvent],
    ) -> bool:
        """Whether it could."""
        may = shortcut.ready and self._aligned and len(data) <= self._max_event_size
        deltas = read(data) if may else None
        if deltas is None:
            return False
        self._passed_over += len(data)
        events += deltas
        return True

    def _through_framing(self, shortcut: Shortcut, data: bytes, events: list[StreamEvent]) -> None:
        """The long way. What is no message, such as an id alone, may change things too."""
        if not data or self.ended:
            return
        self._catch_up()
        self._aligned = False
        events += self._read(data)
        self._aligned = self._frames.between_messages
        shortcut.ready = shortcut.ready and shortcut.last_event_id == self._frames.last_event_id

    def _catch_up(self) -> None:
        """Tells the framing what went the short way."""
        if self._passed_over:
            self._frames.pass_over(self._passed_over)
            self._passed_over = 0

    def _read(self, data: bytes | None) -> list[StreamEvent]:
        """What the framing finds in the bytes, or at the end (None), and the dialect in that."""
        frames = self._frames
        try:
            messages = frames.receive_eof() if data is None else frames.receive_data(data)
        finally:
            self.error = frames.error
        return self._decode(messages)

    def _decode(self, messages: list[ServerSentEvent]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for message in messages:
            if self._overlap is not None:
                new, told = self._look(self._overlap, message)
                events += told
                if not new:
                    continue
            given = self._decoder.receive_message(message)
            if self._shortcut is not None:  # which learns nothing from a message that was read out of another
                self._shortcut.note(message, given if given and given[0].raw is message.data else [])
            events += self._note(given)
            if self.ended:
                self._final_id = message.id
                break
        return events

    def _look(self, overlap: overlapping.Overlap, message: ServerSentEvent) -> tuple[bool, list[StreamEvent]]:
        new, told = overlap.look(message)
        if overlap.over:
            self._overlap = None
        return new, told

    def _note(self, events: list[StreamEvent]) -> list[StreamEvent]:
        for event in events:
            if isinstance(event, Error):
                self._failure = self._failure or (event if event.fatal else None)
            elif isinstance(event, End):
                self.outcome = "clean" if event.clean else "interrupted" if self._failure is None else "error"
                self.error = None
            elif not isinstance(event, Other):
                self._is_stream = True
        return events
