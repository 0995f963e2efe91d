"""The WebSocket handshake (RFC 6455, 4)."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha1

from tokenwire.recording.captures import Layer

from ..judging.case import Case, at, at_frame, excerpt, json_of
from ..judging.registry import active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..probes.websocket import FOREIGN_ORIGIN
from ..reading.http import Response
from ..reading.sockets import Socket
from .documents import ERRORS
from .refusals import BUSY, not_busy

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

#: 16 bytes in base64.
_NONCE = re.compile(r"[A-Za-z0-9+/]{22}==")

#: Handshakes that ask for a WebSocket and may be refused. Others ask for none, and may be answered as HTTP.
_REFUSED = (
    "ws-version-12",
    "ws-nonce-missing",
    "ws-nonce-short",
    "ws-bad-extension",
    "ws-unknown-path",
    "ws-origin",
    "ws-no-key",
    "ws-wrong-key",
)


def _nonce(response: Response) -> str:
    return response.request.header("sec-websocket-key")


def _not_granted(case: Case, probe: str, what: str) -> Iterator[Finding]:
    response = case.handshake(probe)
    if response is not None and not_busy(probe, response).status == 101:
        yield Finding(f"a WebSocket is granted to {what}", at(response))


def _granted(case: Case, probe: str, what: str) -> Iterator[Finding]:
    response = case.handshake(probe)
    if response is None:
        yield Finding(f"{what} is answered by the end of the connection", at(case.response("ws-answer")))
    elif not_busy(probe, response).status != 101:
        yield Finding(f"{what} is refused with {response.status}: {excerpt(response.content)}", at(response))


def _answers(case: Case, probes: Sequence[str]) -> list[Response]:
    """The answers to those probes that were made."""
    return [response for response in case.responses if response.transcript.name in probes]


# What a 101 says.


@passive(
    "wsh.accept",
    MUST,
    "RFC 6455 4.2.2 (5)",
    "Sec-WebSocket-Accept is made from the client's key.",
    on="sockets",
    when=lambda socket: _NONCE.fullmatch(_nonce(socket.response)) is not None,
    absent="no sound handshake was granted",
    shown_by=("ws-answer",),
    needs=[Layer.FIELDS, Layer.REQUEST],
)
def accept(socket: Socket) -> Iterator[Finding]:
    response = socket.response
    key = _nonce(response)
    right = b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
    said = response.header("sec-websocket-accept")
    if said != right:
        yield Finding(
            f"Sec-WebSocket-Accept is {said!r}, but the key {key!r} makes {right!r}",
            at(response, response.field_offset("sec-websocket-accept")),
        )


@passive(
    "wsh.upgrade-headers",
    MUST,
    "RFC 6455 4.2.2 (5)",
    "A 101 has `Upgrade: websocket` and `Connection: Upgrade`.",
    on="sockets",
    shown_by=("ws-answer",),
    needs=[Layer.FIELDS],
)
def upgrade_headers(socket: Socket) -> Iterator[Finding]:
    response = socket.response
    for name, wanted in (("upgrade", "websocket"), ("connection", "upgrade")):
        if wanted not in response.tokens(name):
            said = response.header(name)
            has = f"has {name.title()}: {said}" if said else f"has no {name.title()}"
            yield Finding(f"the 101 {has}", at(response, response.field_offset(name)))


@passive(
    "wsh.subprotocol",
    MUST,
    "RFC 6455 4.2.2 (4)",
    "The 101 names one of the subprotocols that were offered, or none.",
    on="sockets",
    shown_by=("ws-answer", "ws-subprotocol"),
    needs=[Layer.FIELDS, Layer.REQUEST],
)
def subprotocol(socket: Socket) -> Iterator[Finding]:
    response = socket.response
    offered = {name.strip() for name in response.request.header("sec-websocket-protocol").split(",")} - {""}
    for field in response.fields:
        if field.name == "sec-websocket-protocol" and field.value not in offered:
            instead = f"not among those offered: {', '.join(sorted(offered))}" if offered else "and none was offered"
            yield Finding(f"the 101 has the subprotocol {field.value!r}, {instead}", at(response, field.offset))


@active(
    "wsh.extension",
    MUST,
    "RFC 6455 4.2.2 (4), 9.1",
    "The 101 names no extension that was not offered, also when the offer stands on two lines.",
    probes=("ws-answer", "ws-extension-lines"),
)
def extension(case: Case) -> Iterator[Finding]:
    for socket in case.sockets:
        offered = {extension.name for extension in socket.offered}
        for agreed in socket.extensions:
            if agreed.name not in offered:
                offset = socket.response.field_offset("sec-websocket-extensions")
                yield Finding(f"the 101 has the extension {agreed.name!r}, not offered", at(socket.response, offset))
    yield from _granted(case, "ws-extension-lines", "a handshake whose offer of extensions stands on two lines")


# What is granted, and what is not.


@active(
    "wsh.version",
    MUST,
    "RFC 6455 4.2.2, 4.4",
    "A version that is not supported is refused with a 4xx that lists 13 in Sec-WebSocket-Version.",
    probes=("ws-answer", "ws-version-12"),
)
def version(case: Case) -> Iterator[Finding]:
    case.socket("ws-answer")
    response = case.response("ws-version-12")
    if not 400 <= response.status < 500:
        yield Finding(f"a handshake of version 12 is answered {response.status}", at(response))
    elif "13" not in response.tokens("sec-websocket-version"):
        yield Finding(f"the {response.status} that refuses version 12 does not say which one would do", at(response))


@active(
    "wsh.bad-key",
    MUST,
    "RFC 6455 4.2.1 (5)",
    "A handshake whose Sec-WebSocket-Key is missing, or is not 16 bytes in base64, is refused.",
    probes=("ws-answer", "ws-nonce-missing", "ws-nonce-short"),
)
def bad_key(case: Case) -> Iterator[Finding]:
    yield from _not_granted(case, "ws-nonce-missing", "a handshake without Sec-WebSocket-Key")
    yield from _not_granted(case, "ws-nonce-short", "a handshake with 8 bytes in Sec-WebSocket-Key, where 16 are due")


@active(
    "wsh.method",
    MUST,
    "RFC 6455 4.2.1 (1)",
    "No other method than GET gets a WebSocket.",
    probes=("ws-answer", "ws-post"),
)
def method(case: Case) -> Iterator[Finding]:
    yield from _not_granted(case, "ws-post", "a POST")


@active(
    "wsh.http10",
    MUST,
    "RFC 6455 4.2.1 (1); RFC 9110 7.8",
    "An HTTP/1.0 request gets no WebSocket.",
    probes=("ws-answer", "ws-http10"),
)
def http10(case: Case) -> Iterator[Finding]:
    yield from _not_granted(case, "ws-http10", "a request in HTTP/1.0")


@active(
    "wsh.tokens-required",
    MUST,
    "RFC 6455 4.2.1 (3, 4)",
    "Without `websocket` in Upgrade and `Upgrade` in Connection there is no 101.",
    probes=("ws-answer", "ws-no-upgrade", "ws-no-connection"),
)
def tokens_required(case: Case) -> Iterator[Finding]:
    yield from _not_granted(case, "ws-no-upgrade", "a request without Upgrade")
    yield from _not_granted(case, "ws-no-connection", "a request without `Upgrade` in Connection")


@active(
    "wsh.token-case",
    MUST,
    "RFC 6455 4.2.1 (3, 4, 10)",
    "`Upgrade: WebSocket` and `Connection: keep-alive, Upgrade` are as good, and unknown fields are ignored.",
    probes=("ws-answer", "ws-token-case"),
)
def token_case(case: Case) -> Iterator[Finding]:
    what = "a handshake with `Upgrade: WebSocket`, `Connection: keep-alive, Upgrade` and an unknown field"
    yield from _granted(case, "ws-token-case", what)


@active(
    "wsh.bad-extension",
    MUST,
    "RFC 6455 9.1",
    "A malformed Sec-WebSocket-Extensions fails the handshake.",
    probes=("ws-answer", "ws-bad-extension"),
)
def bad_extension(case: Case) -> Iterator[Finding]:
    response = case.handshake("ws-bad-extension")
    if response is not None and response.status == 101 and not case.socket("ws-bad-extension").failed:
        offer = response.request.header("sec-websocket-extensions")
        yield Finding(f"a WebSocket is granted to `Sec-WebSocket-Extensions: {offer}`", at(response))


@active(
    "wsh.origin",
    SHOULD,
    "RFC 6455 10.2",
    "A page that may not ask over HTTP (CORS) gets no WebSocket either.",
    probes=("ws-answer", "ws-origin", "ws-preflight"),
)
def origin(case: Case) -> Iterator[Finding]:
    """A list of the origins that are let in cannot be seen from outside, but what it does can: a browser's preflight
    is answered for some origins and not for others. An endpoint that has such a list for HTTP needs it for WebSocket
    too, where no browser minds CORS. Without a list any page may ask, which is a policy and no fault.
    """
    response = case.handshake("ws-origin")
    if response is None or response.status in (*BUSY, 500):
        raise Inconclusive(f"the handshake of a foreign page failed: {response.status if response else 'no answer'}")
    if response.status != 101:
        return
    preflight = case.response("ws-preflight")
    allowed = preflight.header("access-control-allow-origin")
    if not any(field.name.startswith("access-control-allow-") for field in preflight.fields):
        raise NotApplicable("a foreign page gets a WebSocket, and no list of origins shows")
    if allowed not in ("*", FOREIGN_ORIGIN):
        others = f"only for {allowed}" if allowed else "only for other origins"
        yield Finding(f"over HTTP the endpoint is {others}; a page of {FOREIGN_ORIGIN} gets a WebSocket", at(response))


# How it is refused.


@active(
    "wsh.no-plain-200",
    MUST,
    "RFC 6455 4.2.1, 4.2.2 (4)",
    "A handshake is refused with a 3xx, 4xx or 5xx, never with a 2xx, nor with a 101 and a Close behind it.",
    probes=("ws-answer", "ws-version-12", "ws-nonce-missing", "ws-nonce-short", "ws-bad-extension", "ws-unknown-path"),
)
def no_plain_200(case: Case) -> Iterator[Finding]:
    case.socket("ws-answer")
    for response in _answers(case, _REFUSED):
        if 200 <= response.status < 300:
            said = f"{response.status}: {excerpt(response.content)}"
            yield Finding(f"a handshake ({response.transcript.name}) is answered {said}", at(response))
    for socket in case.sockets:
        if socket.transcript.name == "ws-unknown-path" and socket.close is not None:
            said = f"{socket.close.code} {socket.close.reason}".rstrip()
            message = f"a WebSocket at an unknown path is granted, and closed at once with {said}"
            yield Finding(message, at_frame(socket, socket.close.offset))


@active(
    "wsh.reject-envelope",
    SHOULD,
    ERRORS,
    "Whoever is refused is told why in JSON.",
    probes=("ws-answer", "ws-unknown-path", "ws-no-key", "ws-wrong-key"),
)
def reject_envelope(case: Case) -> Iterator[Finding]:
    socket = case.socket("ws-answer")
    if socket.dialect is None or socket.dialect.name == "raw":
        raise NotApplicable("the endpoint speaks no dialect in which an error has a form")
    probes = ("ws-unknown-path", "ws-no-key", "ws-wrong-key")
    refused = [response for response in _answers(case, probes) if response.status >= 400]
    if not refused:
        raise NotApplicable("nobody was refused")
    for response in refused:
        said = json_of(response)
        if not isinstance(said, dict) or not said:
            how = f"with {excerpt(response.content)!r}" if response.content else "without a word"
            yield Finding(f"a handshake is refused with {response.status} {how}", at(response))


@passive(
    "wsh.426-upgrade",
    MUST,
    "RFC 9110 15.5.22, 7.8",
    "A 426 says in Upgrade which protocol would do: websocket.",
    on="responses",
    when=lambda response: response.head_complete and response.status == 426 and bool(_nonce(response)),
    absent="no handshake was answered 426",
    shown_by=("ws-version-12",),
    needs=[Layer.FIELDS],
)
def upgrade_426(response: Response) -> Iterator[Finding]:
    if "websocket" not in response.tokens("upgrade"):
        yield Finding("a 426 has no `Upgrade: websocket`", at(response))
