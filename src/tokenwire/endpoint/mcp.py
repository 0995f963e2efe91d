"""A server of MCP over Streamable HTTP, `/mcp`, with one tool: `tell` tells the story.

A call of it is answered by a stream: progress notifications, each with a piece of the text, where the request has a
progress token, then the result with all of it. Two revisions are spoken. In 2025-11-25, after `initialize`, an empty
event with an id and the reconnection time comes first, every event has an id, and `GET` with Last-Event-ID goes on
after that one. In 2026-07-28, which a request has in `MCP-Protocol-Version`, there are no ids, and nothing is resumed.
There are no sessions, and a client that takes no event streams gets the result alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..dialects.jsonrpc import Request, RequestId
from ..dialects.values import mapping, member
from ..framing.sse import encode as encode_event
from .jsonrpc import INTERNAL_ERROR, envelope_of, failed, refuse, refuse_request, response
from .recent import Recent
from .replies import Payload, compact, json_reply, refused, stream_reply
from .seams import Call, Reply, Seams
from .service import Identity, Service, bearer_of
from .story import MODELS, Delta, Failure, Script, Text, tell
from .wanted import Refusal, Wanted, limit_of

__all__ = ["MAX_KEPT", "RECONNECTION_TIME", "encode", "mcp", "messages", "resumable_messages"]

#: Streams that are kept, the last ones.
MAX_KEPT = 32

#: Milliseconds that a client waits before it goes on with a stream that broke off.
RECONNECTION_TIME = 250

#: The revisions that begin with a handshake; who asks for another one is offered the last. Then the one without.
_WITH_HANDSHAKE = ("2025-03-26", "2025-06-18", "2025-11-25")
_WITHOUT_HANDSHAKE = "2026-07-28"

_CAPABILITIES: Payload = {"tools": {}}
_SERVER = {"name": "tokenwire-reference", "version": "1"}

_TOOLS = [
    {
        "name": "tell",
        "description": "Tells a story, token by token.",
        "inputSchema": {
            "type": "object",
            "properties": {"model": {"type": "string", "enum": list(MODELS)}, "max_tokens": {"type": "integer"}},
        },
    }
]


def encode(
    script: Script, identity: Identity, *, request_id: RequestId = 1, progress: RequestId | None = 1
) -> Iterator[Payload]:
    """The messages that answer a call. `progress`: the token under which it is told; None tells none."""
    told = 0
    for step in script.steps():
        match step:
            case Delta(_, Text(), text) if progress is not None:
                told += 1
                params = {"progressToken": progress, "progress": told, "message": text}
                yield {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}
            case Failure():
                yield failed(request_id, INTERNAL_ERROR, step.code, step.message)
                return
    yield response(request_id, _result(script.text))


def messages(payloads: Iterable[Payload]) -> list[bytes]:
    """Server-sent events, as of 2026-07-28."""
    return [encode_event(compact(payload).decode(), event="message") for payload in payloads]


def resumable_messages(payloads: Iterable[Payload], stream: int = 1) -> list[bytes]:
    """Server-sent events as of 2025-11-25. `stream`: what tells their ids from those of other streams."""
    first = encode_event("", id=f"{stream}-0", retry=RECONNECTION_TIME)
    numbered = enumerate(payloads, start=1)
    return [first, *(encode_event(compact(p).decode(), event="message", id=f"{stream}-{n}") for n, p in numbered)]


@dataclass(frozen=True, slots=True)
class _Told:
    """A stream that is kept."""

    payloads: list[Payload]
    stream: int


class _Server:
    """The server: it remembers what it told between requests."""

    def __init__(self) -> None:
        self._told: Recent[_Told] = Recent(MAX_KEPT)

    def post(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        sent = envelope_of(call)
        if not isinstance(sent, Request):
            return Reply(202)
        try:
            if sent.method == "tools/call":
                return self._call_tool(sent, call, seams, identity, pace)
            result = _answer(sent)
        except Refusal as refusal:
            return refused(refuse_request(refusal, sent.id), refusal)
        return json_reply(200, response(sent.id, result))

    def get(self, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        """What was missed. The server says nothing by itself."""
        last = call.header("last-event-id")
        if not last:
            raise Refusal(405, "method_not_allowed", "The server says nothing by itself.", [("Allow", "POST, OPTIONS")])
        stream, _, number = last.partition("-")
        told = self._told.get(stream, bearer_of(call))
        if told is None or not number.isdecimal():
            raise Refusal(400, "unknown_event", f"No event has the id {last!r}.")

        def rest(payloads: Iterable[Payload]) -> list[bytes]:
            return resumable_messages(payloads, told.stream)[int(number) + 1 :]

        return stream_reply(call, seams, told.payloads, rest, pace=pace)

    def _call_tool(self, request: Request, call: Call, seams: Seams, identity: Identity, pace: float) -> Reply:
        name, arguments = request.params.get("name"), mapping(request.params.get("arguments"))
        if name != "tell":
            raise Refusal(400, "unknown_tool", f"Unknown tool: {name}")
        try:
            script = tell(Wanted(arguments.get("model", MODELS[0]), max_tokens=limit_of(arguments.get("max_tokens"))))
        except Refusal as refusal:
            if refusal.status >= 500:
                raise
            return json_reply(200, response(request.id, {**_result(refusal.message), "isError": True}))
        if "text/event-stream" not in call.header("accept"):
            *_, last = encode(script, identity, request_id=request.id, progress=None)
            return json_reply(200, last)
        progress = member(request.params, "_meta", "progressToken")
        payloads = list(encode(script, identity, request_id=request.id, progress=progress))
        if call.header("mcp-protocol-version") == _WITHOUT_HANDSHAKE:
            return stream_reply(call, seams, payloads, messages, pace=pace)
        self._told.keep(str(identity.number), _Told(payloads, identity.number), bearer_of(call))
        return stream_reply(call, seams, payloads, partial(resumable_messages, stream=identity.number), pace=pace)


def _answer(request: Request) -> Payload:
    """The result of what is no call."""
    match request.method:
        case "initialize":
            asked = request.params.get("protocolVersion")
            version = asked if asked in _WITH_HANDSHAKE else _WITH_HANDSHAKE[-1]
            return {"protocolVersion": version, "capabilities": _CAPABILITIES, "serverInfo": _SERVER}
        case "server/discover":
            versions = [*_WITH_HANDSHAKE, _WITHOUT_HANDSHAKE]
            return _lasting({"supportedVersions": versions, "capabilities": _CAPABILITIES})
        case "ping":
            return {}
        case "tools/list":
            return _lasting({"tools": _TOOLS})
        case other:
            raise Refusal(404, "unknown_method", f"Method not found: {other}")


def _result(text: str) -> Payload:
    return {"content": [{"type": "text", "text": text}], "isError": False, "resultType": "complete"}


def _lasting(result: Mapping[str, Any]) -> Payload:
    """A result that may be kept by whoever wants to, as 2026-07-28 says of each."""
    return {**result, "resultType": "complete", "ttlMs": 0, "cacheScope": "public"}


def mcp() -> Service:
    """The service, for one endpoint."""
    server = _Server()
    return Service(
        dialect="mcp",
        encode=encode,
        framing=resumable_messages,
        routes={"/mcp": {"POST": server.post, "GET": server.get}},
        refuse=refuse,
    )
