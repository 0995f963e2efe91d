"""Answers made by hand for the tests of checks: bytes in, one verdict out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tokenwire.recording import Entry, Recording
from tokenwire_conformance.judging.case import Case
from tokenwire_conformance.judging.judge import judge
from tokenwire_conformance.judging.registry import catalogue
from tokenwire_conformance.judging.verdict import Result
from tokenwire_conformance.reading.transcript import Transcript

__all__ = ["answer", "choice", "chunk", "events", "handshake", "named", "tool", "verdict"]

#: The example of RFC 6455, 1.3.
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def answer(
    body: bytes | str,
    probe: str = "stream",
    *,
    status: int = 200,
    content_type: str | None = "text/event-stream",
    ask: dict[str, Any] | None = None,
    path: str = "/v1/chat/completions",
    get: str = "",
    end: str = "whole",
) -> Transcript:
    """One request and its answer.

    :param ask: the request; by default one for a stream.
    :param path: to which it was sent.
    :param get: a path; the request is then a GET for events.
    :param end: "whole", "cut" by the server, or "left" by us before the end.
    """
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    asked = json.dumps({"model": "m", "messages": [], "stream": True} if ask is None else ask).encode()
    line = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(asked)}\r\n\r\n"
    request = line.encode() + asked
    if get:
        request = f"GET {get} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n".encode()
    field = f"Content-Type: {content_type}\r\n" if content_type else ""
    head = f"HTTP/1.1 {status} Whatever\r\n{field}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunks = b"%x\r\n%s\r\n" % (len(content), content) if content else b""
    received = head + chunks + (b"0\r\n\r\n" if end == "whole" else b"")
    ending = {"whole": "left open", "cut": "eof", "left": "closed by us"}[end]
    entries = [Entry(0.0, "connected"), Entry(0.1, ">", request), Entry(0.2, "<", received), Entry(0.3, ending)]
    return Transcript(probe, Recording({}, entries))


def handshake(
    probe: str = "ws-answer",
    *said: tuple[str, bytes] | tuple[str, bytes, float],
    status: int = 101,
    ask: Mapping[str, str | None] | None = None,
    fields: Mapping[str, str | None] | None = None,
    body: bytes = b"",
    dialect: str = "holysheep",
    end: str = "left open",
) -> Transcript:
    """A handshake, its answer, and what was said behind it.

    :param said: "<" and bytes of the server, or ">" and bytes of the client; and when, where that matters.
    :param ask: fields of the request that are set, or left out with None; `fields` those of the answer.
    :param end: the event with which the transcript ends.
    """
    asked = {"Host": "x", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY}
    granted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
    refused = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    request = _head("GET /v1/chat/stream HTTP/1.1", {**asked, "Sec-WebSocket-Version": "13", **(ask or {})})
    answered = {**(granted if status == 101 else refused), **(fields or {})}
    response = _head(f"HTTP/1.1 {status} Whatever", answered) + body if status else b""
    entries = [Entry(0.0, "connected"), Entry(0.1, ">", request), Entry(0.2, "<", response)]
    entries += [Entry(when[0] if when else 0.3 + n / 10, kind, data) for n, (kind, data, *when) in enumerate(said)]
    over = max(9.0, entries[-1].seconds)
    return Transcript(probe, Recording({"dialect": dialect}, [*entries, Entry(over, end)]))


def _head(line: str, fields: Mapping[str, str | None]) -> bytes:
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([line, *lines, "", ""]).encode()


def verdict(check: str, *transcripts: Transcript) -> Result:
    """What a check says about these answers."""
    return judge(Case(transcripts), catalogue()[check])


def events(*payloads: Any) -> str:
    """A stream: objects as JSON, strings as they are."""
    texts = [payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False) for payload in payloads]
    return "".join(f"data: {text}\n\n" for text in texts)


def named(*payloads: dict[str, Any]) -> str:
    """A stream whose events are named as the type of their payload."""
    return "".join(f"event: {payload['type']}\n{events(payload)}" for payload in payloads)


def chunk(*choices: Any, **more: Any) -> dict[str, Any]:
    """A sound chunk with these choices; `more` changes members, and leaves out those that are given as `...`."""
    sound = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": list(choices)}
    return _given({**sound, **more})


def choice(content: Any = ..., finish: Any = None, *, index: int = 0, **delta: Any) -> dict[str, Any]:
    """A sound choice."""
    given = {} if content is ... else {"content": content}
    return {"index": index, "delta": {**given, **delta}, "finish_reason": finish}


def tool(index: Any = 0, arguments: Any = "", **first: Any) -> dict[str, Any]:
    """A choice with one delta of a tool call. `first`: id, type and name."""
    function = {"name": first.pop("name", ...), "arguments": arguments}
    return choice(tool_calls=[_given({"index": index, **first, "function": _given(function)})])


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not ...}
