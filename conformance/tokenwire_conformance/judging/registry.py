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

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from .case import Case
from .verdict import Finding, Level, NotApplicable

__all__ = ["CATALOGUE", "GROUPS", "Check", "active", "catalogue", "passive"]

Subject = Literal[
    "responses",
    "streams",
    "generations",
    "chats",
    "response_streams",
    "message_streams",
    "gemini_streams",
    "ollama_streams",
    "sockets",
]

#: The groups of checks, in the order of the catalogue.
GROUPS = (
    "http",
    "sse",
    "chat",
    "resp",
    "anth",
    "gem",
    "ollama",
    "err",
    "auth",
    "wsh",
    "wsf",
    "wsz",
    "wsc",
    "wsk",
    "wsl",
)

#: The groups that judge what one dialect says.
_DIALECT_GROUPS = {
    "chat": "openai-chat",
    "resp": "openai-responses",
    "anth": "anthropic-messages",
    "gem": "gemini",
    "ollama": "ollama",
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
    "sockets": "no WebSocket was seen",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    :ivar says: the rule in a sentence, as it holds for a sound endpoint.
    :ivar clause: where the rule stands.
    :ivar probes: what must be asked for it; empty for a passive check.
    :ivar shown_by: for a passive check: probes whose answers have what it judges, besides the plain stream.
    :ivar breaks: what was measured to happen when it is broken, with the client and its version; or nothing.
    """

    id: str
    level: Level
    clause: str
    says: str
    judge: Callable[[Case], Iterator[Finding]]
    probes: Sequence[str] = ()
    shown_by: Sequence[str] = ()
    breaks: str = ""

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

    def fits(self, dialects: Collection[str]) -> bool:
        """It judges what is said in one of these dialects, or what is the same in all."""
        return _DIALECT_GROUPS.get(self.group) in (None, *dialects)


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
) -> Callable[[Callable[[Any], Iterable[Finding]]], Callable[[Any], Iterable[Finding]]]:
    """Declares a check that judges every subject of one kind.

    :param when: which of them it judges; all by default.
    :param absent: the reason for NOT-APPLICABLE where there is none to judge.
    """

    def declare(judge_one: Callable[[Any], Iterable[Finding]]) -> Callable[[Any], Iterable[Finding]]:
        def judge(case: Case) -> Iterator[Finding]:
            subjects = [subject for subject in getattr(case, on) if when is None or when(subject)]
            if not subjects:
                raise NotApplicable(absent or _ABSENT[on])
            for subject in subjects:
                yield from judge_one(subject)

        _add(Check(id, level, clause, says, judge, shown_by=shown_by, breaks=breaks))
        return judge_one

    return declare


def active(
    id: str,  # noqa: A002 - what it is called
    level: Level,
    clause: str,
    says: str,
    *,
    probes: Sequence[str],
    breaks: str = "",
) -> Callable[[Callable[[Case], Iterator[Finding]]], Callable[[Case], Iterator[Finding]]]:
    """Declares a check that needs answers to certain probes."""

    def declare(judge: Callable[[Case], Iterator[Finding]]) -> Callable[[Case], Iterator[Finding]]:
        _add(Check(id, level, clause, says, judge, probes=tuple(probes), breaks=breaks))
        return judge

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
