"""What a check is given: the transcripts of one endpoint, and what can be picked out of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from tokenwire.dialects import DIALECTS, Dialect
from tokenwire.dialects.guess import guess_dialect
from tokenwire.recording.captures import Layer

from ..probes.asking import PROMPTED
from ..probes.many import Many
from ..probes.talk import Probe, all_probes
from ..reading.anthropic import MessageStream
from ..reading.arrivals import Arrivals
from ..reading.chat import ChatStream, Choice
from ..reading.gemini import Array, GeminiStream
from ..reading.generation import Generation, dialect_of
from ..reading.http import Response
from ..reading.lines import JSON_LINES, Lines
from ..reading.responses import ResponseStream
from ..reading.sockets import Socket
from ..reading.stream import Payload, Stream
from ..reading.transcript import Transcript
from .judged import Course
from .verdict import Evidence, Finding, Inconclusive, NotApplicable, NotAsked

__all__ = [
    "Case",
    "asked_for_stream",
    "at",
    "at_frame",
    "brief",
    "excerpt",
    "gathered",
    "given_up",
    "is_dialects_own",
    "json_of",
    "not_whole",
    "offsets_of",
    "unfinished",
]

#: Bytes of a body, and characters of a value, in the words of a verdict.
EXCERPT = 160
BRIEF = 60

#: Bytes kept as evidence: most events, and most heads, whole.
EVIDENCE = 1024

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")

#: The probes whose questions have no flaw, or none that could be seen without knowing the dialect.
_QUESTIONS = frozenset(
    {"stream", "usage", "length", "tools", "whole", "failure", "upstream-cut", "bad-json", "unknown-model", "overflow",
     "no-key", "wrong-key"}
)  # fmt: skip


class Case:
    """The transcripts of one endpoint, by the name of the probe or file."""

    def __init__(
        self,
        transcripts: Iterable[Transcript],
        failures: Mapping[str, str] | None = None,
        course: Course = Course(),  # noqa: B008 - it is frozen
        origin: Case | None = None,
        many: Many | None = None,
    ) -> None:
        asked = [*transcripts, *(many.transcripts if many is not None else ())]
        self.transcripts: Mapping[str, Transcript] = {transcript.name: transcript for transcript in asked}
        #: Why a probe could not be made, by its name.
        self.failures: Mapping[str, str] = failures or {}
        #: How the run went in which they were made.
        self.course = course
        #: Of a hop: what the same probes were answered by what stands behind it.
        self.origin = origin
        #: The answers to the plain question, asked many times.
        self.many = many

    def behind(self, origin: Case) -> Case:
        """The same, as that of a hop in front of this origin."""
        return Case(self._asked_once, self.failures, self.course, origin, self.many)

    @cached_property
    def once(self) -> Case:
        """The same without the answers to many questions: what befalls one of them by chance befalls no other."""
        return self if self.many is None else Case(self._asked_once, self.failures, self.course, self.origin)

    @property
    def _asked_once(self) -> list[Transcript]:
        many = {made.name for made in self.many.transcripts} if self.many is not None else ()
        return [made for name, made in self.transcripts.items() if name not in many]

    def asked_again(self, many: Many, course: Course) -> Case:
        """The same, with the answers to a question that was asked many times, and how the run went then."""
        return Case(self.transcripts.values(), self.failures, course, self.origin, many)

    @cached_property
    def responses(self) -> list[Response]:
        """Every final response of which something arrived."""
        return [response for transcript in self.transcripts.values() for response in transcript.responses]

    @cached_property
    def dialects(self) -> set[str]:
        """What is spoken in the answers, as far as that can be told."""
        spoken = {dialect_of(response) for response in self.responses}
        return spoken | {"openai-chat"} if self.chats else spoken

    @cached_property
    def streams(self) -> list[Stream]:
        """Every event stream: what says it is one, and what was asked to be one and looks like one."""
        return [Stream(response) for response in self.responses if _is_stream(response)]

    @cached_property
    def chats(self) -> list[ChatStream]:
        """Every stream of chat completion chunks."""
        return [ChatStream(stream) for stream in self.streams if ChatStream.is_one(stream)]

    @cached_property
    def response_streams(self) -> list[ResponseStream]:
        """Every stream of OpenAI Responses."""
        return [ResponseStream(stream) for stream in self.streams if dialect_of(stream.response) == "openai-responses"]

    @cached_property
    def message_streams(self) -> list[MessageStream]:
        """Every stream of Anthropic Messages."""
        return [MessageStream(stream) for stream in self.streams if dialect_of(stream.response) == "anthropic-messages"]

    @cached_property
    def gemini_streams(self) -> list[GeminiStream]:
        """Every stream of Gemini's, as events or as an array."""
        events = [GeminiStream(stream) for stream in self.streams if dialect_of(stream.response) == "gemini"]
        arrays = [GeminiStream(Array(response)) for response in self.responses if _is_array(response)]
        return events + arrays

    @cached_property
    def lines(self) -> list[Lines]:
        """Every body of JSON lines: what says it is one, and what Ollama was asked to stream."""
        return [Lines(response) for response in self.responses if _is_lines(response)]

    @cached_property
    def ollama_streams(self) -> list[Lines]:
        """Every stream of Ollama's."""
        return [lines for lines in self.lines if dialect_of(lines.response) == "ollama"]

    @cached_property
    def generations(self) -> list[Generation]:
        """Every streamed answer of a model, whatever the dialect, as events or as lines."""
        bodies: list[Stream | Lines] = [*self.streams, *self.lines]
        return [
            Generation(body, DIALECTS[dialect])
            for body in bodies
            if (dialect := dialect_of(body.response)) in PROMPTED and _asks_for_answer(body.response)
        ]

    @cached_property
    def arrivals(self) -> list[Arrivals]:
        """When the parts of every streamed answer came, of which something did."""
        return [Arrivals(generation) for generation in self.generations if generation.response.body]

    @cached_property
    def sockets(self) -> list[Socket]:
        """Every WebSocket that was granted."""
        return [socket_of(response) for response in self.responses if response.status == 101 and response.head_complete]

    def transcript(self, probe: str) -> Transcript:
        """What went over the wire for a probe.

        :raises Inconclusive: when it could not be made.
        :raises NotAsked: when there is none like it for the transport and the dialect, or without a key.
        """
        if probe in self.failures:
            raise Inconclusive(self.failures[probe])
        if probe not in self.transcripts:
            raise NotAsked(self._why_not_made(all_probes()[probe]))
        return self.transcripts[probe]

    @cached_property
    def unread(self) -> Mapping[str, str]:
        """The probes whose answers were not read, or not to their end, and why."""
        endless = {
            name: f"the answer to the probe {name!r} did not come to its end"
            for name, transcript in self.transcripts.items()
            if name in all_probes() and given_up(transcript)
        }
        return {**endless, **self.failures}

    @cached_property
    def cut(self) -> list[Transcript]:
        """The recordings, not made by a probe, that end before the answer does."""
        own = (made for name, made in self.transcripts.items() if name not in all_probes())
        return [made for made in own if not made.misses(Layer.END) and given_up(made)]

    def _why_not_made(self, probe: Probe) -> str:
        made = {all_probes()[name].transport for name in self.transcripts if name in all_probes()}
        if probe.transport not in made:
            return f"nothing was asked over {'WebSocket' if probe.transport == 'websocket' else 'HTTP'}"
        if probe.costly:
            return "its probe costs as much as all others together, and is made with --costly only"
        if probe.by_name and self.dialects & set(probe.dialects):
            return "its probe is made only where its check is named (--only), or with --costly"
        if probe.slow:
            return "its probe waits for minutes, and is made only for an endpoint that is named"
        return "this dialect has no such probe, or only with a key or with a model that fails"

    def response(self, probe: str, number: int = 0) -> Response:
        """The answer to a probe.

        :raises Inconclusive: when there was none; and as `transcript` does.
        """
        transcript = self.transcript(probe)
        if len(transcript.responses) <= number or not transcript.responses[number].head_complete:
            raise Inconclusive(
                f"the probe {probe!r} got no answer: {transcript.ending or 'the connection stayed silent'}"
            )
        return transcript.responses[number]

    def accepted(self, probe: str) -> Response:
        """The answer to a probe whose request is a good one.

        :raises Inconclusive: when it was refused.
        """
        response = self.response(probe)
        if not 200 <= response.status < 300:
            raise Inconclusive(f"the probe {probe!r} was refused with {response.status}: {excerpt(response.content)}")
        return response

    def socket(self, probe: str) -> Socket:
        """The WebSocket that a probe got.

        :raises Inconclusive: when it got none.
        """
        response = self.response(probe)
        for socket in self.sockets:
            if socket.response is response and socket.too_large:
                raise Inconclusive(f"the WebSocket of the probe {probe!r} cannot be judged: {socket.too_large}")
            if socket.response is response:
                return socket
        raise Inconclusive(f"the probe {probe!r} got no WebSocket, but {response.status}: {excerpt(response.content)}")

    def handshake(self, probe: str) -> Response | None:
        """The answer to a handshake that is unusual or wrong; None where the server ended the connection instead.

        :raises Inconclusive: when the plain handshake is refused too, or nothing at all came.
        """
        self.socket("ws-answer")
        transcript = self.transcript(probe)
        if transcript.ended_by_server and not transcript.received:
            return None
        return self.response(probe)

    def talking(self, probe: str = "ws-answer") -> Socket:
        """The WebSocket on which a sound question was asked: without an answer to that no other tells anything.

        :raises Inconclusive: when it was not answered.
        """
        socket = self.socket(probe)
        if not socket.answered:
            raise Inconclusive(f"the question of the probe {probe!r} was not answered{_how(socket)}")
        return socket

    def chat(self, probe: str) -> ChatStream:
        """The chat stream that a probe got.

        :raises Inconclusive: when it got none.
        """
        response = self.accepted(probe)
        if not _is_stream(response):
            raise Inconclusive(f"the probe {probe!r} got no event stream")
        # Read once, however many checks ask for it.
        return next((chat for chat in self.chats if chat.response is response), ChatStream(Stream(response)))

    def generation(self, probe: str) -> Generation:
        """The streamed answer that a probe got, in any dialect whose framing is text.

        :raises Inconclusive: when it got none.
        :raises NotApplicable: for an answer in Amazon's binary framing.
        """
        response = self.accepted(probe)
        for generation in self.generations:
            if generation.response is response:
                return generation
        if response.media_type == DIALECTS["bedrock-converse"].content_type:
            raise NotApplicable("the answer is framed in binary")
        raise Inconclusive(f"the probe {probe!r} got no stream")


