"""The gate: was the plain question answered? Where it was not, no verdict that rests on its answer can be given.

What stood in the way is read from the answer to the plain probe alone: its status, its fields, and the server's own
words. It becomes the headline of the run, which says what happened and what to do.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from tokenwire.dialects import DIALECTS
from tokenwire.secrecy import redact_url
from tokenwire.secrecy.shown import one_line, sentence

from ..probes.asking import ASKING, asks_model
from ..probes.talk import Plan, Transport
from ..reading.gemini import Array, GeminiStream
from ..reading.generation import Generation
from ..reading.http import Response
from ..reading.lines import JSON_LINES, Lines
from ..reading.sockets import Socket
from ..reading.stream import Stream
from ..reading.transcript import Transcript
from .case import Case, excerpt, json_of
from .judged import Course, Ended

__all__ = ["SOCKET_PLAIN", "gate_of", "plain_probe"]

#: The probe that asks the plain question over WebSocket.
SOCKET_PLAIN = "ws-answer"

_OPEN = Course()

#: The first bytes of a page, after blanks.
_PAGE = re.compile(rb"\s*<(?:!doctype|html|head|body|!--|\?xml)", re.IGNORECASE)

#: The first bytes that a TLS server says to a client that speaks none: an alert (RFC 8446, 6).
_TLS_ALERT = b"\x15\x03"

#: What servers say of a model that makes vectors, and no answers.
_EMBEDS = re.compile(r"embed|does not support (?:chat|generat|completion)", re.IGNORECASE)

#: Statuses of a path at which nothing is that takes the question.
_NOTHING_THERE = (404, 405, 410)

_AWAY = "A gateway answers so when what stands behind it is away."

#: What else a status of the server's own fault may mean.
_BEHIND = {502: _AWAY, 503: f"A server answers so while it starts or loads its model. {_AWAY}", 504: _AWAY}

_NO_MODEL = "The endpoint lists no model, so none was named: name a model with --model."

_NAMES_MODEL = re.compile(r"\bmodels?\b", re.IGNORECASE)


def plain_probe(dialect: str, transport: Transport) -> str:
    """The probe that asks the plain question."""
    return SOCKET_PLAIN if transport == "websocket" else ASKING[dialect].plain


def gate_of(transcript: Transcript, plan: Plan) -> Course:
    """Whether the plain question was answered; where it was not, what stood in the way.

    :param transcript: of the plain probe.
    """
    course = _course(transcript, plan)
    return replace(course, headline=one_line(course.headline))


def _course(transcript: Transcript, plan: Plan) -> Course:
    response = next(iter(transcript.responses), None)
    if response is None or not transcript.received:
        return Course(Ended.SILENT, _nothing(transcript))
    if not response.status:
        return Course(Ended.BROKEN, _no_http(transcript))
    if not response.head_complete:
        return _cut_in_head(transcript)
    if transcript.recording.header.get("transport") == "websocket":
        return _over_websocket(response, plan)
    return _over_http(response, plan)


def _nothing(transcript: Transcript) -> str:
    if transcript.ended_by_server:
        return (
            "The endpoint took the connection and the plain question, and ended the connection without a word"
            f" ({transcript.ending}). Is it this port, and http or https? The server's log may say more."
        )
    seconds = transcript.ending_time
    return (
        "The endpoint took the connection, and did not answer the plain question"
        f" within {seconds:.0f} s. Is the model loaded, and the port right? The server's log may say more."
    )


def _no_http(transcript: Transcript) -> str:
    if transcript.received.startswith(_TLS_ALERT):
        return "The answer to the plain question is no HTTP: the port speaks TLS. Give a URL with https or wss."
    return (
        f"The answer to the plain question is no HTTP/1.1: it begins with {_shown(transcript.received[:40])}."
        " Is this the right port?"
    )


def _cut_in_head(transcript: Transcript) -> Course:
    if transcript.ended_by_server:
        said = "The answer to the plain question broke off within its head. Ask the server's log why."
        return Course(Ended.BROKEN, said)
    said = "The answer to the plain question stopped within its head, and nothing more came. Ask the server's log why."
    return Course(Ended.SILENT, said)


# Over HTTP.


def _over_http(response: Response, plan: Plan) -> Course:
    if not 200 <= response.status < 300:
        return _refused(response, plan)
    if not response.body:
        return _empty(response)
    if response.media_type in ("text/html", "application/xhtml+xml") or _PAGE.match(response.content):
        return _shut(
            f"The plain question is answered {response.status} with an HTML page:"
            " the path is wrong or a login stands before it. Give the URL of the API itself."
        )
    if _is_answer(response, plan):
        return _OPEN
    return _another_type(response, plan)


def _empty(response: Response) -> Course:
    kind = response.media_type or "no Content-Type"
    if response.hung_up:
        said = f"The plain question is answered {response.status} ({kind}), and then nothing came."
        return Course(Ended.SILENT, f"{said} The server's log may say why.")
    return _shut(
        f"The plain question is answered {response.status} ({kind}) without a byte of content."
        " Is the path right, and does what stands there stream?"
    )


def _is_answer(response: Response, plan: Plan) -> bool:
    """Something of an answer came, in whatever shape; an error alone is none."""
    if response.coding_error or response.media_type == DIALECTS["bedrock-converse"].content_type:
        return True
    body = _body_of(response)
    if body is None:
        return plan.dialect.name == "gemini" and bool(GeminiStream(Array(response)).candidates)
    generation = Generation(body, plan.dialect)
    if generation.failed is not None and not generation.spoken_before(generation.failed):
        return False
    # Of JSON lines the first bytes tell nothing: any JSON is one line. A stream of events is known by its lines.
    return isinstance(body, Stream) or response.media_type in JSON_LINES or generation.says_anything


def _body_of(response: Response) -> Stream | Lines | None:
    case = Case([response.transcript])
    bodies: list[Stream | Lines] = [*case.streams, *case.lines]
    return next((body for body in bodies if body.response is response and body.lines), None)


def _another_type(response: Response, plan: Plan) -> Course:
    kind = response.media_type or "no Content-Type"
    said = f"The plain question is answered {response.status} ({kind}), and not with a stream: {_words(response, plan)}"
    return _shut(f"{sentence(said)} {_advice_on_words(response, plan) or _ADVICE_ON_TYPE}")


_ADVICE_ON_TYPE = "Is the path right, and does the endpoint stream in this dialect (--dialect)?"


def _refused(response: Response, plan: Plan) -> Course:
    words = _words(response, plan)
    said = f"The plain question is refused with {response.status}" + (f": {words}" if words else "")
    return _shut(f"{sentence(said)} {_advice(response, plan)}")


def _advice(response: Response, plan: Plan) -> str:
    match response.status:
        case status if 300 <= status < 400:
            return _advice_on_redirect(response, plan)
        case 401 | 403:
            return _advice_on_key(plan)
        case 429 | 503 if response.header("retry-after"):
            wait = response.header("retry-after")
            return f"It asks to wait (Retry-After: {wait}): come again then, or wait for it with --patience SECONDS."
        case 429:
            return "It is a rate limit or a quota: come again later, or ask more slowly with --delay SECONDS."
        case status if status >= 500 and not _EMBEDS.search(_words(response, plan)):
            return f"The fault is the server's: its log may say more. {_BEHIND.get(status, '')}".rstrip()
        case _:
            return _advice_on_words(response, plan) or _advice_on_path(response, plan)


def _advice_on_redirect(response: Response, plan: Plan) -> str:
    location = response.header("location")
    if not location:
        return "It redirects without saying where to: give the URL of the API itself."
    return f"It redirects to {redact_url(urljoin(plan.target.url, location))}: give that URL."


def _advice_on_key(plan: Plan) -> str:
    if plan.key is None:
        return "Give a key with --key-env NAME or --key-file FILE."
    return (
        f"The key was sent in {plan.key_field.title()}: is it the right one (--key-env, --key-file),"
        " and does the endpoint want it in another field (--key-header NAME)?"
    )


def _advice_on_words(response: Response, plan: Plan) -> str:
    """What to do as far as the server's own words tell; empty where they do not."""
    words = _words(response, plan)
    if _EMBEDS.search(words) or "embed" in plan.model.lower():
        return f"The model {plan.model!r} seems to be an embedding model: name another with --model."
    if not asks_model(plan.dialect):
        return ""
    names_model = _NAMES_MODEL.search(words) is not None
    if not plan.model and (names_model or response.status not in _NOTHING_THERE):
        return _NO_MODEL
    if names_model:
        return f"The model {plan.model!r} was asked: name another model with --model."
    return ""


