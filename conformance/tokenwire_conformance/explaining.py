"""What a check is, in full: its rule, why it matters, what proves it, and how its findings are repaired.

`explained` gives it as a value; `as_text` and `as_markdown` write it, for a terminal and for a page of the
documentation. `listed` gives the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from .checks.repairs import Repair, repairs_of
from .faults.fault import Fault, all_faults
from .judging.registry import Check, catalogue
from .judging.verdict import Level
from .probes.talk import all_probes

__all__ = ["Explanation", "about_group", "as_markdown", "as_text", "explained", "listed"]

#: What a group of checks judges, and who rests on that.
_GROUPS: Mapping[str, str] = {
    "http": "HTTP/1.1 itself. Every client, proxy and cache on the way reads it, and what one of them reads otherwise"
    " than the next is lost, mixed up or smuggled.",
    "sse": "Server-sent events. A conforming reader passes in silence over what it does not know: what breaks the"
    " format is lost, and nobody is told.",
    "chat": "The chunks of OpenAI's chat completions. Hundreds of clients read them as OpenAI writes them.",
    "resp": "The events of OpenAI's Responses. Clients build the response from them, by item and part.",
    "anth": "The events of Anthropic's Messages. Clients build the message from them, block by block.",
    "gem": "The chunks of Gemini's streamGenerateContent.",
    "ollama": "The lines of Ollama's API.",
    "err": "What an endpoint says when something goes wrong. A failure that looks like an answer is taken for one.",
    "auth": "Keys: who is let in, and what is told about it.",
    "time": "When the parts of an answer come. A stream that is held back is one in name only, and a silence is where"
    " proxies cut.",
    "cancel": "What happens when a client leaves in the middle of its answer. People stop answers all the time: work"
    " that goes on for nobody takes the place of others.",
    "resume": "How a stream is gone on with after its connection was lost. Whoever gets less than the rest, or more,"
    " shows an answer with a hole, or the same words twice.",
    "hop": "What a proxy or a gateway on the way adds and takes away: the same is asked before it and behind it.",
    "rate": "The same question, asked many times: what goes wrong now and then, and whose fault it looks like.",
    "wsh": "The handshake of a WebSocket. A client must fail a connection whose handshake is wrong.",
    "wsf": "The frames of a WebSocket, both ways. What is invalid must end the connection, for nobody can tell what"
    " comes after it.",
    "wsz": "permessage-deflate, the compression of WebSocket messages. Whoever gets it wrong loses the message, and"
    " the connection with it.",
    "wsc": "How a WebSocket is closed. Without a Close in order a client sees 1006, and cannot tell an end from a cut.",
    "wsk": "How a WebSocket is kept alive while nothing is said.",
    "wsl": "Whole conversations over a WebSocket.",
}

_LEVELS: Mapping[Level, str] = {
    Level.MUST: "a breach is a finding: FAIL, and exit code 1",
    Level.SHOULD: "a breach is a warning: WARN; with --strict it is FAIL",
    Level.INFO: "it is reported, and is never a finding",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A check, in full.

    :ivar why: who is hurt, where that was measured or is known; and what its group is about.
    :ivar shown_by: the probes by which it is judged, in words.
    :ivar faults: the planted faults that it must find.
    """

    check: Check
    why: Sequence[str]
    shown_by: Sequence[str]
    faults: Sequence[Fault]
    repairs: Sequence[Repair]

    def as_json(self) -> dict[str, Any]:
        return {
            **_entry(self.check),
            "why": list(self.why),
            "shown_by": list(self.shown_by),
            "faults": {fault.id: _about(fault) for fault in self.faults},
            "repairs": [repair._asdict() for repair in self.repairs],
        }


def about_group(group: str) -> str:
    """What the checks of a group are about."""
    return _GROUPS[group]


def explained(check: str) -> Explanation:
    """All about one check.

    :param check: its id.
    :raises KeyError: where there is none of this id.
    """
    found = catalogue()[check]
    probes = all_probes()
    return Explanation(
        found,
        [*filter(None, [found.breaks]), _GROUPS[found.group]],
        [f"{name}: {probes[name].about}" for name in dict.fromkeys([*found.probes, *found.shown_by])],
        [fault for fault in all_faults().values() if check in fault.trips],
        repairs_of(check),
    )


def as_text(about: Explanation) -> list[tuple[str, str]]:
    """Lines with their styles, which `Screen` knows."""
    lines = [(about.check.id, "bold"), (about.check.says, "")]
    for title, words in _parts(about):
        lines += [("", ""), (title, "bold"), *((f"  {line}", "") for said in words for line in said.split("\n"))]
    return lines


def as_markdown(about: Explanation) -> str:
    """The same as a page."""
    parts = [f"# {about.check.id}\n\n{about.check.says}\n"]
    for title, words in _parts(about):
        parts.append(f"## {title}\n\n" + "\n".join(f"- {_in_item(said)}" for said in words) + "\n")
    return "\n".join(parts)


def _parts(about: Explanation) -> Iterable[tuple[str, list[str]]]:
    check = about.check
    yield "The rule", [f"{check.level.value} ({_LEVELS[check.level]})", f"It stands in: {check.clause}"]
    yield "Why it matters", list(about.why)
    everywhere = "in whatever comes over the wire, also in a file (tokenwire lint)"
    yield "How it is judged", list(about.shown_by) or [everywhere]
    yield "What proves it", [_planted(fault) for fault in about.faults]
    own = "In the program that answers: do as the rule says."
    yield "How to repair it", [_told(repair) for repair in about.repairs] or [own]


def _told(repair: Repair) -> str:
    """In words, and below them the lines of a configuration."""
    lines = [f"    {line}" for line in repair.config.splitlines()]
    return "\n".join([f"{repair.server}: {repair.how}", *lines])


def _in_item(said: str) -> str:
    """An item of a list in Markdown; the lines of a configuration are code."""
    words, _, config = said.partition("\n")
    return f"{words}\n\n{indent(config, '  ')}\n" if config else words


def _planted(fault: Fault) -> str:
    return ": ".join(filter(None, [f"the planted fault {fault.id}", _about(fault)]))


def _about(fault: Fault) -> str:
    """What a fault does, where its name does not say it all."""
    own = vars(fault.seams).get("__doc__") if isinstance(fault.seams, type) else None
    return " ".join((own or "").split())


def listed(checks: Iterable[Check]) -> list[dict[str, str]]:
    """Checks as entries of a list: id, level, clause, and the rule in a sentence."""
    return [_entry(check) for check in checks]


def _entry(check: Check) -> dict[str, str]:
    return {"id": check.id, "level": check.level.value, "clause": check.clause, "says": check.says}
