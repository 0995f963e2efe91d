"""What a dialect is: how to ask, how to read, and what its errors look like. One module a dialect, all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal, Protocol, runtime_checkable

from ..records import record
from .events import StreamEvent
from .pieces import Pieces

__all__ = [
    "Again",
    "Broken",
    "Dialect",
    "DialectDecoder",
    "Framing",
    "KeepsTexts",
    "Message",
    "Prompt",
    "Tool",
    "Transport",
    "after_last_event_id",
    "bearer",
    "chat_body",
    "is_done",
    "prefilled",
]

Framing = Literal["sse", "jsonlines", "sse-or-json", "eventstream", "raw"]
Transport = Literal["HTTP", "WebSocket"]


#: The way to a member of a JSON value: names and indexes.
Path = tuple[str | int, ...]


class Message(Protocol):
    """A server-sent event, a line, a frame or a WebSocket message, as a dialect sees it: it knows no transport."""

    @property
    def event(self) -> str: ...
    @property
    def data(self) -> str: ...
    @property
    def id(self) -> str: ...


class DialectDecoder(Protocol):
    """Messages in, stream events out, for one stream. `End` comes once, last; after it there is nothing."""

    def receive_message(self, message: Message) -> list[StreamEvent]:
        """Takes one message. Never raises for what a peer may send."""
        ...

    def finished(self) -> bool:
        """Whether the end of the body would stand for the dialect's terminator now."""
        ...

    def receive_eof(self) -> list[StreamEvent]:
        """The stream ended: gives what was pending and the `End`, unless that was given before."""
        ...


@runtime_checkable
class KeepsTexts(Protocol):
    """A decoder that remembers the text of its blocks, because its server may repeat it whole."""

    def texts(self, block: int) -> Pieces | None:
        """The pieces of the text of a block. Whoever reads deltas in the decoder's place adds theirs to them.

        :returns: None for a block whose text is not kept.
        """
        ...


@record(frozen=True)
class Tool:
    """A tool that the model may call. `parameters`: a JSON schema."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@record(frozen=True)
class Prompt:
    """What is asked, in words that no dialect owns; each puts it into its own.

    :ivar text: what the user says.
    :ivar model: empty where the server has but one.
    :ivar system: the instruction that stands before it; empty for none.
    :ivar max_tokens: of the answer; None leaves it to the server.
    """

    text: str
    model: str = ""
    system: str = ""
    max_tokens: int | None = None
    tools: Sequence[Tool] = ()


def is_done(data: str) -> bool:
    """Whether the data of a message is `[DONE]`, which ends the streams of OpenAI and of many others."""
    return data.lstrip().startswith("[DONE]")


def bearer(key: str) -> dict[str, str]:
    """The field of a bearer token (RFC 6750, 2.1)."""
    return {"authorization": f"Bearer {key}"}


def chat_body(prompt: Prompt) -> dict[str, Any]:
    """A prompt as OpenAI's chat completions and those who follow them have it."""
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    body["messages"] = [*system, {"role": "user", "content": prompt.text}]
    if prompt.max_tokens is not None:
        body["max_tokens"] = prompt.max_tokens
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
            }
            for t in prompt.tools
        ]
    return body


def prefilled(json: Mapping[str, Any], text: str, **more: Any) -> dict[str, Any]:
    """The same chat with the beginning of the answer in it, for the model to go on with.

    :param more: what that message has besides.
    """
    return {**json, "messages": [*json.get("messages", ()), {"role": "assistant", "content": text, **more}]}


@record(frozen=True)
class Holes:
    """Which members of a message with one delta change from message to message: see `template`.

    :ivar texts: where the text of a delta may stand.
    :ivar free: members whose value means nothing to the decoder, such as padding.
    :ivar cursor: the number that becomes the cursor of the events.
    :ivar barred: where one of these says something, or more than one of `texts` does, what the message gives depends on
        more than the text, and it is parsed in full.
    """

    texts: Sequence[Path]
    free: Sequence[Path] = ()
    cursor: Path | None = None
    barred: Sequence[Path] = ()


@record(frozen=True)
class Broken:
    """A stream that broke, as far as it is known.

    :ivar path: of the request, with its query.
    :ivar fields: of the request, names in lower case.
    :ivar json: what was asked.
    :ivar events: what had arrived.
    :ivar id: of the generation; empty where it was not told.
    :ivar cursor: of the last event that has one; empty for none.
    :ivar last_event_id: of the server-sent events; empty where they have no ids.
    """

    path: str
    fields: Mapping[str, str]
    json: Mapping[str, Any]
    events: Sequence[StreamEvent] = ()
    id: str = ""
    cursor: str = ""
    last_event_id: str = ""


