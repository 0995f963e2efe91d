"""What a probe is: a scripted exchange with an endpoint, which is one connection and becomes one transcript.

A probe costs the endpoint a request, so there are few, and their number and kind are told beforehand. A probe only
asks and keeps what comes; what it means is for the checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from math import inf
from typing import Any, Literal

from tokenwire._version import __version__
from tokenwire.dialects import Dialect
from tokenwire.dialects.dialect import Prompt, Tool
from tokenwire.errors import LocalProtocolError
from tokenwire.protocol.url import Target
from tokenwire.recording import Entry, Recording, Redactor
from tokenwire.recording.http_wire import secrets_sent
from tokenwire.secrecy import Secrets

from ..reading.transcript import Transcript
from .asking import PROMPTED, Asking, asking_of, base_of, named_in, unframed, whole_in
from .limits import PIECE, Room, Waits
from .wire import Wire

__all__ = [
    "CLOSING",
    "LONGEST",
    "NO_SUCH_MODEL",
    "PATIENCE",
    "PROBES",
    "QUESTION",
    "QUIET",
    "SHORT_PATIENCE",
    "Asked",
    "Cost",
    "OutOfTime",
    "Plan",
    "Probe",
    "Talk",
    "Transport",
    "all_probes",
    "probe",
    "probes_for",
    "run_probe",
]

#: "generation" where the endpoint has to generate, "refusal" where a sound one refuses before that, "none" where no
#: model is asked.
Cost = Literal["generation", "refusal", "none"]

Transport = Literal["http/1.1", "websocket"]

#: Seconds that a probe waits for an answer, and for more of it since its last byte. Models that think or load take
#: their time.
PATIENCE = 60.0

#: Seconds that a probe waits for the whole of an answer that goes on and on. Those that are asked for are short: at a
#: token in two seconds the longest takes nine minutes.
LONGEST = 600.0

#: Seconds for an answer that costs the endpoint no generation, and after which silence is a finding.
SHORT_PATIENCE = 8.0

#: A model that nobody has.
NO_SUCH_MODEL = "no-such-model-7f3a"

#: Seconds after a response in which bytes that do not belong there would show.
QUIET = 0.3

#: Seconds in which an endpoint that was asked to close must have done it.
CLOSING = 2.0

#: What is asked. The answer is short, and comes back with characters of two, three and four bytes.
QUESTION = "Repeat this exactly: naïve café, Grüße, Привет, 日本語, नमस्ते, 😀 👩‍💻"


class OutOfTime(Exception):
    """The time for the whole run is up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a model, in the dialect's words: where, and the body."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to ask, and as whom.

    :ivar failing_model: a model that fails within its stream; empty where there is none.
    :ivar cut_model: a model whose upstream breaks off within the answer; empty where there is none.
    :ivar other_key: one of somebody else, whom the endpoint serves too.
    :ivar known: more that no transcript may show.
    :ivar question: what a model is asked.
    :ivar running: says how many requests the endpoint works on; None where nobody knows.
    :ivar patience: seconds of silence that an answer may have, before it and within.
    :ivar longest: seconds that a whole answer may take.
    :ivar waits: what was seen of the endpoint's pace so far.
    :ivar room: what may still be received.
    """

    target: Target
    dialect: Dialect
    model: str = ""
    key: str | None = field(default=None, repr=False)
    fields: Sequence[tuple[str, str]] = field(default=(), repr=False)
    failing_model: str = ""
    cut_model: str = ""
    other_key: str | None = field(default=None, repr=False)
    known: Secrets = field(default_factory=Secrets)
    running: Callable[[], float] | None = field(default=None, repr=False)
    question: str = QUESTION
    patience: float = PATIENCE
    longest: float = LONGEST
    waits: Waits = field(default_factory=Waits, repr=False, compare=False)
    room: Room = field(default_factory=Room, repr=False, compare=False)

    @property
    def secrets(self) -> Secrets:
        """What no transcript may show."""
        return (
            Secrets.of_request(key=self.key, path=self.target.url, headers=self.fields)
            | self.known
            | [self.other_key or ""]
        )

    @property
    def asking(self) -> Asking:
        """How the dialect is asked."""
        return asking_of(self.dialect.name)

    @property
    def base_path(self) -> str:
        """The beginning of the path, before what the dialect has there: `/v1`, `/v1beta`, `/api`."""
        return base_of(self.target.path)

    @property
    def models_path(self) -> str:
        """Where the endpoint lists its models, beside the path that is probed."""
        _, mark, query = unframed(self.target.path).partition("?")
        return self.base_path + self.asking.models + mark + query

    @property
    def nowhere(self) -> str:
        """A path beside it at which nothing should be."""
        return self.base_path + "/no-such-path"

    @property
    def key_field(self) -> str:
        """The field that carries a key, in lower case."""
        return next(iter(self.dialect.key_fields("")))

    def ask(
        self,
        text: str = "",
        *,
        stream: bool = False,
        max_tokens: int = 48,
        tools: Sequence[Tool] = (),
        model: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Asked:
        """A question to a model. A short answer is enough: every token costs somebody something.

        :param text: another question than that of the plan.
        :param model: another one than ours.
        :param more: members of the body besides.
        :raises LocalProtocolError: where neither the path nor the body of such a question can name another model.
        """
        asking, named = self.asking, self.model if model is None else model
        limit = max(max_tokens, asking.least_tokens)
        asked = self.dialect.ask(Prompt(text or self.question, named, max_tokens=limit, tools=tools))
        completed = self.dialect.body(asked)
        body = {member: completed[member] for member in asked if member in completed}
        body |= completed if stream else asking.whole
        if tools:
            body |= asking.call_tools
        path = self.target.path
        if model is not None and body.get("model") != model:
            path = self._path_naming(model)
        if not stream:
            path = whole_in(path, self.dialect)
        return Asked(path, json.dumps({**body, **(more or {})}, ensure_ascii=False).encode())

    def _path_naming(self, model: str) -> str:
        path = named_in(self.target.path, self.dialect, model)
        if path is None:
            raise LocalProtocolError(
                f"no model but that of the URL can be asked: {self.dialect.name} names the model in the path, and"
                f" {self.target.path} has no place for it. Give a URL that ends like {self.dialect.path}, or leave out"
                " the checks that ask another model (--skip)"
            )
        return path

    def request(
        self,
        method: str = "POST",
        *,
        asked: Asked | None = None,
        path: str | None = None,
        body: bytes | None = None,
        version: str = "1.1",
        key: str | Literal["ours"] | None = "ours",
        scheme: str = "Bearer",
        change: Mapping[str, str | None] | None = None,
        length: bool = True,
    ) -> bytes:
        """A request as bytes, written by hand so that it can be wrong on purpose.

        :param asked: gives the path and the body.
        :param key: another key than ours; None for none.
        :param change: fields to set, or to leave out with None. Names are written as given.
        :param length: whether Content-Length is added.
        """
        if asked is not None:
            path, body = asked.path, asked.body
        token = self.key if key == "ours" else key
        given = {name.lower() for name, _ in self.fields}
        own: dict[str, str | None] = {
            "Host": self.target.authority,
            "User-Agent": f"tokenwire-check/{__version__}",
            "Accept": "text/event-stream" if method == "GET" and path is None else "*/*",
            "Accept-Encoding": "identity",
            **{name.title(): value for name, value in self.dialect.fields.items()},
            **(self._key_fields(token, scheme) if token else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
            **({"Content-Length": str(len(body))} if body is not None and length else {}),
        }
        fields = {**{name: value for name, value in own.items() if name.lower() not in given}, **dict(self.fields)}
        changed = {name.lower() for name in change or {}}
        kept = [(name, value) for name, value in fields.items() if name.lower() not in changed]
        lines = [f"{method} {path or self.target.path} HTTP/{version}"]
        lines += [f"{name}: {value}" for name, value in [*kept, *(change or {}).items()] if value is not None]
        return "\r\n".join([*lines, "", ""]).encode() + (body or b"")

    def _key_fields(self, token: str, scheme: str) -> dict[str, str]:
        fields = self.dialect.key_fields(token)
        return {name.title(): value.replace("Bearer ", f"{scheme} ", 1) for name, value in fields.items()}


class Talk:
    """One probe's connection: what it sends and reads becomes the transcript."""

    transport: Transport = "http/1.1"

    def __init__(self, name: str, wire: Wire, plan: Plan, deadline: float = inf) -> None:
        self.name = name
        self.plan = plan
        #: When the time for the whole run is up, on the wire's clock.
        self._deadline = deadline
        self._wire = wire
        #: What has gone over the wire so far, as it was. It grows.
        self.transcript: Transcript = Transcript(name, Recording({}, []))
        self._zero = wire.now()
        #: The endpoint has ended the connection.
        self._over = False
        #: Reads, and lines in them.
        self._pieces = 0

    @property
    def pieces(self) -> int:
        """In how many pieces came what was received."""
        return self._pieces

    @property
    def weight(self) -> int:
        """Bytes that are kept of what was received."""
        return self.transcript.size + self.pieces * PIECE

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

    def read(self, until: Callable[[Transcript], bool], patience: float | None = None) -> bool:
        """Reads until the transcript is as wanted; False when the connection ended, the patience did, or too much came.

        :param patience: seconds in all. By default what an answer of a model needs: so many since its last byte, and
            so many in all, as the plan says.
        :raises OutOfTime: when the time for the whole run is up.
        """
        silence, longest = (self.plan.patience, self.plan.longest) if patience is None else (patience, patience)
        heard = self._wire.now()
        limit = heard + longest
        while not self._over and self.weight < self.plan.room.for_one:
            if until(self.transcript):
                return True
            now = self._wire.now()
            if now >= self._deadline:
                raise OutOfTime
            left = min(limit, heard + silence) - now
            if left <= 0:
                return False
            if self._receive(min(left, self._deadline - now)):
                heard = self._wire.now()
        return until(self.transcript)

    def read_answers(self, count: int = 1, patience: float | None = None) -> bool:
        """Reads until so many responses are complete. `patience` as in `read`."""
        return self.read(lambda transcript: _complete(transcript) >= count, patience)

    def read_for(self, seconds: float) -> None:
        """Reads whatever comes within a time."""
        self.read(lambda _: False, seconds)

    def read_late(self, least: float) -> None:
        """Reads what should not come, or what should come soon, for as long as this endpoint may need for it."""
        began = self._wire.now()
        self.read_for(self.plan.waits.wait(least))
        self.plan.waits.spend(self._wire.now() - began)

    def drain(self) -> bool:
        """Has the endpoint shut down, where that is in our power."""
        return self._wire.drain()

    def finish(self, secrets: Secrets) -> Transcript:
        """Closes the connection; the transcript, without the secrets."""
        if not self._over:
            self._note("left open" if _complete(self.transcript) else "closed by us")
            self._wire.close()
        return self.redacted(self.transcript, secrets)

    def redacted(self, transcript: Transcript, secrets: Secrets) -> Transcript:
        """The same without the secrets."""
        # A wrong key that a probe has sent is masked where it stood: it is masked alike where it comes back.
        redactor = Redactor(secrets | secrets_sent(transcript.sent))
        entries = [kept for entry in transcript.recording.entries for kept in redactor.feed(entry)] + redactor.flush()
        return Transcript(
            self.name,
            Recording({"transport": self.transport, "probe": self.name, "dialect": self.plan.dialect.name}, entries),
        )

    def _receive(self, timeout: float) -> bool:
        """Reads once; whether bytes came."""
        try:
            data = self._wire.receive(timeout)
        except ConnectionResetError:
            self._end("reset")
            return False
        if data:
            self._pieces += 1 + data.count(b"\n")
            self._note("<", data)
        elif data is not None:
            self._end("eof")
        return bool(data)

    def _end(self, how: str, *, reset: bool = False) -> None:
        self._over = True
        self._note(how)
        if reset:
            self._wire.reset()
        else:
            self._wire.close()

    def _note(self, kind: str, data: bytes = b"") -> None:
        self.transcript.add(Entry(self._wire.now() - self._zero, kind, data))


