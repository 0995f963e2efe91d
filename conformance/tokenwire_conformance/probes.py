"""The probes: scripted exchanges with an endpoint. Each is one connection and becomes one transcript.

A probe costs the endpoint a request, so there are few, and their number and kind are told beforehand. A probe only
asks and keeps what comes; what it means is for the checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tokenwire._version import __version__
from tokenwire.dialects import Dialect
from tokenwire.protocol.url import Target
from tokenwire.recording import Entry, Recording, Redactor

from .transcript import Transcript
from .wire import Wire

__all__ = ["PROBES", "Plan", "Probe", "Talk", "probes_for", "run_probe"]

#: Seconds that a probe waits for an answer. Models that think or load take their time.
PATIENCE = 60.0

#: Seconds for an answer that costs the endpoint no generation, and after which silence is a finding.
SHORT_PATIENCE = 8.0

#: Seconds after a response in which bytes that do not belong there would show.
QUIET = 0.3

#: Seconds in which an endpoint that was asked to close must have done it.
CLOSING = 2.0

#: Words of a prompt that is longer than the context of any model known.
OVERFLOW_WORDS = 1_500_000

#: The length of a body that nobody takes, in bytes: it is announced, not sent.
HUGE_BODY = 1 << 40

#: How much of it is sent, in bytes, for servers that count what comes instead of reading Content-Length.
HUGE_BODY_SENT = 256 * 1024

_MULTIBYTE = "naïve café, Grüße, Привет, 日本語, नमस्ते, 😀 👩‍💻"

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": about,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name, about in (
        ("get_weather", "Gives the weather of a city."),
        ("get_time", "Gives the local time of a city."),
    )
]


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to ask, and as whom."""

    target: Target
    dialect: Dialect
    model: str = ""
    key: str | None = None
    fields: Sequence[tuple[str, str]] = ()

    @property
    def models_path(self) -> str:
        """Where the endpoint lists its models, beside the path that is probed."""
        path = self.target.path.partition("?")[0]
        return path.removesuffix("/chat/completions").removesuffix("/chat/stream").rstrip("/") + "/models"

    def chat(self, **more: Any) -> bytes:
        """The body of a chat request. A short answer is enough: every token costs somebody something."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": f"Repeat this exactly: {_MULTIBYTE}"}],
            "max_tokens": 48,
        }
        return json.dumps({**body, **more}, ensure_ascii=False).encode()

    def request(
        self,
        method: str = "POST",
        *,
        path: str | None = None,
        body: bytes | None = None,
        version: str = "1.1",
        key: str | Literal["ours"] | None = "ours",
        scheme: str = "Bearer",
        change: Mapping[str, str | None] | None = None,
        length: bool = True,
    ) -> bytes:
        """A request as bytes, written by hand so that it can be wrong on purpose.

        :param key: another key than ours; None for none.
        :param change: fields to set, or to leave out with None. Names are written as given.
        :param length: whether Content-Length is added.
        """
        token = self.key if key == "ours" else key
        fields: dict[str, str | None] = {
            "Host": self.target.authority,
            "User-Agent": f"tokenwire-check/{__version__}",
            "Accept": "text/event-stream" if method == "GET" and path is None else "*/*",
            "Accept-Encoding": "identity",
            **({"Authorization": f"{scheme} {token}"} if token else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
            **({"Content-Length": str(len(body))} if body is not None and length else {}),
            **dict(self.fields),
        }
        changed = {name.lower() for name in change or {}}
        kept = [(name, value) for name, value in fields.items() if name.lower() not in changed]
        lines = [f"{method} {path or self.target.path} HTTP/{version}"]
        lines += [f"{name}: {value}" for name, value in [*kept, *(change or {}).items()] if value is not None]
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class Talk:
    """One probe's connection: what it sends and reads becomes the transcript."""

    def __init__(self, name: str, wire: Wire, plan: Plan) -> None:
        self.name = name
        self.plan = plan
        self._wire = wire
        self._entries: list[Entry] = []
        self._zero = wire.now()
        self._over = False

    @property
    def over(self) -> bool:
        """The endpoint has ended the connection."""
        return self._over

    @property
    def transcript(self) -> Transcript:
        """What has gone over the wire so far, as it was."""
        return Transcript(self.name, Recording({}, list(self._entries)))

    def connect(self) -> None:
        self._wire.connect()
        self._zero = self._wire.now()
        self._note("connected")

    def send(self, data: bytes, *, piece: int = 0, over_seconds: float = 0.0) -> None:
        """Sends bytes, at once or in pieces spread over a time."""
        if self._over:
            return
        pieces = [data[at : at + piece] for at in range(0, len(data), piece)] if piece else [data]
        for part in pieces:
            self._note(">", part)
            if not self._wire.send(part):
                break
            if over_seconds:
                self._wire.sleep(over_seconds / len(pieces))

    def read(self, until: Callable[[Transcript], bool], patience: float = PATIENCE) -> bool:
        """Reads until the transcript is as wanted; False when the connection ended or the patience did."""
        deadline = self._wire.now() + patience
        while not self._over:
            if until(self.transcript):
                return True
            left = deadline - self._wire.now()
            if left <= 0:
                return False
            self._receive(left)
        return until(self.transcript)

    def read_answers(self, count: int = 1, patience: float = PATIENCE) -> bool:
        """Reads until so many responses are complete."""
        return self.read(lambda transcript: _complete(transcript) >= count, patience)

    def read_for(self, seconds: float) -> None:
        """Reads whatever comes within a time."""
        self.read(lambda _: False, seconds)

    def finish(self, secrets: Sequence[str]) -> Transcript:
        """Closes the connection; the transcript, without the secrets."""
        if not self._over:
            self._note("left open" if _complete(self.transcript) else "closed by us")
            self._wire.close()
        redactor = Redactor(secrets)
        entries = [kept for entry in self._entries for kept in redactor.feed(entry)] + redactor.flush()
        return Transcript(self.name, Recording({"transport": "http/1.1", "probe": self.name}, entries))

    def _receive(self, timeout: float) -> None:
        try:
            data = self._wire.receive(timeout)
        except ConnectionResetError:
            self._end("reset")
            return
        if data is None:
            return
        if data:
            self._note("<", data)
        else:
            self._end("eof")

    def _end(self, how: str) -> None:
        self._over = True
        self._note(how)
        self._wire.close()

    def _note(self, kind: str, data: bytes = b"") -> None:
        self._entries.append(Entry(self._wire.now() - self._zero, kind, data))


