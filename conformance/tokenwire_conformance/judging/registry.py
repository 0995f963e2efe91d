"""How a check is declared, and the catalogue of them all.

    @passive("sse.utf8", MUST, "WHATWG HTML 9.2.5", "The whole body is valid UTF-8.", on="streams")
    def utf8(stream: Stream) -> Iterator[Finding]: ...

    @active("http.date", ..., probes=("stream",))
    def date(case: Case) -> Iterator[Finding]: ...

A passive check judges one subject at a time, in every transcript, live or from a file; an active one looks at the
answers to the probes that it names. Both are pure functions that yield what is wrong, and raise `NotApplicable` or
`Inconclusive` where they cannot judge. An id is never reused and never renumbered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import Any, Literal

from tokenwire.recording.captures import Layer

from ..probes.many import Many
from ..probes.talk import Probe, Transport
from ..reading.http import Response
from ..reading.sockets import Socket
from ..reading.transcript import Transcript
from .case import Case
from .verdict import Finding, Inconclusive, Level, NotApplicable, NotAsked, NotShown

__all__ = [
    "CATALOGUE",
    "GROUPS",
    "Check",
    "Ground",
    "Group",
    "Sees",
    "across",
    "active",
    "among_many",
    "catalogue",
    "compared",
    "passive",
]


class Ground(Enum):
    """What a check's verdict rests on. Where it does not hold, the check does not judge."""

    PLAIN_ANSWER = "the plain question was answered"
    KEY = "the plain question was answered, or refused for its key"
    RESPONSE = "one response was read, whatever was asked"


Subject = Literal[
    "responses",
    "streams",
    "generations",
    "chats",
    "response_streams",
    "message_streams",
    "gemini_streams",
    "ollama_streams",
    "arrivals",
    "sockets",
]


class Sees(Enum):
    """Which answers a check is given."""

    ENDPOINT = "those of an endpoint"
    HOP = "those that came through a hop, and those of its origin"
    MANY = "many, to the same question"


@dataclass(frozen=True, slots=True)
class Group:
    """What the checks of one group judge.

    :ivar over: the transport over which it is said; None for both, as a WebSocket begins with a response too.
    :ivar dialect: in which it is said; None for all.
    """

    over: Transport | None = None
    dialect: str | None = None


#: The groups of checks, in the order of the catalogue.
GROUPS: Mapping[str, Group] = {
    "http": Group(),
    "sse": Group("http/1.1"),
    "chat": Group("http/1.1", "openai-chat"),
    "resp": Group("http/1.1", "openai-responses"),
    "anth": Group("http/1.1", "anthropic-messages"),
    "gem": Group("http/1.1", "gemini"),
    "ollama": Group("http/1.1", "ollama"),
    "err": Group(),
    "auth": Group(),
    "time": Group(),
    "cancel": Group("http/1.1"),
    "resume": Group("http/1.1"),
    "hop": Group(),
    "rate": Group(),
    "wsh": Group("websocket"),
    "wsf": Group("websocket"),
    "wsz": Group("websocket"),
    "wsc": Group("websocket"),
    "wsk": Group("websocket"),
    "wsl": Group("websocket"),
}

_ABSENT: dict[Subject, str] = {
    "responses": "no response was seen",
    "streams": "no event stream was seen",
    "generations": "no streamed answer of a model was seen",
    "chats": "no stream of chat completion chunks was seen",
    "response_streams": "no stream of OpenAI's Responses was seen",
    "message_streams": "no stream of Anthropic's Messages was seen",
    "gemini_streams": "no stream of Gemini's was seen",
    "ollama_streams": "no stream of Ollama's was seen",
    "arrivals": "no streamed answer of a model was seen",
    "sockets": "no WebSocket was seen",
}


#: What of a response comes after its head.
_BEHIND_HEAD = frozenset({Layer.FRAMING, Layer.CODING, Layer.BODY, Layer.OCTETS, Layer.AFTER, Layer.END})