def socket_of(response: Response) -> Socket:
    """The WebSocket that a 101 has granted, in the dialect of its transcript."""
    return Socket(response, _spoken_on(response))


def given_up(transcript: Transcript) -> bool:
    """We left while an answer was awaited, or still coming."""
    responses = transcript.responses
    if responses and responses[0].status == 101:
        socket = socket_of(responses[0])
        return socket.asked and not socket.failed and not socket.complete_answers
    return not transcript.ended_by_server and not (responses and responses[-1].complete)


def unfinished(transcript: Transcript) -> bool:
    """Not everything that was asked was answered to its end; a WebSocket had no Close of the server's."""
    responses = transcript.responses
    if responses and responses[0].status == 101:
        return Socket(responses[0]).close is None
    asked = sum(bool(request.method) for request in transcript.requests)  # what is no request line is a body's rest
    return len(responses) < asked or not (responses and responses[-1].complete)


def not_whole(probe: str, response: Response) -> Inconclusive:
    """Why an answer cannot be judged to its end."""
    if response.hung_up:
        return Inconclusive(f"the answer to the probe {probe!r} was still coming when its time was up")
    return Inconclusive(f"the answer to the probe {probe!r} broke off, failed, or is none of the dialect")


def at(response: Response, offset: int | None = None, *, content: int | None = None) -> Evidence:
    """The bytes at an offset of what was received, or at an offset of the response's content; else its head, for a
    finding that is about a field that is not there, or about the response as a whole.
    """
    transcript = response.transcript
    if content is not None:
        offset = response.wire_offset(content)
        data = response.content[content : content + EVIDENCE]
        blank = _BLANK_LINE.search(data, 1)
        data = data[: blank.end()] if blank is not None else data  # an event, and not the next one
    elif offset is not None:
        data = transcript.received[offset : offset + EVIDENCE]
    else:
        offset = response.offset
        data = transcript.received[offset : offset + EVIDENCE]
        data = data[: data.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in data else data
    seconds = None if transcript.misses(Layer.TIMES) else transcript.seconds_at(offset)
    return Evidence(transcript.name, offset - transcript.capture.offset, seconds, data)


def at_frame(socket: Socket, offset: int) -> Evidence:
    """The bytes of a frame that the server sent."""
    return at(socket.response, offset)


def _how(socket: Socket) -> str:
    error = next((answer.error for answer in socket.answers if answer.error is not None), None)
    if error is not None:
        return f": the server said {error.code} {error.message}".rstrip()
    if socket.close is not None:
        return f": the server closed with {socket.close.code} {socket.close.reason}".rstrip()
    return f": {socket.transcript.ending}" if socket.transcript.ended_by_server else ""


def gathered(response: Response, offsets: Sequence[int], message: str) -> Iterator[Finding]:
    """One finding for all places of one kind in a response: the first is shown, the rest are counted.

    :param offsets: in the content; no finding where there are none.
    """
    if offsets:
        yield Finding(message, at(response, content=offsets[0]), len(offsets))


def offsets_of(items: Iterable[Payload | Choice]) -> list[int]:
    """Where they stand in the content of their response."""
    return [item.offset for item in items]


def json_of(response: Response) -> Any:
    """The JSON of a whole response; None where it is none."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def excerpt(data: bytes) -> str:
    """The beginning of a body, on one line."""
    text = " ".join(data.decode("utf-8", "replace").split())
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"


def brief(value: Any) -> str:
    """The beginning of a value, as JSON."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= BRIEF else text[:BRIEF] + "…"


def asked_for_stream(response: Response) -> bool:
    """The request said that it wants a stream: in its body, in its path, or as a GET for server-sent events.

    A path alone asks for nothing: a browser's preflight has it too. Where the request is not shown, an answer that
    looks like a stream was asked to be one.
    """
    if response.transcript.misses(Layer.REQUEST):
        return _looks_like_events(response)
    request = response.request
    if request.method != "POST":
        return request.method == "GET" and "text/event-stream" in request.header("accept")
    path, _, query = request.target.partition("?")
    if path.endswith(":streamGenerateContent"):
        return "alt=sse" in query.split("&")
    if path.endswith("/converse-stream"):
        return True
    return request.asked.get("stream") is True


def is_dialects_own(response: Response) -> bool:
    """The request was sound as HTTP, and a question in its dialect, so that it can be refused in that dialect's words.

    Of a recording that is taken for granted.
    """
    name = response.transcript.name
    return response.request.method == "POST" and (name in _QUESTIONS or name not in all_probes())


def _is_stream(response: Response) -> bool:
    if not response.head_complete or not 200 <= response.status < 300:
        return False
    if response.media_type == "text/event-stream":
        return not (_wants_lines(response) and response.content.startswith(b"{"))
    return asked_for_stream(response) and _looks_like_events(response)


def _looks_like_events(response: Response) -> bool:
    return response.content.startswith((b"data:", b"event:", b":", b"id:", b"retry:", b"\xef\xbb\xbfdata:"))


def _is_lines(response: Response) -> bool:
    if not response.head_complete or response.status != 200:
        return False
    return response.media_type in JSON_LINES or (_wants_lines(response) and not _is_stream(response))


def _wants_lines(response: Response) -> bool:
    """Ollama was asked for a stream; where the request is not shown, more than one line tells it."""
    if response.transcript.misses(Layer.REQUEST):
        asked = b"}\n{" in response.content
    else:
        asked = response.request.method == "POST" and asked_for_stream(response)
    return asked and dialect_of(response) == "ollama"


def _is_array(response: Response) -> bool:
    """Gemini was asked for a stream without `alt=sse`."""
    request = response.request
    path = request.target.partition("?")[0]
    asked = request.method == "POST" and path.endswith(":streamGenerateContent") and not asked_for_stream(response)
    return asked and response.head_complete and response.status == 200 and dialect_of(response) == "gemini"


def _spoken_on(response: Response) -> Dialect | None:
    """The dialect of a WebSocket: as the transcript says, or else as its URL does."""
    said = response.transcript.recording.header.get("dialect")
    if said is not None:
        return DIALECTS.get(str(said))
    guessed = DIALECTS[guess_dialect(response.request.target).dialect]
    return guessed if guessed.opening is not None else None


def _asks_for_answer(response: Response) -> bool:
    return response.request.method in ("POST", "")