@dataclass(frozen=True, slots=True)
class Probe:
    """One scripted exchange.

    :ivar cost: "generation" where the endpoint has to generate, "refusal" where a sound one refuses before that,
        "none" where no model is asked.
    """

    name: str
    cost: Literal["generation", "refusal", "none"]
    about: str
    script: Callable[[Talk], None]
    dialects: Sequence[str] = ("openai-chat",)


PROBES: dict[str, Probe] = {}


def probes_for(dialect: str, names: Iterable[str]) -> list[Probe]:
    """The probes of those names that fit the dialect, in the order in which they are made."""
    wanted = set(names)
    return [probe for probe in PROBES.values() if probe.name in wanted and dialect in probe.dialects]


def run_probe(probe: Probe, wire: Wire, plan: Plan) -> Transcript:
    """Makes one probe.

    :raises ConnectionFailed: when there is no connection.
    """
    talk = Talk(probe.name, wire, plan)
    talk.connect()
    probe.script(talk)
    return talk.finish([plan.key] if plan.key else [])


def _probe(
    name: str,
    cost: Literal["generation", "refusal", "none"],
    about: str,
    *dialects: str,
) -> Callable[[Callable[[Talk], None]], Callable[[Talk], None]]:
    def declare(script: Callable[[Talk], None]) -> Callable[[Talk], None]:
        PROBES[name] = Probe(name, cost, about, script, dialects or ("openai-chat",))
        return script

    return declare