#: What the subjects themselves rest on.
_RESTS_ON: dict[Subject, frozenset[Layer]] = {
    **dict.fromkeys(_ABSENT, frozenset({Layer.BODY})),
    "responses": frozenset(),
    "arrivals": frozenset({Layer.BODY, Layer.TIMES}),
    "sockets": frozenset(),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    :ivar says: the rule in a sentence, as it holds for a sound endpoint.
    :ivar clause: where the rule stands.
    :ivar probes: what must be asked for it; empty for a passive check.
    :ivar shown_by: for a passive check: probes whose answers have what it judges, besides the plain stream.
    :ivar breaks: what was measured to happen when it is broken, with the client and its version; or nothing.
    :ivar rests_on: what must hold, so that it may judge.
    :ivar subject: for a passive check: what it judges, wherever it is seen.
    :ivar needs: for a passive check: the layers of the wire that a source has to show, or it cannot be judged.
    :ivar sees: which answers it is given.
    """

    id: str
    level: Level
    clause: str
    says: str
    judge: Callable[[Case], Iterator[Finding]]
    probes: Sequence[str] = ()
    shown_by: Sequence[str] = ()
    breaks: str = ""
    rests_on: Ground = Ground.PLAIN_ANSWER
    subject: Subject | None = None
    needs: frozenset[Layer] = frozenset()
    sees: Sees = Sees.ENDPOINT

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

    def may_be_seen_in(self, probe: Probe) -> bool:
        """The answer to this probe may have what it judges."""
        if probe.name in (*self.probes, *self.shown_by) or self.subject == "responses":
            return True
        if self.subject == "sockets":
            return probe.talk.transport == "websocket"
        return self.subject is not None and probe.talk.transport != "websocket" and probe.cost == "generation"

    def may_follow_in(self, transcript: Transcript, case: Case) -> bool:
        """What it judges may be in the part of the recording that is missing at its end."""
        last = next(iter(transcript.responses[-1:]), None)
        if self.subject is None or last is None or not last.head_complete:
            return self.subject is not None
        if self.subject == "responses":
            return bool(self.needs & _BEHIND_HEAD)
        return any(_response(subject).transcript is transcript for subject in getattr(case, self.subject))

    def fits(self, dialects: Collection[str]) -> bool:
        """It judges what is said in one of these dialects, or what is the same in all."""
        return GROUPS[self.group].dialect in (None, *dialects)


CATALOGUE: dict[str, Check] = {}


def passive(
    id: str,  # noqa: A002 - what it is called
    level: Level,
    clause: str,
    says: str,
    *,
    on: Subject,
    when: Callable[[Any], bool] | None = None,
    absent: str = "",
    shown_by: Sequence[str] = (),
    breaks: str = "",
    rests_on: Ground = Ground.PLAIN_ANSWER,
    needs: Collection[Layer] = (),
) -> Callable[[Callable[[Any], Iterable[Finding]]], Callable[[Any], Iterable[Finding]]]:
    """Declares a check that judges every subject of one kind.

    :param when: which of them it judges; all by default.
    :param absent: the reason for NOT-APPLICABLE where there is none to judge.
    :param rests_on: a rule of one response that has nothing to do with what was asked rests on that response alone.
    :param needs: layers of the wire that it reads, besides that of its subject. Layer.END is for what is said of all
        of a response: where neither that nor the framing shows that it is whole, only findings count.
    """
    layers = _RESTS_ON[on] | frozenset(needs)

    def declare(judge_one: Callable[[Any], Iterable[Finding]]) -> Callable[[Any], Iterable[Finding]]:
        def judge(case: Case) -> Iterator[Finding]:
            subjects = getattr(case, on)
            unshown = [_unshown(subject, layers - {Layer.END}) for subject in subjects]
            if subjects and all(unshown):
                raise NotShown(unshown[0])
            shown = [subject for subject, why in zip(subjects, unshown, strict=True) if not why]
            judged = [subject for subject in shown if when is None or when(subject)]
            for subject in judged:
                yield from judge_one(subject)
            for subject in shown:  # what is wrong is wrong; but that nothing is, is not known before the end
                if Layer.END in layers and not _is_whole(subject) and (why := _unshown(subject, {Layer.END})):
                    raise NotShown(why)
            if not judged:
                raise NotApplicable(absent or _ABSENT[on])

        _add(Check(id, level, clause, says, judge, (), shown_by, breaks, rests_on=rests_on, subject=on, needs=layers))
        return judge_one

    return declare


def across(
    id: str,  # noqa: A002 - what it is called
    level: Level,
    clause: str,
    says: str,
    *,
    on: Subject,
    shown_by: Sequence[str] = (),
) -> Callable[[Callable[[Sequence[Any]], Iterator[Finding]]], Callable[[Sequence[Any]], Iterator[Finding]]]:
    """Declares a check that judges all subjects of one kind together, for it compares them."""

    def declare(judge_all: Callable[[Sequence[Any]], Iterator[Finding]]) -> Any:
        def judge(case: Case) -> Iterator[Finding]:
            yield from judge_all(_shown(getattr(case, on), _RESTS_ON[on], _ABSENT[on]))

        _add(Check(id, level, clause, says, judge, (), shown_by, subject=on, needs=_RESTS_ON[on]))
        return judge_all

    return declare


def _shown(subjects: Sequence[Any], layers: Collection[Layer], absent: str) -> list[Any]:
    """Those subjects of which the source shows these layers.

    :raises NotApplicable: when there is none.
    """
    unshown = [_unshown(subject, layers) for subject in subjects]
    shown = [subject for subject, why in zip(subjects, unshown, strict=True) if not why]
    if not shown:
        raise NotShown(unshown[0]) if unshown else NotApplicable(absent)
    return shown


def _unshown(subject: Any, needs: Collection[Layer]) -> str:
    """Why a subject cannot be judged, for its size or for want of a layer; empty where it can."""
    if isinstance(subject, Socket) and subject.too_large:
        return f"the WebSocket cannot be judged: {subject.too_large}"
    capture = _response(subject).transcript.capture
    for layer, why in capture.missing.items():
        if layer in needs:
            return f"cannot be judged from {capture.source}, which does not show {layer.value}: {why}"
    return ""


def _is_whole(subject: Any) -> bool:
    """Its end is shown by its own framing."""
    response = _response(subject)
    return response.complete and response.status != 101


def _response(subject: Any) -> Response:
    response: Response = getattr(subject, "response", subject)
    return response


def active(
    id: str,  # noqa: A002 - what it is called
    level: Level,
    clause: str,
    says: str,
    *,
    probes: Sequence[str],
    breaks: str = "",
    rests_on: Ground = Ground.PLAIN_ANSWER,
) -> Callable[[Callable[[Case], Iterator[Finding]]], Callable[[Case], Iterator[Finding]]]:
    """Declares a check that needs answers to certain probes.

    :param rests_on: a rule of the key itself is judged also where the plain question is refused for it.
    """

    def declare(judge: Callable[[Case], Iterator[Finding]]) -> Callable[[Case], Iterator[Finding]]:
        _add(Check(id, level, clause, says, judge, tuple(probes), breaks=breaks, rests_on=rests_on))
        return judge

    return declare


def compared(
    id: str,  # noqa: A002 - what it is called
    level: Level,
    clause: str,
    says: str,
    *,
    shown_by: Sequence[str] = (),
) -> Callable[[Callable[[Case, Case], Iterator[Finding]]], Callable[[Case, Case], Iterator[Finding]]]:
    """Declares a check that judges a hop: it is given what the origin said to the probes, and what the hop did."""

    def declare(judge_both: Callable[[Case, Case], Iterator[Finding]]) -> Any:
        def judge(case: Case) -> Iterator[Finding]:
            if case.origin is None:
                raise NotAsked("no hop was named (--via URL)")
            if case.origin.course.shut:
                raise Inconclusive("the origin did not answer the plain question")
            yield from judge_both(case.origin.once, case.once)

        _add(Check(id, level, clause, says, judge, (), shown_by, sees=Sees.HOP))
        return judge_both

    return declare


def among_many(
    id: str,  # noqa: A002 - what it is called
    level: Level,
    clause: str,
    says: str,
) -> Callable[[Callable[[Many], Iterator[Finding]]], Callable[[Many], Iterator[Finding]]]:
    """Declares a check that judges many answers to the same question."""

    def declare(judge_many: Callable[[Many], Iterator[Finding]]) -> Any:
        def judge(case: Case) -> Iterator[Finding]:
            if case.many is None:
                raise NotAsked("the question was not asked many times (--requests N)")
            if not case.many.asked:
                raise Inconclusive("the question could not be asked many times")
            yield from judge_many(case.many)

        _add(Check(id, level, clause, says, judge, sees=Sees.MANY))
        return judge_many

    return declare


def catalogue() -> dict[str, Check]:
    """All checks by id, in the order of the catalogue."""
    for group in GROUPS:
        import_module(f"..checks.{group}", __package__)
    return CATALOGUE


def _add(check: Check) -> None:
    if check.id in CATALOGUE:
        raise ValueError(f"the check id {check.id} is taken")
    CATALOGUE[check.id] = check
