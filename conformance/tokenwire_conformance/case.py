"""What a check is given: the transcripts of one endpoint, and what can be picked out of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from tokenwire.dialects import DIALECTS

from .chat import ChatStream
from .sockets import Socket
from .stream import Stream
from .talk import Probe, all_probes
from .transcript import Response, Transcript
from .verdict import Evidence, Finding, Inconclusive, NotApplicable

__all__ = ["Case", "at", "at_frame", "gathered", "json_of"]

#: Bytes shown as evidence.
EXCERPT = 160


class Case:
    """The transcripts of one endpoint, by the name of the probe or file."""

    def __init__(self, transcripts: Iterable[Transcript], failures: Mapping[str, str] | None = None) -> None:
        self.transcripts: Mapping[str, Transcript] = {transcript.name: transcript for transcript in transcripts}
        #: Why a probe could not be made, by its name.
        self.failures: Mapping[str, str] = failures or {}

    @classmethod
    def of_all(cls, cases: Sequence[Case]) -> Case:
        """One case of several: of an endpoint that was asked over several transports."""
        transcripts = [transcript for case in cases for transcript in case.transcripts.values()]
        return cls(transcripts, {probe: why for case in cases for probe, why in case.failures.items()})

    @cached_property
    def responses(self) -> list[Response]:
        """Every final response of which something arrived."""
        return [response for transcript in self.transcripts.values() for response in transcript.responses]

    @cached_property
    def streams(self) -> list[Stream]:
        """Every event stream: what says it is one, and what was asked to be one and looks like one."""
        return [Stream(response) for response in self.responses if _is_stream(response)]

    @cached_property
    def chats(self) -> list[ChatStream]:
        """Every stream of chat completion chunks."""
        return [ChatStream(stream) for stream in self.streams if ChatStream.is_one(stream)]

    @cached_property
    def sockets(self) -> list[Socket]:
        """Every WebSocket that was granted."""
        return [
            Socket(response, DIALECTS.get(str(response.transcript.recording.header.get("dialect"))))
            for response in self.responses
            if response.status == 101 and response.head_complete
        ]

    def transcript(self, probe: str) -> Transcript:
        """What went over the wire for a probe.

        :raises Inconclusive: when it could not be made.
        :raises NotApplicable: when there is none like it for the transport and the dialect, or without a key.
        """
        if probe in self.failures:
            raise Inconclusive(f"the probe {probe!r} could not be made: {self.failures[probe]}")
        if probe not in self.transcripts:
            raise NotApplicable(self._why_not_made(all_probes()[probe]))
        return self.transcripts[probe]

    def _why_not_made(self, probe: Probe) -> str:
        made = {all_probes()[name].transport for name in self.transcripts if name in all_probes()}
        if probe.transport not in made:
            return f"nothing was asked over {'WebSocket' if probe.transport == 'websocket' else 'HTTP'}"
        if probe.slow:
            return "its probe waits for minutes, and is made only for an endpoint that is named"
        return "this dialect has no such probe, or only with a key"

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


def at(response: Response, offset: int | None = None, *, content: int | None = None) -> Evidence:
    """The bytes at an offset of what was received, or at an offset of the response's content."""
    transcript = response.transcript
    if content is not None:
        offset = response.wire_offset(content)
        data = response.content[content : content + EXCERPT]
    else:
        offset = response.offset if offset is None else offset
        data = transcript.received[offset : offset + EXCERPT]
    return Evidence(transcript.name, offset, transcript.seconds_at(offset), data)


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
        count = f" ({len(offsets)} times in this stream)" if len(offsets) > 1 else ""
        yield Finding(message + count, at(response, content=offsets[0]))


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


def asked_for_stream(response: Response) -> bool:
    """The request said `stream: true`, or was a GET for an event stream."""
    request = response.request
    if request.method == "GET":
        return "text/event-stream" in request.header("accept")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and body.get("stream") is True


def _is_stream(response: Response) -> bool:
    if not response.head_complete or not 200 <= response.status < 300:
        return False
    if response.media_type == "text/event-stream":
        return True
    looks_like_one = response.content.startswith((b"data:", b"event:", b":", b"id:", b"retry:", b"\xef\xbb\xbfdata:"))
    return asked_for_stream(response) and looks_like_one
