"""What is said of an event stream before it: its type, its charset, and that an answer that is not streamed is none."""

from __future__ import annotations

from collections.abc import Iterator

from tokenwire.dialects import DIALECTS
from tokenwire.recording.captures import Layer

from ...judging.case import asked_for_stream, at, json_of
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...probes.asking import PROMPTED
from ...reading.generation import dialect_of
from ...reading.http import Response
from ...reading.lines import JSON_LINES
from ...reading.stream import SENTINEL, Stream

MUST = Level.MUST


def _has_type(stream: Stream) -> bool:
    return stream.response.media_type == "text/event-stream"


def _owes_events(response: Response) -> bool:
    """A stream was asked for, and the status promises it; and it is no dialect that streams in another framing."""
    if not (response.head_complete and response.status == 200 and asked_for_stream(response)):
        return False
    path = response.request.target.partition("?")[0]
    if path.endswith("/chat/completions"):
        return True
    framing = DIALECTS[dialect_of(response)].framing
    return response.media_type not in JSON_LINES and framing not in ("jsonlines", "eventstream")


@passive(
    "sse.content-type",
    MUST,
    "WHATWG HTML 9.2.2, 9.2.5; Open Responses",
    "What is answered to stream: true has the media type text/event-stream.",
    on="responses",
    when=_owes_events,
    absent="no 200 to a request for server-sent events was seen",
    breaks="httpx-sse 0.4.3 refuses the stream",
    needs=[Layer.FIELDS],
)
def content_type(response: Response) -> Iterator[Finding]:
    if response.media_type == "text/event-stream":
        return
    said = f"the answer is {response.media_type}" if response.media_type else "the answer has no Content-Type"
    looks = Stream(response).events and response.content.lstrip()[:1] not in (b"{", b"[", b"<")
    but = ", although an event stream follows" if looks else " and is no event stream"
    yield Finding(f"a stream was asked for: {said}{but}", at(response, response.field_offset("content-type")))


@passive(
    "sse.charset",
    MUST,
    "WHATWG HTML 17.7",
    "The Content-Type of a stream has no charset, or utf-8.",
    on="streams",
    when=_has_type,
    absent="no stream with the type text/event-stream was seen",
    breaks="httpx-sse 0.4.3 obeys the parameter, and turns every character beyond ASCII into others",
    needs=[Layer.FIELDS],
)
def charset(stream: Stream) -> Iterator[Finding]:
    response = stream.response
    for parameter in response.header("content-type").split(";")[1:]:
        name, _, value = parameter.partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() == "charset" and value.lower() != "utf-8":
            yield Finding(
                f"the charset is {value!r}: an event stream is always UTF-8",
                at(response, response.field_offset("content-type")),
            )


def _wants_whole(response: Response) -> bool:
    """A model was asked for an answer that is not streamed, and gave it."""
    asked, path = response.request.asked, response.request.target.partition("?")[0]
    if response.request.method != "POST":
        return False
    if not response.complete or not 200 <= response.status < 300 or not asked or asked_for_stream(response):
        return False
    if path.endswith(":streamGenerateContent"):
        return False  # without alt=sse a stream of Gemini's is an array
    dialect = dialect_of(response)
    return dialect in PROMPTED and (dialect != "ollama" or asked.get("stream") is False)


@passive(
    "sse.nonstream-json",
    MUST,
    "OpenAI API description, chat; Open Responses",
    "Without stream: true the answer is one JSON text of the type application/json, without an end mark.",
    on="responses",
    when=_wants_whole,
    absent="no answer was asked for without streaming, and read to its end",
    shown_by=("whole",),
    breaks="openai 3.54.0 hands the stream on as a string, and the first use of its fields raises",
    needs=[Layer.FIELDS, Layer.REQUEST, Layer.BODY],
)
def nonstream_json(response: Response) -> Iterator[Finding]:
    if response.media_type != "application/json" and not response.media_type.endswith("+json"):
        said = response.media_type or "no type"
        yield Finding(
            f"no stream was asked for, and the answer has {said}",
            at(response, response.field_offset("content-type")),
        )
    elif not isinstance(json_of(response), dict):
        mark = response.content.find(SENTINEL.encode())
        what = f"{SENTINEL} stands in it" if mark >= 0 else "it does not parse as one"
        yield Finding(f"the answer is not a JSON object: {what}", at(response, content=max(mark, 0)))
