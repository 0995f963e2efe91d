"""Faults of authentication."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from tokenwire.endpoint import Call, Exchange, Reply, Seams

from .editing import Editing
from .err import error_in_stream
from .fault import edit_head, fault, is_streamed_chat, socket_fault


@fault("open-door", trips="auth.missing-401 auth.invalid-no-stream")
class OpenDoor(Seams):
    """A request without a key gets a stream, if one with bad news in it."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        wanted = reply.status == 401 and not call.header("authorization")
        return error_in_stream(reply) if wanted else reply


@fault("401-bare", trips="auth.www-authenticate")
class Bare401(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("WWW-Authenticate", None)


@fault("401-inside-sse", trips="auth.invalid-no-stream")
class RefusalInsideSse(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        wrong = reply.status == 401 and call.header("authorization") and is_streamed_chat(call)
        return error_in_stream(reply) if wrong else reply


@socket_fault("101-then-ignore", trips="auth.ws-before-101")
class GrantedThenIgnored(Editing):
    """Who has no key gets a WebSocket all the same: at a path that is open to all, and says nothing by itself."""

    def request(self, head: bytes) -> bytes:
        return head if b"\r\nAuthorization:" in head else re.sub(rb"\AGET \S+", b"GET /echo", head)


@fault("case-sensitive-bearer", trips="auth.scheme-case")
class CaseSensitiveBearer(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        return data.replace(b"Authorization: bearer ", b"Authorization: Unknown ")


@fault("echo-key", trips="auth.key-not-echoed")
class EchoKey(Seams):
    def reply(self, call: Call, reply: Reply) -> Reply:
        return reply.with_header("X-Debug-Authorization", call.header("authorization"))


@fault("echo-wrong-key", trips="auth.key-not-echoed")
class EchoWrongKey(Seams):
    """The refusal repeats the key that it refuses, as OpenAI's once did."""

    def reply(self, call: Call, reply: Reply) -> Reply:
        given = call.header("authorization").removeprefix("Bearer ")
        if reply.status != 401 or not given:
            return reply
        body = json.loads(reply.body)
        body["error"]["message"] += f" It was {given}."
        return replace(reply, body=json.dumps(body).encode())


@fault("query-only", trips="auth.no-query-token")
class QueryOnly(Seams):
    def incoming(self, data: bytes) -> bytes | None:
        bare = re.sub(rb"(?i)\r\nauthorization: bearer [^\r]*", b"", data)
        token = re.search(rb"\AGET [^ ]+[?]access_token=([^ ]+) ", bare)
        return bare if token is None else bare.replace(b"\r\n", b"\r\nAuthorization: Bearer " + token[1] + b"\r\n", 1)


@fault("no-cors", trips="auth.cors")
class NoCors(Seams):
    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if call is None or call.method != "OPTIONS":
            return exchange
        return edit_head(exchange, lambda head: re.sub(rb"(?i)access-control-allow-origin:[^\r]*\r\n", b"", head))