def _complete(transcript: Transcript) -> int:
    return sum(response.complete for response in transcript.responses)


def _any_head(transcript: Transcript) -> bool:
    """A response has begun: its head is there, or that of an interim one."""
    return any(response.head_complete or response.informational for response in transcript.responses)


# What is asked of a model.


@_probe("stream", "generation", "a plain stream, then a second request on the same connection", "openai-chat")
def _stream(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=plan.chat(stream=True)))
    if talk.read_answers():
        talk.read_for(QUIET)
        talk.send(plan.request("GET", path=plan.models_path))
        talk.read_answers(2, SHORT_PATIENCE)


@_probe("events", "generation", "a plain stream over GET", "eventsource")
def _events(talk: Talk) -> None:
    talk.send(talk.plan.request("GET"))
    if talk.read_answers():
        talk.read_for(QUIET)


@_probe("usage", "generation", "a stream with usage, on a connection that shall be closed")
def _usage(talk: Talk) -> None:
    plan = talk.plan
    body = plan.chat(stream=True, stream_options={"include_usage": True})
    talk.send(plan.request(body=body, change={"Connection": "close"}))
    if talk.read_answers():
        talk.read_for(CLOSING)


@_probe("gzip", "generation", "a stream, with gzip allowed", "openai-chat", "eventsource")
def _gzip(talk: Talk) -> None:
    plan = talk.plan
    change = {"Accept-Encoding": "gzip"}
    if plan.dialect.method == "GET":
        talk.send(plan.request("GET", change=change))
    else:
        talk.send(plan.request(body=plan.chat(stream=True), change=change))
    talk.read_answers()


@_probe("length", "generation", "a stream that hits its token limit")
def _length(talk: Talk) -> None:
    plan = talk.plan
    messages = [{"role": "user", "content": "Count from one to one hundred in words."}]
    talk.send(plan.request(body=plan.chat(stream=True, max_tokens=3, messages=messages)))
    talk.read_answers()


@_probe("tools", "generation", "a stream with two tool calls")
def _tools(talk: Talk) -> None:
    talk.send(talk.plan.request(body=_tools_body(talk.plan, stream=True)))
    talk.read_answers()


@_probe("tools-whole", "generation", "the same without streaming")
def _tools_whole(talk: Talk) -> None:
    talk.send(talk.plan.request(body=_tools_body(talk.plan)))
    talk.read_answers()


def _tools_body(plan: Plan, **more: Any) -> bytes:
    messages = [{"role": "user", "content": "What are the weather and the time in 東京? Call both tools."}]
    return plan.chat(
        messages=messages, tools=_TOOLS, tool_choice="required", max_tokens=256, temperature=0, seed=7, **more
    )


@_probe("choices", "generation", "a stream with n = 2")
def _choices(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=plan.chat(stream=True, n=2)))
    talk.read_answers()


@_probe("logprobs", "generation", "a stream with log probabilities, as repeatable as can be")
def _logprobs(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=plan.chat(stream=True, logprobs=True, temperature=0, seed=7)))
    talk.read_answers()


@_probe("whole", "generation", "the same without streaming")
def _whole(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=plan.chat(temperature=0, seed=7)))
    talk.read_answers()


# What is asked of the HTTP server. Where a model would have to answer, one token is enough.


@_probe("http10", "generation", "a stream, asked for in HTTP/1.0")
def _http10(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=plan.chat(stream=True, max_tokens=2), version="1.0"))
    talk.read_answers()


@_probe("expect", "generation", "a request that waits for 100 Continue")
def _expect(talk: Talk) -> None:
    plan = talk.plan
    body = plan.chat(max_tokens=1)
    request = plan.request(body=body, change={"Expect": "100-continue"})
    talk.send(request.removesuffix(body))
    talk.read(_any_head, SHORT_PATIENCE)
    talk.send(body)
    talk.read_answers()


