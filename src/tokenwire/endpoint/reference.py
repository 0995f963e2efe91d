"""The reference endpoint: the server side of the dialects over both transports, deterministic, without I/O.

endpoint = ReferenceEndpoint(key="…")
connection = endpoint.connection()          # one for each connection, see endpoint.connection
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from itertools import count
from time import time
from urllib.parse import parse_qsl, unquote

from ..protocol.websocket import Asked
from .a2a import a2a
from .ag_ui import AG_UI
from .anthropic import ANTHROPIC_MESSAGES
from .bedrock import BEDROCK_CONVERSE
from .cohere import COHERE_V2
from .connection import EndpointConnection, parts_of
from .front import FrontDoor
from .gemini import GEMINI
from .gemini_interactions import gemini_interactions
from .gemini_live import gemini_live
from .holysheep import holysheep
from .mcp import mcp
from .mistral import MISTRAL
from .ollama import OLLAMA
from .openai_chat import OPENAI_CHAT
from .openai_completions import OPENAI_COMPLETIONS
from .openai_realtime import OPENAI_REALTIME
from .openai_responses import openai_responses
from .replay_buffer import with_keepalive
from .replies import refused
from .seams import Call, Reply, Seams
from .service import Answer, Identity, Service
from .vercel_ui import VERCEL_UI
from .wanted import Refusal
from .websocket import Application, Echo, WebSocketEndpoint

__all__ = ["ReferenceEndpoint", "services"]

#: In whose words a refusal is where the path is nobody's.
_FALLBACK = OPENAI_CHAT

_CORS = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "X-Request-Id")]

#: What a page may send: keys, and what dialects have in fields.
_ALLOWED_FIELDS = "Authorization, Content-Type, Last-Event-ID, X-Api-Key, Anthropic-Version"


def services() -> tuple[Service, ...]:
    """What is spoken, a service for each dialect; made for one endpoint, for some remember what they have told."""
    return (
        OPENAI_CHAT,
        OPENAI_COMPLETIONS,
        openai_responses(),
        OPENAI_REALTIME,
        ANTHROPIC_MESSAGES,
        MISTRAL,
        COHERE_V2,
        BEDROCK_CONVERSE,
        GEMINI,
        gemini_interactions(),
        gemini_live(),
        OLLAMA,
        holysheep(),
        VERCEL_UI,
        AG_UI,
        mcp(),
        a2a(),
    )


class ReferenceEndpoint:
    """Answers as its `services` do, each at its paths, and says every message again at `/echo` over WebSocket.

    :param key: that a request must have; None lets everybody in.
    :param other_key: of somebody else, who is let in too.
    :param pace: seconds between two pieces of a stream.
    :param keepalive: seconds of silence in a stream of server-sent events, after which a comment goes out; None for no
        comments.
    :param seams: makes the seams of a connection, where faults are planted.
    :param clock: seconds since 1970, for Date and `created`.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        other_key: str | None = None,
        pace: float = 0.0,
        keepalive: float | None = None,
        seams: Callable[[], Seams] = Seams,
        clock: Callable[[], float] = time,
    ) -> None:
        self._keys = [each.encode() for each in (key, other_key) if each is not None]
        self._pace = pace
        self._keepalive = keepalive
        self._seams = seams
        self._clock = clock
        self._numbers = count(1)
        self._services = services()
        self._routes = list(_routes(self._services))

    def connection(self) -> FrontDoor:
        """A new connection."""
        seams = self._seams()
        http = EndpointConnection(lambda call: self._answer(call, seams), seams, self._fields)
        return FrontDoor(http, lambda: WebSocketEndpoint(self._admit, self._fields, seams), seams)

    def _fields(self) -> list[tuple[str, str]]:
        return [
            ("Date", formatdate(self._clock(), usegmt=True)),
            ("X-Request-Id", f"req-reference-{next(self._numbers):06}"),
            *_CORS,
        ]

    def _answer(self, call: Call, seams: Seams) -> Reply:
        route, place = self._route(call.path)
        if call.method == "OPTIONS" and route.methods:
            return _preflight(route.methods)
        try:
            self._authorise(call, route.service)
            if not route.methods:
                raise Refusal(404, "not_found", f"Nothing is at {call.path}.")
            method = "GET" if call.method == "HEAD" else call.method  # the connection leaves the body out
            if method not in route.methods:
                allow = ", ".join(_allowed(route.methods))
                raise Refusal(405, "method_not_allowed", f"{call.method} is not for this.", [("Allow", allow)])
            reply = route.methods[method](replace(call, place=place), seams, self._identify(), self._pace)
            return reply if self._keepalive is None else with_keepalive(reply, self._keepalive)
        except Refusal as refusal:
            return refused(route.service.refuse(refusal), refusal)

    def _admit(self, asked: Asked) -> Application | Reply:
        path, query_text = parts_of(asked.target) or ("", "")
        query = dict(parse_qsl(query_text))
        if path == "/echo":
            return Echo()
        service = next((service for service in self._services if path in service.sockets), _FALLBACK)
        try:
            self._authorise(Call("GET", path, query, list(asked.headers)), service)
            if path not in service.sockets:
                raise Refusal(404, "not_found", f"No WebSocket is at {path}.")
        except Refusal as refusal:
            return refused(service.refuse(refusal), refusal)
        return service.sockets[path](query, self._identify, self._pace)

    def _route(self, path: str) -> tuple[_Route, dict[str, str]]:
        for route in self._routes:
            if match := route.pattern.fullmatch(path):
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        return _Route(_FALLBACK, re.compile(""), {}), {}

    def _authorise(self, call: Call, service: Service) -> None:
        given = service.key(call).encode("utf-8", "replace")
        if self._keys and not any(hmac.compare_digest(given, key) for key in self._keys):
            challenge = [("WWW-Authenticate", 'Bearer realm="tokenwire"')]
            raise Refusal(401, "invalid_api_key", "The key is missing or wrong.", challenge)

    def _identify(self) -> Identity:
        return Identity(next(self._numbers), int(self._clock()))


@dataclass(frozen=True, slots=True)
class _Route:
    """A path of a service."""

    service: Service
    pattern: re.Pattern[str]
    methods: Mapping[str, Answer]


def _routes(services: Iterable[Service]) -> Iterable[_Route]:
    for service in services:
        for path, methods in service.routes.items():
            yield _Route(service, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/:]+)", re.escape(path))), methods)


def _allowed(methods: Iterable[str]) -> list[str]:
    """The methods of a path. Whoever answers a GET answers a HEAD (RFC 9110 9.1)."""
    own = list(methods)
    return [*own, *(["HEAD"] if "GET" in own else []), "OPTIONS"]


def _preflight(methods: Iterable[str]) -> Reply:
    """CORS: a page from anywhere may ask (the Fetch standard, 3.2)."""
    return Reply(
        204,
        [
            ("Access-Control-Allow-Methods", ", ".join(_allowed(methods))),
            ("Access-Control-Allow-Headers", _ALLOWED_FIELDS),
            ("Access-Control-Max-Age", "600"),
        ],
    )