@dataclass(frozen=True, slots=True)
class Probe:
    """One scripted exchange.

    :ivar dialects: for which it is made; over WebSocket none stands for all.
    :ivar transport: of the probes among which it is made; `talk.transport` is the one over which it asks.
    :ivar slow: it waits for longer than a person would, so it is made for an endpoint that was named, and not else.
    :ivar costly: it costs an endpoint as much as all others together, so it is made when it is asked for, and not else.
    :ivar by_name: it is made when a check that needs it is named, or what is costly is asked for, and not else.
    :ivar other_model: it asks for another model than the plain question does.
    :ivar explains_refusal: it is made also where the plain question is refused for its key, for it tells why.
    """

    name: str
    cost: Cost
    about: str
    script: Callable[[Any], None]
    dialects: Sequence[str] = ()
    talk: type[Talk] = Talk
    transport: Transport = "http/1.1"
    slow: bool = False
    costly: bool = False
    by_name: bool = False
    other_model: bool = False
    explains_refusal: bool = False


PROBES: dict[str, Probe] = {}


def probes_for(dialect: str, names: Iterable[str], transport: Transport = "http/1.1") -> list[Probe]:
    """The probes of those names that fit, in the order in which they are made."""
    all_probes()
    wanted = set(names)
    return [
        probe
        for probe in PROBES.values()
        if probe.name in wanted and probe.transport == transport and (not probe.dialects or dialect in probe.dialects)
    ]


