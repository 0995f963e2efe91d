"""Which dialect a stream speaks, and why: from its first bytes, its content type and its URL.

guess_dialect("https://api.anthropic.com/v1/messages")
guess_dialect(first_bytes=b'data: {"candidates": [{"content": …')      # Guess("gemini", "a message has candidates")

The bytes are the best witness: each dialect is known by its first message or the second, which are read by the framing
that they have. Some say the same in more than one dialect; then the URL decides, or else the wider one is taken:

- Mistral's stream is one of OpenAI's chat; "mistral" differs in errors and reads a stream of OpenAI's alike.
- An error says less, and so does a bare `[DONE]`; but nothing may follow it, so it is handed on at once.
- A ping, or a message of an unknown kind, says too little: what follows decides, up to a limit.
- A JSON-RPC error is that of MCP or of A2A.
- `/api/chat` is Ollama's path, and the one that applications give to the AI SDK.

What no dialect here knows is "eventsource" where it is an event stream, and "raw" where it is JSON.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..checking import must_be
from ..errors import RemoteProtocolError
from ..framing.sse import ServerSentEvent, as_bytes
from ..records import record
from .dialect import Framing, Message, is_done
from .eventsource import EVENTSOURCE
from .frames import Frames, frames_for
from .json_decoder import prefixed_twice
from .names import DialectName
from .refusals import refusal_in
from .values import error_fields, error_in_words, listed, mapping, parse, word

__all__ = ["STREAM_TYPES", "Guess", "Guesser", "guess_dialect"]

#: Bytes of a stream that are held back while it is not clear. The largest first messages seen are those of the
#: Responses API (100 kB), which repeat the instructions and the tools of the request.
MAX_HELD = 1024 * 1024

#: Messages that may say little before one that does: Azure's filter results, pings, events of a gateway's own.
MAX_MESSAGES = 4

#: The content types of streams. `application/json` is none of them: it is also that of an answer that is no stream.
STREAM_TYPES = (
    "text/event-stream",
    "application/x-ndjson",
    "application/stream+json",
    "application/vnd.amazon.eventstream",
)


@record(frozen=True)
class Guess:
    """The name of a dialect, and the reason to take it for that one."""

    dialect: DialectName
    reason: str


def guess_dialect(url: str = "", content_type: str = "", first_bytes: bytes | bytearray | memoryview = b"") -> Guess:
    """Guesses the dialect of a stream from what is known of it: the more, the better.

    :param url: of the endpoint; needed where the request is still to be made.
    :param content_type: of the response.
    :param first_bytes: of the response's body, content codings removed.
    """
    must_be(url, str, "url", "the URL as text")
    must_be(content_type, str, "content_type", "text, empty for none")
    guesser = Guesser(_from_url(url) or _from_content_type(content_type))
    guesser.receive_data(as_bytes(first_bytes))
    return guesser.receive_eof()


class Guesser:
    """Takes the bytes of a stream until it is clear which dialect they are of.

    Nothing but the bytes decides, and not how they are cut: each whole message is looked at once, in its order.

    :param hint: what is taken where the bytes fit it as well as another, or say nothing.
    :param max_held: bytes; when so many have come, what is known by then has to be enough.
    """

    def __init__(self, hint: Guess | None = None, max_held: int = MAX_HELD) -> None:
        #: The dialect, once it is clear.
        self.guess: Guess | None = None
        #: The bytes so far: what a decoder of that dialect is to be given.
        self.held: bytes = b""
        self._hint = hint
        self._max_held = max_held
        self._received = bytearray()
        self._weak: Guess | None = None  # what the messages so far let one think
        self._messages = 0
        self._framing: Framing | None = None
        self._frames: Frames

    def receive_data(self, data: bytes) -> None:
        """Takes the next bytes."""
        room = self._max_held - len(self._received)
        self._received += data
        self._look(data[:room])
        if self.guess is None and len(self._received) >= self._max_held:
            self.guess = self._conclusion()
        self._hold()

    def receive_message(self, text: str) -> None:
        """Takes the message of a WebSocket, which has to be enough."""
        self._consider(ServerSentEvent("", text, ""))
        self.guess = self.guess or self._conclusion()

    def receive_eof(self) -> Guess:
        """There will be no more: it has to be enough."""
        if self.guess is None:
            self.guess = self._conclusion()
            self._hold()
        return self.guess

    def _hold(self) -> None:
        if self.guess is not None:
            self.held = bytes(self._received)

    def _look(self, data: bytes) -> None:
        if self._framing is None:
            data = bytes(self._received[: self._max_held])
            self._framing = _framing_of(data)
            if self._framing is None:
                return
            self._frames = frames_for(replace(EVENTSOURCE, framing=self._framing, plain=False), "", self._max_held)
        try:
            messages = self._frames.receive_data(data)
        except RemoteProtocolError:
            return
        for message in messages:
            self._consider(message)
            if self.guess is not None:
                return

    def _consider(self, message: Message) -> None:
        self._messages += 1
        message = prefixed_twice(message) or message
        says, guess = _from_event(message) if self._framing == "eventstream" else _from_message(message)
        if guess is not None and says == "which":
            self.guess = self._of_its_family(guess)
            return
        self._weak = self._weak or guess
        if says == "enough" or self._messages >= MAX_MESSAGES:
            self.guess = self._conclusion()

    def _of_its_family(self, guess: Guess) -> Guess:
        if self._hint is not None and self._hint.dialect in _FAMILIES.get(guess.dialect, ()):
            return Guess(self._hint.dialect, f"{guess.reason}, and {self._hint.reason}")
        return guess

    def _conclusion(self) -> Guess:
        """What it is, should nothing more come that says more."""
        known = self._hint or self._weak
        if known is not None:
            return known
        if self._framing == "eventstream":
            return Guess("bedrock-converse", "it is an AWS event stream")
        if not self._messages:
            return Guess("openai-chat", "nothing says otherwise, and most servers speak it")
        if bytes(self._received).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
            return Guess("raw", "it is JSON that no dialect knows")
        return Guess("eventsource", "it is an event stream that no dialect knows")


# The URL.

#: A dialect by how the path of its endpoint ends.
_PATHS: Sequence[tuple[str, DialectName]] = (
    (r"BidiGenerateContent$", "gemini-live"),
    (r":(streamG|g)enerateContent$", "gemini"),
    (r"/interactions(/[^/]+)?$", "gemini-interactions"),
    (r"/converse-stream$", "bedrock-converse"),
    (r"/invoke-with-response-stream$", "bedrock-invoke"),
    (r"/chat/completions$", "openai-chat"),
    (r"/completions$", "openai-completions"),
    (r"/responses(/[^/]+)?$", "openai-responses"),
    (r"/realtime$", "openai-realtime"),
    (r"/messages$", "anthropic-messages"),
    (r"/v2/chat$", "cohere-v2"),
    (r"/v1/chat$", "cohere-v1"),
    (r"/v1/chat/stream$", "holysheep"),
    (r"/api/(chat|generate)$", "ollama"),
    (r"/mcp/?$", "mcp"),
    (r"/message:stream$", "a2a"),
    (r"/tasks/[^/]+:subscribe$", "a2a"),
)

#: A dialect by the host, for a URL that names only the server.
_HOSTS: Sequence[tuple[str, DialectName]] = (
    (r"(^|\.)anthropic\.com$", "anthropic-messages"),
    (r"(^|\.)mistral\.ai$", "mistral"),
    (r"(^|\.)cohere\.(com|ai)$", "cohere-v2"),
    (r"(^|\.|-)aiplatform\.googleapis\.com$", "gemini"),
    (r"^generativelanguage\.googleapis\.com$", "gemini"),
    (r"^bedrock-runtime\.[^/]*amazonaws\.com$", "bedrock-converse"),
    (r"^mcp\.", "mcp"),
)

#: Dialects that say nearly the same: where the bytes are of the first, the URL may know that it is another.
_FAMILIES: Mapping[DialectName, Sequence[DialectName]] = {"openai-chat": ("mistral",)}

_OLLAMA_PORT = 11434


def _from_url(url: str) -> Guess | None:
    from urllib.parse import urlsplit  # takes longer to load than to decode a stream, which has no need of it

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    by_host: DialectName | None = next((name for pattern, name in _HOSTS if re.search(pattern, host)), None)
    for pattern, name in _PATHS:
        if found := re.search(pattern, parts.path):
            reason = f"the path ends in {found[0]}"
            if by_host is not None and by_host in _FAMILIES.get(name, ()):
                return Guess(by_host, f"{reason}, and the host is {host}")
            return Guess(name, reason)
    if by_host is not None:
        return Guess(by_host, f"the host is {host}")
    if port == _OLLAMA_PORT:
        return Guess("ollama", f"the port is {port}")
    if parts.scheme in ("ws", "wss") and host.endswith("openai.com"):
        return Guess("openai-realtime", f"the host is {host}, over WebSocket")
    return None


# The content type.

_CONTENT_TYPES: Mapping[str, DialectName] = {
    "application/x-ndjson": "ollama",
    "application/stream+json": "cohere-v1",
    "application/vnd.amazon.eventstream": "bedrock-converse",
}


def _from_content_type(content_type: str) -> Guess | None:
    name = content_type.partition(";")[0].strip().lower()
    return Guess(_CONTENT_TYPES[name], f"the content type is {name}") if name in _CONTENT_TYPES else None


# The bytes.

#: What a message says: which dialect it is of; enough, for nothing may follow; or too little to go by.
_Says = Literal["which", "enough", "little"]

#: A dialect by the `type` of its messages, or by how it begins.
_TYPES: Mapping[DialectName, str] = {
    "anthropic-messages": "message_start|content_block_(start|delta|stop)|message_(delta|stop)",
    "cohere-v2": "message-(start|end)|content-(start|delta|end)|tool-plan-delta|tool-call-.*|citation-(start|end)",
    "openai-realtime": r"(session|conversation|input_audio_buffer|output_audio_buffer|rate_limits)\..*",
    "openai-responses": r"(response|transcript\.text)\..*",
    "ag-ui": "(RUN|STEP|TEXT_MESSAGE|TOOL_CALL|REASONING|THINKING|STATE|ACTIVITY|SUBAGENT)_.*|MESSAGES_SNAPSHOT",
    "vercel-ui": "start|finish|abort|(start|finish)-step|(text|reasoning)-(start|delta|end)|tool-(input|output)-.*"
    "|data-.*|message-metadata|source-(url|document)",
    "holysheep": "content_delta",
}

#: The same for dialects whose messages have an `event_type`.
_EVENT_TYPES: Mapping[DialectName, str] = {
    "gemini-interactions": r"(interaction|step)\..*",
    "cohere-v1": "stream-(start|end)|text-generation|citation-generation|search-.*|tool-calls-.*",
}

#: A dialect by a member that only its messages have.
_MEMBERS: Mapping[str, DialectName] = {
    "setupComplete": "gemini-live",
    "serverContent": "gemini-live",
    "toolCall": "gemini-live",
    "toolCallCancellation": "gemini-live",
    "sessionResumptionUpdate": "gemini-live",
    "goAway": "gemini-live",
    "candidates": "gemini",
    "promptFeedback": "gemini",
    "usageMetadata": "gemini",
}


#: Where the completions of Bedrock's older models have their text and their reason.
_COMPLETIONS: Sequence[tuple[str, str]] = (
    ("generation", "stop_reason"),
    ("outputText", "completionReason"),
    ("text", "stop_reason"),
)

#: A dialect by what its answers look like that are no streams; where they differ from messages of one.
_WHOLES: Mapping[DialectName, Callable[[Mapping[str, Any]], bool]] = {
    "anthropic-messages": lambda it: it.get("type") == "message" and "content" in it and "role" in it,
    "openai-responses": lambda it: it.get("object") == "response" and "output" in it,
    "gemini-interactions": lambda it: "steps" in it and "status" in it,
    "cohere-v2": lambda it: "finish_reason" in it and isinstance(it.get("message"), dict),
    "cohere-v1": lambda it: "generation_id" in it and "text" in it,
    "bedrock-converse": lambda it: "stopReason" in it and "output" in it,
    "bedrock-invoke": lambda it: any(
        {text, stop} <= found.keys()
        for found in (it, *listed(it.get("results")), *listed(it.get("outputs")))
        for text, stop in _COMPLETIONS
    ),
}


def _framing_of(data: bytes) -> Framing | None:
    """An AWS event stream begins with twelve bytes: two lengths, and the CRC-32 of both. None while it is not clear."""
    if not data or (data.startswith(b"\0") and len(data) < 12):
        return None
    is_prelude = data.startswith(b"\0") and zlib.crc32(data[:8]) == int.from_bytes(data[8:12], "big")
    return "eventstream" if is_prelude else "sse-or-json"


def _from_event(message: Message) -> tuple[_Says, Guess]:
    """What the name of an AWS event tells."""
    name: DialectName = "bedrock-invoke" if message.event == "chunk" else "bedrock-converse"
    guess = Guess(name, f"it is an AWS event stream, of {message.event}")
    return "enough" if message.event == "error" else "which", guess


def _from_message(message: Message) -> tuple[_Says, Guess | None]:
    """What a message tells."""
    try:
        value = parse(message.data)
    except ValueError:
        value = None
    if is_done(message.data):
        return "enough", Guess("openai-chat", "it says [DONE]")
    if error_in_words(message.data):
        return "enough", Guess("openai-chat", "it is an error in words, and most servers speak it")
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return "little", None
    if which := _by_type(value) or _by_shape(value):
        return "which", which
    if enough := _by_what_many_say(value, alone=not message.event):
        return "enough", enough
    if value.get("type") == "ping":
        return "little", Guess("anthropic-messages", "it pings as Anthropic does")
    return "little", Guess("openai-chat", "a message has choices") if "choices" in value else None


def _by_type(value: Mapping[str, Any]) -> Guess | None:
    for member, dialects in (("type", _TYPES), ("event_type", _EVENT_TYPES)):
        kind = word(value.get(member))
        for name, pattern in dialects.items():
            if re.fullmatch(pattern, kind):
                if name == "openai-responses" and "event_id" in value:
                    name = "openai-realtime"
                return Guess(name, f"a message has the {member} {kind}")
    return None


def _by_shape(value: Mapping[str, Any]) -> Guess | None:
    if value.get("jsonrpc") == "2.0" and "error" not in value:
        a2a = "method" not in value and _is_stream_response(mapping(value.get("result")))
        return Guess("a2a", "a result is one of A2A's") if a2a else Guess("mcp", "a message is one of JSON-RPC")
    if _is_stream_response(value):
        return Guess("a2a", "a message is one of A2A's")
    for name, is_whole in _WHOLES.items():
        if is_whole(value):
            return Guess(name, "it is a whole answer, and no stream")
    choices = listed(value.get("choices"))
    if choices:
        text = value.get("object") == "text_completion" or ("text" in choices[0] and "delta" not in choices[0])
        if text:
            return Guess("openai-completions", "a message has choices with text")
        return Guess("openai-chat", "a message has choices")
    if isinstance(value.get("done"), bool) and ("message" in value or "response" in value):
        return Guess("ollama", "a message says whether it is done")
    if "candidates" in mapping(value.get("response")):
        return Guess("gemini", "a message has a response with candidates")
    if isinstance(value.get("response"), str | int | float):
        return Guess("openai-chat", "a message has a response, as those of Workers AI")
    if isinstance(value.get("content"), str) and isinstance(value.get("stop"), bool):
        return Guess("openai-chat", "a message has content and stop, as those of llama.cpp")
    for member, name in _MEMBERS.items():
        if member in value:
            return Guess(name, f"a message has {member}")
    return None


def _is_stream_response(value: Mapping[str, Any]) -> bool:
    """A2A's updates, those of 0.3 by their kind. MCP has tasks too, whose status is a word."""
    if value.get("kind") in ("status-update", "artifact-update", "task", "message"):
        return True
    task = mapping(mapping(value.get("task")).get("status"))
    return (
        "statusUpdate" in value
        or "artifactUpdate" in value
        or "state" in task
        or ("messageId" in mapping(value.get("message")))
    )


def _by_what_many_say(value: Mapping[str, Any], *, alone: bool) -> Guess | None:
    """What an error tells.

    :param alone: it may be all of the body.
    """
    kind = value.get("type")
    error = error_fields(value)
    if value.get("jsonrpc") == "2.0":
        return Guess("mcp", "a message is an error of JSON-RPC")
    if kind == "error" and "event_id" in value:
        return Guess("openai-realtime", "an error has an event_id")
    if kind == "error" and "sequence_number" in value:
        return Guess("openai-responses", "an error has a sequence_number")
    if kind == "error" and "errorText" in value:
        return Guess("vercel-ui", "an error has an errorText")
    if kind == "error" and error:
        return Guess("anthropic-messages", "an error is as Anthropic's")
    if isinstance(error.get("code"), int) and "status" in error:
        return Guess("gemini", "an error is as Google's")
    if set(value) == {"content"}:
        return Guess("holysheep", "a message has content and nothing else")
    if error:
        return Guess("openai-chat", "an error is as OpenAI's")
    refused = refusal_in(value, alone=alone)
    return Guess("openai-chat", "it is an error of no dialect, and most servers speak it") if refused else None
