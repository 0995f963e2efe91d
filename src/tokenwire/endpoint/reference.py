"""The reference endpoint: the server side of the dialects over both transports, deterministic, without I/O.

endpoint = ReferenceEndpoint(key="…")
connection = endpoint.connection()          # one for each connection, see endpoint.connection
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from email.utils import formatdate
from itertools import count
from time import time
from urllib.parse import parse_qsl, urlsplit

from ..protocol.websocket import Asked
from .connection import EndpointConnection
from .eventsource import answer_eventsource
from .front import FrontDoor
from .holysheep import HolySheep
from .openai_chat import MODELS, answer_chat, error_reply, json_reply
from .openai_realtime import Realtime
from .seams import Call, Reply, Seams
from .websocket import Application, Echo, WebSocketEndpoint

__all__ = ["ReferenceEndpoint"]

_CORS = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "X-Request-Id")]


class ReferenceEndpoint:
    """Answers `POST /v1/chat/completions`, `GET /v1/chat/stream` and `GET /v1/models` over HTTP; and over WebSocket
    `/v1/chat/stream` (the guide's dialect), `/v1/realtime` (OpenAI's, for text) and `/echo`.

    :param key: the bearer token that a request must have; None lets everybody in.
    :param pace: seconds between two pieces of a stream.
    :param seams: makes the seams of a connection, where faults are planted.
    :param clock: seconds since 1970, for Date and `created`.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        pace: float = 0.0,
        seams: Callable[[], Seams] = Seams,
        clock: Callable[[], float] = time,
    ) -> None:
        self._key = key
        self._pace = pace
        self._seams = seams
        self._clock = clock
        self._numbers = count(1)
        self._routes: dict[str, dict[str, Callable[[Call, Seams], Reply]]] = {
            "/v1/chat/completions": {"POST": self._chat},
            "/v1/chat/stream": {"GET": self._eventsource},
            "/v1/models": {"GET": self._models, "HEAD": self._models},
        }

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
        methods = self._routes.get(call.path)
        if call.method == "OPTIONS" and methods is not None:
            return _preflight(methods)
        if not self._authorised(call.header("authorization")):
            return _unauthorised()
        if methods is None:
            return error_reply(404, "invalid_request_error", "not_found", f"Nothing is at {call.path}.")
        if call.method not in methods:
            reply = error_reply(405, "invalid_request_error", "method_not_allowed", f"{call.method} is not for this.")
            return reply.with_header("Allow", ", ".join([*methods, "OPTIONS"]))
        return methods[call.method](call, seams)

    def _admit(self, asked: Asked) -> Application | Reply:
        target = urlsplit(asked.target)
        query = dict(parse_qsl(target.query))
        if target.path == "/echo":
            return Echo()
        if not self._authorised(dict(asked.headers).get("authorization", "")):
            return _unauthorised()
        if target.path == "/v1/chat/stream":
            return HolySheep(self._pace)
        if target.path == "/v1/realtime":
            return Realtime(query.get("model", MODELS[0]), self._pace)
        return error_reply(404, "invalid_request_error", "not_found", f"No WebSocket is at {target.path}.")

    def _authorised(self, authorization: str) -> bool:
        if self._key is None:
            return True
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._key.encode())

    def _chat(self, call: Call, seams: Seams) -> Reply:
        return answer_chat(call, seams, number=next(self._numbers), created=int(self._clock()), pace=self._pace)

    def _eventsource(self, call: Call, seams: Seams) -> Reply:
        return answer_eventsource(call, seams, pace=self._pace)

    def _models(self, call: Call, seams: Seams) -> Reply:
        models = [{"id": model, "object": "model", "created": 0, "owned_by": "tokenwire"} for model in MODELS]
        return json_reply(200, {"object": "list", "data": models})


def _unauthorised() -> Reply:
    reply = error_reply(401, "authentication_error", "invalid_api_key", "The key is missing or wrong.")
    return reply.with_header("WWW-Authenticate", 'Bearer realm="tokenwire"')


def _preflight(methods: dict[str, Callable[[Call, Seams], Reply]]) -> Reply:
    """CORS: a page from anywhere may ask (the Fetch standard, 3.2)."""
    return Reply(
        204,
        [
            ("Access-Control-Allow-Methods", ", ".join([*methods, "OPTIONS"])),
            ("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID"),
            ("Access-Control-Max-Age", "600"),
        ],
    )
