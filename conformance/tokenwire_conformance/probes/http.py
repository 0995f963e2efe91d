"""The probes over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from tokenwire.dialects import dialect_named
from tokenwire.dialects.dialect import Tool

from ..reading.transcript import Transcript
from .asking import ASKING, PROMPTED, unframed
from .talk import CLOSING, NO_SUCH_MODEL, PATIENCE, QUIET, SHORT_PATIENCE, Asked, Plan, Talk, probe

#: Words of a prompt that is longer than the context of any model known.
OVERFLOW_WORDS = 1_500_000

#: The length of a body that nobody takes, in bytes: it is announced, not sent.
HUGE_BODY = 1 << 40

#: How much of it is sent, in bytes, for servers that count what comes instead of reading Content-Length.
HUGE_BODY_SENT = 256 * 1024

#: Tokens that the probe `length` asks for, where the dialect lets it.
FEW_TOKENS = 3

_PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_TOOLS = (
    Tool("get_weather", "Gives the weather of a city.", _PARAMETERS),
    Tool("get_time", "Gives the local time of a city.", _PARAMETERS),
)

#: Of OpenAI's chat completions alone.
_CHAT = "openai-chat"

#: The dialects whose key is a bearer token (RFC 6750), and so has a scheme.
_BEARING = tuple(name for name in PROMPTED if "authorization" in dialect_named(name).key_fields(""))


def _any_head(transcript: Transcript) -> bool:
    """A response has begun: its head is there, or that of an interim one."""
    return any(response.head_complete or response.informational for response in transcript.responses)


def _exchange(talk: Talk, request: bytes, patience: float | None = None, *, answers: int = 1) -> bool:
    """Sends a request, and reads until so many answers on the connection are complete; whether they are.

    :param patience: as in `Talk.read`.
    """
    talk.send(request)
    return talk.read_answers(answers, patience)


# What is asked of a model.


@probe("stream", "generation", "a plain stream, then a second request on the same connection")
def _stream(talk: Talk) -> None:
    plan = talk.plan
    if _exchange(talk, plan.request(asked=plan.ask(stream=True))):
        talk.read_for(QUIET)
        _exchange(talk, plan.request("GET", path=plan.models_path), SHORT_PATIENCE, answers=2)


@probe("events", "generation", "a plain stream over GET", "eventsource")
def _events(talk: Talk) -> None:
    if _exchange(talk, talk.plan.request("GET"), PATIENCE):  # such streams go on for ever, and are sound
        talk.read_for(QUIET)


@probe("usage", "generation", "a stream with usage, on a connection that shall be closed")
def _usage(talk: Talk) -> None:
    plan = talk.plan
    asked = plan.ask(stream=True, more=plan.dialect.usage_members)
    if _exchange(talk, plan.request(asked=asked, change={"Connection": "close"})):
        talk.read_late(CLOSING)


@probe("gzip", "generation", "a stream, with gzip allowed", *ASKING)
def _gzip(talk: Talk) -> None:
    _ask_coded(talk, "gzip")


@probe("coded", "generation", "a stream, with all codings allowed that browsers allow")
def _coded(talk: Talk) -> None:
    _ask_coded(talk, "gzip, deflate, br, zstd")


def _ask_coded(talk: Talk, codings: str) -> None:
    plan = talk.plan
    change = {"Accept-Encoding": codings}
    if plan.dialect.method == "GET":
        _exchange(talk, plan.request("GET", change=change), PATIENCE)
    else:
        _exchange(talk, plan.request(asked=plan.ask(stream=True), change=change))


@probe("length", "generation", "a stream that hits its token limit")
def _length(talk: Talk) -> None:
    asked = talk.plan.ask("Count from one to one hundred in words.", stream=True, max_tokens=FEW_TOKENS)
    _exchange(talk, talk.plan.request(asked=asked))


@probe("tools", "generation", "a stream with two tool calls")
def _tools(talk: Talk) -> None:
    _exchange(talk, talk.plan.request(asked=_ask_tools(talk.plan, stream=True)))


@probe("tools-whole", "generation", "the same without streaming", _CHAT)
def _tools_whole(talk: Talk) -> None:
    _exchange(talk, talk.plan.request(asked=_ask_tools(talk.plan)))


def _ask_tools(plan: Plan, *, stream: bool = False) -> Asked:
    text = "What are the weather and the time in 東京? Call both tools."
    return plan.ask(text, stream=stream, max_tokens=256, tools=_TOOLS, more=plan.asking.steady)


@probe("failure", "generation", "a stream of a model that fails within it", other_model=True)
def _failure(talk: Talk) -> None:
    plan = talk.plan
    if _exchange(talk, plan.request(asked=plan.ask(stream=True, model=plan.failing_model))):
        talk.read_for(QUIET)


@probe("upstream-cut", "generation", "a stream of a model whose upstream breaks off", other_model=True)
def _upstream_cut(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(stream=True, model=plan.cut_model)))


@probe("choices", "generation", "a stream with n = 2", _CHAT)
def _choices(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(stream=True, more={"n": 2})))


@probe("logprobs", "generation", "a stream with log probabilities, as repeatable as can be", _CHAT)
def _logprobs(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(stream=True, more={"logprobs": True, **plan.asking.steady})))


@probe("whole", "generation", "the plain question without streaming")
def _whole(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(more=plan.asking.steady)))


@probe("thinking", "generation", "a stream with extended thinking", "anthropic-messages")
def _thinking(talk: Talk) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    asked = talk.plan.ask(stream=True, max_tokens=1024 + 48, more={"thinking": thinking})
    _exchange(talk, talk.plan.request(asked=asked))


@probe("array", "generation", "a stream without alt=sse", "gemini")
def _array(talk: Talk) -> None:
    asked = talk.plan.ask(stream=True)
    _exchange(talk, talk.plan.request(asked=replace(asked, path=unframed(asked.path))))


@probe("stream-unsaid", "generation", "a question that does not say whether to stream", "ollama")
def _stream_unsaid(talk: Talk) -> None:
    asked = talk.plan.ask()
    body = {name: value for name, value in json.loads(asked.body).items() if name != "stream"}
    _exchange(talk, talk.plan.request(asked=replace(asked, body=json.dumps(body, ensure_ascii=False).encode())))


# What is asked of the HTTP server. Where a model would have to answer, one token is enough.


@probe("http10", "generation", "a stream, asked for in HTTP/1.0")
def _http10(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(stream=True, max_tokens=2), version="1.0"))


@probe("expect", "generation", "a request that waits for 100 Continue")
def _expect(talk: Talk) -> None:
    plan = talk.plan
    asked = plan.ask(max_tokens=1)
    request = plan.request(asked=asked, change={"Expect": "100-continue"})
    talk.send(request.removesuffix(asked.body))
    talk.read(_any_head, SHORT_PATIENCE)
    _exchange(talk, asked.body)


@probe("chunked", "generation", "a request with a chunked body")
def _chunked(talk: Talk) -> None:
    plan = talk.plan
    asked = plan.ask(max_tokens=1)
    body = asked.body
    half = len(body) // 2
    coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])) + b"0\r\n\r\n"
    head = plan.request(asked=asked, change={"Content-Length": None, "Transfer-Encoding": "chunked"})
    _exchange(talk, head.removesuffix(body) + coded)


@probe("dribbled", "generation", "a request sent in small pieces over a second and a half")
def _dribbled(talk: Talk) -> None:
    plan = talk.plan
    request = plan.request(asked=plan.ask(max_tokens=1))
    talk.send(request, piece=1 + len(request) // 300, over_seconds=1.5)
    talk.read_answers()


@probe("header-case", "generation", "a request with field names in odd capitals")
def _header_case(talk: Talk) -> None:
    plan = talk.plan
    asked = plan.ask(max_tokens=1)
    head, _, _ = plan.request(asked=asked).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    odd = [":".join([name.swapcase(), value]) for name, _, value in (text.partition(":") for text in fields)]
    _exchange(talk, "\r\n".join([line, *odd, "", ""]).encode() + asked.body)


@probe("pipelined", "none", "two requests in one write")
def _pipelined(talk: Talk) -> None:
    plan = talk.plan
    first = plan.request("GET", path=plan.models_path)
    second = plan.request("GET", path=plan.nowhere)
    _exchange(talk, first + second, SHORT_PATIENCE, answers=2)


@probe("method", "none", "DELETE, a method that the endpoint does not have")
def _method(talk: Talk) -> None:
    _exchange(talk, talk.plan.request("DELETE", path=talk.plan.target.path), SHORT_PATIENCE)


@probe("method-get", "none", "GET, where the question wants POST")
def _method_get(talk: Talk) -> None:
    _exchange(talk, talk.plan.request("GET"), SHORT_PATIENCE)


@probe("method-put", "refusal", "PUT, with the question")
def _method_put(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request("PUT", asked=plan.ask(stream=True, max_tokens=1)), SHORT_PATIENCE)


def _no_host(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request("GET", path=plan.models_path, change={"Host": None}), SHORT_PATIENCE)


def _two_hosts(talk: Talk) -> None:
    plan = talk.plan
    change = {"HOST": plan.target.authority, "host": "other.test"}
    _exchange(talk, plan.request("GET", path=plan.models_path, change=change), SHORT_PATIENCE)


def _bad_host(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request("GET", path=plan.models_path, change={"Host": "not a/valid host"}), SHORT_PATIENCE)


probe("host-missing", "none", "a request without a Host field")(_no_host)
probe("host-twice", "none", "a request with two Host fields")(_two_hosts)
probe("host-invalid", "none", "a request with an invalid Host field")(_bad_host)


@probe("te-and-cl", "generation", "a request with Transfer-Encoding and Content-Length")
def _te_and_cl(talk: Talk) -> None:
    plan = talk.plan
    asked = plan.ask(max_tokens=1)
    body = asked.body
    coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = plan.request(asked=asked, change={"Transfer-Encoding": "chunked", "Content-Length": str(len(coded))})
    if _exchange(talk, head.removesuffix(body) + coded):
        talk.read_late(CLOSING)


@probe("te-not-final", "refusal", "a request whose last transfer coding is not chunked")
def _te_not_final(talk: Talk) -> None:
    _send_odd(talk, {"Content-Length": None, "Transfer-Encoding": "gzip"})


@probe("length-no-number", "refusal", "a request whose Content-Length is no number")
def _length_no_number(talk: Talk) -> None:
    _send_odd(talk, {"Content-Length": "12abc"})


@probe("length-twice", "refusal", "a request with two different Content-Lengths")
def _length_twice(talk: Talk) -> None:
    size = len(talk.plan.ask(max_tokens=1).body)
    _send_odd(talk, {"Content-Length": str(size), "content-length": str(size + 1)})


@probe("space-colon", "refusal", "a request with a blank before a colon")
def _space_colon(talk: Talk) -> None:
    _send_odd(talk, {"X-Probe ": "a blank stands before this colon"})


def _send_odd(talk: Talk, change: Mapping[str, str | None]) -> None:
    if _exchange(talk, talk.plan.request(asked=talk.plan.ask(max_tokens=1), change=change), SHORT_PATIENCE):
        talk.read_late(CLOSING)


@probe("unread-body", "none", "a refused request whose body looks like another request")
def _unread_body(talk: Talk) -> None:
    plan = talk.plan
    smuggled = plan.request("GET", path=plan.models_path)
    if _exchange(talk, plan.request("POST", path=plan.nowhere, body=smuggled), SHORT_PATIENCE):
        talk.read_late(CLOSING)


# What must be refused.


@probe("bad-json", "refusal", "a request that is not JSON")
def _bad_json(talk: Talk) -> None:
    plan = talk.plan
    asked = plan.ask(stream=True)
    _exchange(talk, plan.request(asked=replace(asked, body=asked.body[:-9])))


@probe("unknown-model", "refusal", "a model that does not exist", other_model=True)
def _unknown_model(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(stream=True, model=NO_SUCH_MODEL, max_tokens=1)))


@probe("overflow", "refusal", f"a prompt of {OVERFLOW_WORDS:,} words", costly=True)
def _overflow(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask("a " * OVERFLOW_WORDS, stream=True, max_tokens=1)))


@probe("no-version", "refusal", "a request without anthropic-version", "anthropic-messages")
def _no_version(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(stream=True, max_tokens=1), change={"Anthropic-Version": None}))


@probe("media-type", "refusal", "a request of another media type")
def _media_type(talk: Talk) -> None:
    plan = talk.plan
    body = b"<request><model>" + plan.model.encode() + b"</model></request>"
    _exchange(talk, plan.request(body=body, change={"Content-Type": "application/xml"}))


@probe("huge-body", "refusal", f"a body announced as {HUGE_BODY:,} bytes, of which {HUGE_BODY_SENT:,} are sent")
def _huge_body(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=b"", change={"Content-Length": str(HUGE_BODY)}))
    if not talk.read(_any_head, QUIET):
        talk.send(b" " * HUGE_BODY_SENT, piece=64 * 1024)
    talk.read_answers(1, SHORT_PATIENCE)


@probe("no-key", "refusal", "a request without a key", *ASKING)
def _no_key(talk: Talk) -> None:
    _exchange(talk, _plain_request(talk.plan, key=None))


@probe("wrong-key", "refusal", "a request with a wrong key", *ASKING)
def _wrong_key(talk: Talk) -> None:
    _exchange(talk, _plain_request(talk.plan, key="wrong-key-0123456789abcdef"))


@probe(
    "query-key",
    "none",
    "the list of models, with the key in the URL where it is refused in a field",
    *ASKING,
    explains_refusal=True,
)
def _query_key(talk: Talk) -> None:
    """The key goes into a URL, where logs keep it, only when the endpoint does not take it from a field."""
    plan = talk.plan
    answered = _exchange(talk, plan.request("GET", path=plan.models_path), SHORT_PATIENCE)
    if answered and talk.transcript.responses[0].status in (401, 403):
        name = "key" if plan.key_field == "x-goog-api-key" else "access_token"
        path = f"{plan.models_path}?{name}={quote(plan.key or '', safe='')}"
        _exchange(talk, plan.request("GET", path=path, key=None), SHORT_PATIENCE, answers=2)


@probe("bearer-lower", "generation", "a request whose authentication scheme is written `bearer`", *_BEARING)
def _bearer_lower(talk: Talk) -> None:
    plan = talk.plan
    _exchange(talk, plan.request(asked=plan.ask(max_tokens=1), scheme="bearer"))


def _plain_request(plan: Plan, *, key: str | None) -> bytes:
    if plan.dialect.method == "GET":
        return plan.request("GET", key=key)
    return plan.request(asked=plan.ask(stream=True, max_tokens=1), key=key)


@probe("preflight", "none", "a browser's preflight request (CORS)", *ASKING)
def _preflight(talk: Talk) -> None:
    plan = talk.plan
    change = {
        "Origin": "http://page.test",
        "Access-Control-Request-Method": plan.dialect.method,
        "Access-Control-Request-Headers": ", ".join([plan.key_field, *plan.dialect.fields, "content-type"]),
        plan.key_field: None,
    }
    _exchange(talk, plan.request("OPTIONS", change=change), SHORT_PATIENCE)