@_probe("chunked", "generation", "a request with a chunked body")
def _chunked(talk: Talk) -> None:
    plan = talk.plan
    body = plan.chat(max_tokens=1)
    half = len(body) // 2
    coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:])) + b"0\r\n\r\n"
    head = plan.request(body=body, change={"Content-Length": None, "Transfer-Encoding": "chunked"})
    talk.send(head.removesuffix(body) + coded)
    talk.read_answers()


@_probe("dribbled", "generation", "a request sent in small pieces over a second and a half")
def _dribbled(talk: Talk) -> None:
    plan = talk.plan
    request = plan.request(body=plan.chat(max_tokens=1))
    talk.send(request, piece=1 + len(request) // 300, over_seconds=1.5)
    talk.read_answers()


@_probe("header-case", "generation", "a request with field names in odd capitals")
def _header_case(talk: Talk) -> None:
    plan = talk.plan
    body = plan.chat(max_tokens=1)
    head, _, _ = plan.request(body=body).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    odd = [":".join([name.swapcase(), value]) for name, _, value in (text.partition(":") for text in fields)]
    talk.send("\r\n".join([line, *odd, "", ""]).encode() + body)
    talk.read_answers()


@_probe("pipelined", "none", "two requests in one write")
def _pipelined(talk: Talk) -> None:
    plan = talk.plan
    first = plan.request("GET", path=plan.models_path)
    second = plan.request("GET", path=plan.models_path.removesuffix("/models") + "/no-such-path")
    talk.send(first + second)
    talk.read_answers(2, SHORT_PATIENCE)


@_probe("method", "none", "a method that the endpoint does not have")
def _method(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request("DELETE", change={"Content-Length": None}))
    talk.read_answers(1, SHORT_PATIENCE)


def _no_host(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request("GET", path=plan.models_path, change={"Host": None}))
    talk.read_answers(1, SHORT_PATIENCE)


def _two_hosts(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request("GET", path=plan.models_path, change={"HOST": plan.target.authority, "host": "other.test"}))
    talk.read_answers(1, SHORT_PATIENCE)


def _bad_host(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request("GET", path=plan.models_path, change={"Host": "not a/valid host"}))
    talk.read_answers(1, SHORT_PATIENCE)


_probe("host-missing", "none", "a request without a Host field")(_no_host)
_probe("host-twice", "none", "a request with two Host fields")(_two_hosts)
_probe("host-invalid", "none", "a request with an invalid Host field")(_bad_host)


@_probe("te-and-cl", "generation", "a request with Transfer-Encoding and Content-Length")
def _te_and_cl(talk: Talk) -> None:
    plan = talk.plan
    body = plan.chat(max_tokens=1)
    coded = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = plan.request(body=body, change={"Transfer-Encoding": "chunked", "Content-Length": str(len(coded))})
    talk.send(head.removesuffix(body) + coded)
    if talk.read_answers():
        talk.read_for(QUIET)


@_probe("te-not-final", "refusal", "a request whose last transfer coding is not chunked")
def _te_not_final(talk: Talk) -> None:
    _send_odd(talk, {"Content-Length": None, "Transfer-Encoding": "gzip"})


@_probe("length-no-number", "refusal", "a request whose Content-Length is no number")
def _length_no_number(talk: Talk) -> None:
    _send_odd(talk, {"Content-Length": "12abc"})


@_probe("length-twice", "refusal", "a request with two different Content-Lengths")
def _length_twice(talk: Talk) -> None:
    size = len(talk.plan.chat(max_tokens=1))
    _send_odd(talk, {"Content-Length": str(size), "content-length": str(size + 1)})


@_probe("space-colon", "refusal", "a request with a blank before a colon")
def _space_colon(talk: Talk) -> None:
    _send_odd(talk, {"X-Probe ": "a blank stands before this colon"})


def _send_odd(talk: Talk, change: Mapping[str, str | None]) -> None:
    talk.send(talk.plan.request(body=talk.plan.chat(max_tokens=1), change=change))
    if talk.read_answers(1, SHORT_PATIENCE):
        talk.read_for(QUIET)


@_probe("unread-body", "none", "a refused request whose body looks like another request")
def _unread_body(talk: Talk) -> None:
    plan = talk.plan
    smuggled = plan.request("GET", path=plan.models_path)
    path = plan.models_path.removesuffix("/models") + "/no-such-path"
    talk.send(plan.request("POST", path=path, body=smuggled))
    if talk.read_answers(1, SHORT_PATIENCE):
        talk.read_for(QUIET)


# What must be refused.


@_probe("bad-json", "refusal", "a request that is not JSON")
def _bad_json(talk: Talk) -> None:
    plan = talk.plan
    _refused(talk, plan.request(body=plan.chat(stream=True)[:-9]))


@_probe("unknown-model", "refusal", "a model that does not exist")
def _unknown_model(talk: Talk) -> None:
    plan = talk.plan
    _refused(talk, plan.request(body=plan.chat(stream=True, model="no-such-model-7f3a", max_tokens=1)))


@_probe("overflow", "refusal", f"a prompt of {OVERFLOW_WORDS:,} words")
def _overflow(talk: Talk) -> None:
    plan = talk.plan
    messages = [{"role": "user", "content": "a " * OVERFLOW_WORDS}]
    _refused(talk, plan.request(body=plan.chat(stream=True, messages=messages, max_tokens=1)))


@_probe("media-type", "refusal", "a request of another media type")
def _media_type(talk: Talk) -> None:
    plan = talk.plan
    body = b"<request><model>" + plan.model.encode() + b"</model></request>"
    _refused(talk, plan.request(body=body, change={"Content-Type": "application/xml"}))


@_probe("huge-body", "refusal", f"a body announced as {HUGE_BODY:,} bytes, of which {HUGE_BODY_SENT:,} are sent")
def _huge_body(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=b"", change={"Content-Length": str(HUGE_BODY)}))
    if not talk.read(_any_head, QUIET):
        talk.send(b" " * HUGE_BODY_SENT, piece=64 * 1024)
    talk.read_answers(1, SHORT_PATIENCE)