def _advice_on_path(response: Response, plan: Plan) -> str:
    if response.status not in _NOTHING_THERE:
        return _advice_on_dialect(plan)
    asked = f"{response.request.method} {plan.target.path} was asked: is the path right"
    if asks_model(plan.dialect):
        asked += f", and the model {plan.model!r} (--model)?" if plan.model else f"? {_NO_MODEL}"
    else:
        asked += "?"
    return f"{asked} A URL that ends in /v1, or in the port, gets the path of the dialect (--dialect)."


def _advice_on_dialect(plan: Plan) -> str:
    asked = f"Does the endpoint speak {plan.dialect.name} (--dialect)"
    return f"{asked}, and is {plan.model!r} a model of it (--model)?" if asks_model(plan.dialect) else f"{asked}?"


# Over WebSocket.


def _over_websocket(response: Response, plan: Plan) -> Course:
    if 200 <= response.status < 300:
        page = response.media_type == "text/html" or _PAGE.match(response.content)
        what = "an HTML page: the path is wrong or a login stands before it" if page else "no WebSocket"
        return _shut(f"The handshake is answered {response.status} with {what}. Give the URL of the API itself.")
    if response.status != 101:
        return _refused(response, plan)
    socket = Socket(response, plan.dialect)
    if _has_answer(socket):
        return _OPEN
    error = next((answer.error for answer in socket.answers if answer.error is not None), None)
    if error is not None:
        said = f"{error.code} {error.message}".strip()
        answered = sentence(f"The plain question is answered by an error: {said}")
        return _shut(f"{answered} {_advice_on_error(said, plan)}")
    if socket.close is not None and not socket.left:
        said = f"{socket.close.code} {socket.close.reason}".rstrip()
        closed = sentence(f"The WebSocket is granted, and closed before an answer, with {said}")
        return _shut(f"{closed} {_advice_on_error(said, plan)}")
    if socket.transcript.ended_by_server:
        return _shut(f"The WebSocket is granted, and the connection ended before an answer. {_advice_on_dialect(plan)}")
    return Course(
        Ended.SILENT,
        f"The WebSocket is granted, and no answer came to the plain question. {_advice_on_dialect(plan)}",
    )