@cache
def all_probes() -> dict[str, Probe]:
    """All probes by name, in the order in which they are made."""
    import_module(".sessions", __package__)  # which imports those whose probes come before its own
    return PROBES


def run_probe(probe: Probe, wire: Wire, plan: Plan, deadline: float = inf) -> Transcript:
    """Makes one probe.

    :param deadline: when the time for the whole run is up, on the wire's clock.
    :raises ConnectionFailed: when there is no connection.
    :raises OutOfTime: when the time for the whole run is up.
    """
    talk = probe.talk(probe.name, wire, plan, deadline)
    talk.connect()
    try:
        probe.script(talk)
    except BaseException:
        wire.close()
        raise
    plan.waits.learn(talk.transcript)
    plan.room.fill(talk.weight)
    return talk.finish(plan.secrets)


def probe(
    name: str,
    cost: Cost,
    about: str,
    *dialects: str,
    beside: Transport = "http/1.1",
    other_model: bool = False,
    explains_refusal: bool = False,
    costly: bool = False,
    by_name: bool = False,
) -> Callable[[Callable[[Talk], None]], Callable[[Talk], None]]:
    """Declares a probe over HTTP, for all dialects in which a model is asked unless some are named.

    :param beside: the transport of the probes among which it is made.
    :param other_model: it asks for another model than the plain question does.
    :param explains_refusal: it is made also where the plain question is refused for its key.
    :param costly: it is made only when it is asked for.
    :param by_name: it is made only when a check that needs it is named, or what is costly is asked for.
    """

    def declare(script: Callable[[Talk], None]) -> Callable[[Talk], None]:
        made_for = dialects or PROMPTED
        PROBES[name] = Probe(
            name,
            cost,
            about,
            script,
            made_for,
            transport=beside,
            other_model=other_model,
            explains_refusal=explains_refusal,
            costly=costly,
            by_name=by_name,
        )
        return script

    return declare


def _complete(transcript: Transcript) -> int:
    return sum(response.complete for response in transcript.responses)
