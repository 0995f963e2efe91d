"""Authentication: who is let in, how those who are not are told, and where the key must not turn up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokenwire.recording.captures import Layer
from tokenwire.secrecy import REDACTED_FIELDS, Secrets

from ..judging.case import Case, asked_for_stream, at, excerpt
from ..judging.registry import Ground, active, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..reading.http import Response
from .refusals import not_busy, refused_alike

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO

#: The fields that carry a key: that of RFC 9110, Anthropic's, Google's, Azure's, those of gateways. A cookie is none.
_KEY_FIELDS = REDACTED_FIELDS - {"cookie", "set-cookie"}

#: A line whose value is masked by its name, whatever it was: the mark in it does not say that it was the key.
_MASKED = re.compile(rb"(?im)^(?:" + "|".join(sorted(REDACTED_FIELDS)).encode() + rb")[ \t]*:[^\r\n]*")

#: A shorter key would be found by chance in innocent bytes.
_MIN_KEY = 6

#: Codes of a Close for who may not be there: policy violation, and IANA's Unauthorized and Forbidden.
_UNAUTHORISED = (1008, 3000, 3003)

#: From here on a code of a Close means what the application wants.
_APPLICATION_CODES = 4000


def _keys_in_fields(response: Response) -> list[str]:
    """The keys in the fields of the request; in a redacted transcript their marks, which stand wherever they stood."""
    values = [line.value for line in response.request.fields if line.name in _KEY_FIELDS and line.value]
    return [value.partition(" ")[2].strip() or value for value in values]


def _keys_of(response: Response) -> list[str]:
    """All keys of a request, those of its URL too, that are long enough not to be found by chance."""
    keys = [*_keys_in_fields(response), *Secrets.of_request(path=response.request.target).values]
    return sorted({key for key in keys if len(key) >= _MIN_KEY}, key=len, reverse=True)


def _asks(response: Response) -> bool:
    """For what costs something, and so wants a key: a stream, or a WebSocket."""
    return asked_for_stream(response) or "websocket" in response.request.header("upgrade").lower()


def _asked_with_key(case: Case) -> list[Response]:
    return [response for response in case.responses if _keys_in_fields(response) and _asks(response)]


def _require_key(case: Case) -> None:
    if not any(_keys_in_fields(response) for response in case.responses):
        raise NotApplicable("no key was given, so the endpoint cannot be asked to want one")


@active(
    "auth.missing-401",
    SHOULD,
    "RFC 9110 11.4, 15.5.2",
    "A request without a key is answered 401.",
    probes=("stream", "no-key"),
)
def missing_401(case: Case) -> Iterator[Finding]:
    _require_key(case)
    response = not_busy("no-key", case.response("no-key"))
    if response.status not in (401, 403):
        if refused_alike(case, response):
            raise Inconclusive(f"with a key it is refused alike, with {response.status}")
        yield Finding(f"a request without a key is answered {response.status}", at(response))


@active(
    "auth.www-authenticate",
    MUST,
    "RFC 9110 11.6.1, 15.5.2; RFC 6750 3",
    "A 401 says in WWW-Authenticate how to authenticate.",
    probes=("no-key", "wrong-key", "ws-no-key", "ws-wrong-key"),
)
def www_authenticate(case: Case) -> Iterator[Finding]:
    refused = [response for response in case.responses if response.head_complete and response.status == 401]
    if not refused:
        raise NotApplicable("no 401 was seen")
    for response in refused:
        if not response.header("www-authenticate"):
            yield Finding("a 401 has no WWW-Authenticate", at(response))


@active(
    "auth.invalid-no-stream",
    MUST,
    "RFC 9110 11.4, 15.5.2; RFC 6750 3.1",
    "A missing or wrong key gets no 2xx and no stream.",
    probes=("stream", "no-key", "wrong-key"),
)
def invalid_no_stream(case: Case) -> Iterator[Finding]:
    _require_key(case)
    for probe, what in (("no-key", "without a key"), ("wrong-key", "with a wrong key")):
        response = not_busy(probe, case.response(probe))
        if 200 <= response.status < 300:
            yield Finding(f"a request {what} is answered {response.status}", at(response))


@active(
    "auth.ws-before-101",
    SHOULD,
    "RFC 6455 10.5, 4.2.2 (2); practice",
    "A handshake without the right key is refused, or its WebSocket closed at once with 1008.",
    probes=("ws-answer", "ws-no-key", "ws-wrong-key"),
)
def ws_before_101(case: Case) -> Iterator[Finding]:
    _require_key(case)
    for probe, what in (("ws-no-key", "without a key"), ("ws-wrong-key", "with a wrong key")):
        response = case.handshake(probe)
        if response is None or not_busy(probe, response).status != 101:
            continue
        close = case.socket(probe).close
        if close is None:
            yield Finding(f"a WebSocket is granted {what}, and stays open", at(response))
        elif close.code not in _UNAUTHORISED and close.code < _APPLICATION_CODES:
            yield Finding(f"a WebSocket is granted {what}, and closed with {close.code}, not with 1008", at(response))


@active(
    "auth.scheme-case",
    MUST,
    "RFC 9110 11.1",
    "The authentication scheme is the same in any capitals: `bearer` is `Bearer`.",
    probes=("whole", "bearer-lower"),
)
def scheme_case(case: Case) -> Iterator[Finding]:
    _require_key(case)
    case.accepted("whole")
    response = not_busy("bearer-lower", case.response("bearer-lower"))
    if response.status in (401, 403):
        yield Finding(f"`Authorization: bearer …` is answered {response.status}", at(response))


@passive(
    "auth.key-not-echoed",
    MUST,
    "CWE-201; CWE-209",
    "The key never comes back, neither in a field nor in a body.",
    on="responses",
    when=lambda response: bool(_keys_of(response)),
    absent="no request with a key was seen",
    needs=[Layer.FIELDS, Layer.REQUEST, Layer.BODY],
)
def key_not_echoed(response: Response) -> Iterator[Finding]:
    for key in _keys_of(response):
        found = list(_echo_of(key.encode(), response))
        if found:
            yield from found
            return


def _echo_of(key: bytes, response: Response) -> Iterator[Finding]:
    received = _MASKED.sub(lambda line: bytes(len(line[0])), response.transcript.received)
    # What is said on a WebSocket stands behind its 101.
    end = len(received) if response.status == 101 else response.end
    on_the_wire = received.find(key, response.offset, end)
    if on_the_wire >= 0:
        yield Finding("the key comes back in the response", at(response, on_the_wire))
    elif key in response.content:
        yield Finding("the key comes back in the coded body", at(response, content=response.content.find(key)))


@active(
    "auth.no-query-token",
    SHOULD,
    "RFC 6750 2.3, 5.3",
    "The key is taken from a field of the request; it need not stand in the URL, where logs would keep it.",
    probes=("stream", "ws-answer", "query-key"),
    rests_on=Ground.KEY,
)
def no_query_token(case: Case) -> Iterator[Finding]:
    _require_key(case)
    asked = _asked_with_key(case)
    if not asked:
        raise Inconclusive("no stream and no WebSocket was asked for with a key")
    if any(response.status < 400 for response in asked):
        return
    response = asked[0]
    if response.status not in (401, 403):
        raise Inconclusive(f"the plain question is refused with {response.status}, which says nothing of the key")
    said = f"the key in a field of the request is refused with {response.status} ({excerpt(response.content)})"
    if not any(_let_in_by_url(other) for other in case.responses):
        raise Inconclusive(f"{said}: it is wrong, or the endpoint wants it elsewhere")
    yield Finding(f"{said}, and the same key in the URL is taken", at(response))


def _let_in_by_url(response: Response) -> bool:
    return 200 <= response.status < 300 and bool(_keys_of(response)) and not _keys_in_fields(response)


@active(
    "auth.cors",
    INFO,
    "Fetch standard 3.2",
    "A page in a browser may ask: the preflight request is answered.",
    probes=("preflight",),
)
def cors(case: Case) -> Iterator[Finding]:
    response = not_busy("preflight", case.response("preflight"))
    allowed = response.header("access-control-allow-origin")
    if not 200 <= response.status < 300 or allowed not in ("*", "http://page.test"):
        said = f"Access-Control-Allow-Origin {allowed!r}" if allowed else "no Access-Control-Allow-Origin"
        yield Finding(f"a browser's preflight is answered {response.status} with {said}", at(response))