@_probe("no-key", "refusal", "a request without a key", "openai-chat", "eventsource")
def _no_key(talk: Talk) -> None:
    _refused(talk, _plain_request(talk.plan, key=None))


@_probe("wrong-key", "refusal", "a request with a wrong key", "openai-chat", "eventsource")
def _wrong_key(talk: Talk) -> None:
    _refused(talk, _plain_request(talk.plan, key="wrong-key-0123456789abcdef"))


@_probe("bearer-lower", "generation", "a request whose authentication scheme is written `bearer`")
def _bearer_lower(talk: Talk) -> None:
    plan = talk.plan
    talk.send(plan.request(body=plan.chat(max_tokens=1), scheme="bearer"))
    talk.read_answers()


def _plain_request(plan: Plan, *, key: str | None) -> bytes:
    if plan.dialect.method == "GET":
        return plan.request("GET", key=key)
    return plan.request(body=plan.chat(stream=True, max_tokens=1), key=key)


def _refused(talk: Talk, request: bytes) -> None:
    talk.send(request)
    talk.read_answers()


@_probe("preflight", "none", "a browser's preflight request (CORS)", "openai-chat", "eventsource")
def _preflight(talk: Talk) -> None:
    plan = talk.plan
    change = {
        "Origin": "http://page.test",
        "Access-Control-Request-Method": plan.dialect.method,
        "Access-Control-Request-Headers": "authorization, content-type",
        "Authorization": None,
    }
    talk.send(plan.request("OPTIONS", change=change))
    talk.read_answers(1, SHORT_PATIENCE)