def _has_answer(socket: Socket) -> bool:
    """Something came after the question that is no mere error, in whatever shape."""
    if socket.answered or socket.answering:
        return True
    told = any(answer.error is not None for answer in socket.answers)
    data = any(not frame.is_control and frame.offset >= socket.spoken_at for frame in socket.frames)
    return data and not told


def _advice_on_error(words: str, plan: Plan) -> str:
    if _EMBEDS.search(words):
        return f"The model {plan.model!r} seems to be an embedding model: name another with --model."
    if re.search(r"key|auth|token|credential|1008|3000|3003|401|403", words, re.IGNORECASE):
        return _advice_on_key(plan)
    return _advice_on_dialect(plan)


# Words.


def _words(response: Response, plan: Plan) -> str:
    """The server's own: of its error where it has one in a usual form, else the beginning of what it said."""
    if response.media_type == "text/html" or _PAGE.match(response.content):
        return "an HTML page"
    body = _told(response)
    error = body.get("error") if isinstance(body, dict) else None
    places = [(error, "message"), (body, "error"), (body, "message"), (body, "detail")]
    usual = (place[name] for place, name in places if isinstance(place, dict) and name in place)
    said = next((words for words in (plan.asking.refusal(body), *usual) if words and isinstance(words, str)), None)
    return excerpt(said.encode("utf-8", "replace") if said is not None else response.content)


def _told(response: Response) -> Any:
    """The JSON of a body, or of its first event: a gateway may refuse in the form of a stream. None without JSON."""
    body = json_of(response)
    return body if body is not None else next((payload.value for payload in Stream(response).payloads), None)


def _shown(data: bytes) -> str:
    return repr(data.decode("utf-8", "backslashreplace"))


def _shut(headline: str) -> Course:
    return Course(Ended.REFUSED, headline)