@record(frozen=True)
class Again:
    """The request that goes on with a stream that broke. It starts no generation, and may be sent more than once.

    :ivar path: with its query.
    :ivar method: a POST has `json` for its body.
    :ivar fields: more than those of the first request.
    :ivar snapshot: what was missed is not sent again; a picture of the whole comes first instead.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    fields: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    snapshot: bool = False


def after_last_event_id(broken: Broken) -> Again | None:
    """The same resource with Last-Event-ID (WHATWG HTML 9.2.4), where the events have ids."""
    if not broken.last_event_id:
        return None
    return Again(broken.path, fields={"last-event-id": broken.last_event_id})


@record(frozen=True)
class Dialect:
    """One wire format of AI token streams.

    :ivar name: as users write it.
    :ivar framing: what cuts the body into messages; "raw" does not cut, "sse-or-json" looks at the first byte that is
        no blank.
    :ivar path: where a server has it, for a URL that names only the server; `{model}` stands for the model, which then
        stands in the path and not in the body.
    :ivar method: of the request.
    :ivar content_type: of the response; where there may be several, with ", " between them; empty where any will do.
    :ivar decoder: makes the decoder of one stream.
    :ivar ask: a prompt as the JSON body of a request.
    :ivar body: completes the JSON body of a request that is to be streamed.
    :ivar error_fields: finds the error object in a JSON body, or gives an empty mapping.
    :ivar plain: it is server-sent events as the standard has them, and no more: lines outside its fields are ignored,
        and an unfinished event at the end is discarded (WHATWG HTML 9.2.6). In every other dialect such a line may be
        an error, as bare JSON or as a field `error`, and becomes a message named "error"; and an event that was begun
        and not finished is a loss.
    :ivar key_fields: the fields that carry a key.
    :ivar fields: what every request of the dialect has.
    :ivar opening: the first messages over WebSocket, from the JSON that is asked: the first goes out at once, each
        further one after the server's next message. None where the dialect is not spoken over WebSocket.
    :ivar websocket_path: where it is spoken over WebSocket, if not at `path`.
    :ivar websocket_only: it is not spoken over HTTP.
    :ivar holes: what changes from delta to delta, where the rest of the message stays and its decoder keeps no account
        of a delta but the text (`KeepsTexts`); None where there is nothing to gain.
    :ivar tools: it has tool calls, as it may have `reasoning` and `usage`.
    :ivar usage_members: members of the body without which the server does not tell the usage; empty where it always
        does, or never.
    :ivar terminator: what ends a stream, in words.
    :ivar resume: how to go on with a stream that broke, in words; empty where one can only ask again.
    :ivar resuming: the same as a request, for a stream over HTTP; None where this one cannot be gone on with.
    :ivar cursor: of a message, where it is not the id of its event.
    :ivar asking_again: what to ask over a new WebSocket when the answer on the last one broke off and is asked for once
        more: the session's state is kept where the dialect has a handle for it.
    :ivar continuing: what to ask so that the model goes on with a text that broke off; None where that cannot be asked.
    :ivar beside: the dialect in which the same JSON can be asked over the other transport; empty for none.
    """

    name: str
    framing: Framing
    path: str
    method: Literal["GET", "POST"]
    content_type: str
    decoder: Callable[[], DialectDecoder]
    ask: Callable[[Prompt], dict[str, Any]]
    body: Callable[[Mapping[str, Any]], dict[str, Any]]
    error_fields: Callable[[Any], dict[str, Any]]
    plain: bool = False
    key_fields: Callable[[str], Mapping[str, str]] = bearer
    fields: Mapping[str, str] = field(default_factory=dict)
    opening: Callable[[Mapping[str, Any]], list[dict[str, Any]]] | None = None
    websocket_path: str = ""
    websocket_only: bool = False
    holes: Holes | None = None
    tools: bool = True
    reasoning: bool = True
    usage: bool = True
    usage_members: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    terminator: str = ""
    resume: str = ""
    resuming: Callable[[Broken], Again | None] | None = None
    cursor: Callable[[Message], str] = lambda message: message.id
    asking_again: Callable[[Broken], Mapping[str, Any]] = lambda broken: broken.json
    continuing: Callable[[Mapping[str, Any], str], dict[str, Any] | None] = lambda json, text: None
    beside: str = ""

    @property
    def transports(self) -> tuple[Transport, ...]:
        """What it is spoken over."""
        if self.websocket_only:
            return ("WebSocket",)
        return ("HTTP",) if self.opening is None else ("HTTP", "WebSocket")
