"""A run of the suite: which probes the chosen checks need, of which model; `rounds` makes them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from tokenwire.errors import LocalProtocolError

from .judging.case import excerpt, json_of
from .judging.gate import plain_probe
from .judging.registry import GROUPS, Check
from .probes.asking import ASKING, SPOKEN
from .probes.talk import (
    SHORT_PATIENCE,
    Plan,
    Probe,
    Talk,
    Transport,
    all_probes,
    probes_for,
)
from .probes.wire import Wire
from .rounds import Pace, Progress, Round, make_many, make_probes, make_rounds

__all__ = [
    "FAST",
    "Given",
    "Pace",
    "Progress",
    "Round",
    "asked_by",
    "by_cost",
    "choose_probes",
    "first_model",
    "judging_over",
    "make_many",
    "make_probes",
    "make_rounds",
    "transports_of",
]

#: What an operator may give beside the URL. "bearer" is a key in the field Authorization.
Given = Literal["key", "bearer", "failing-model", "cut-model"]

#: Probes that make sense only with it.
_NEED: Mapping[Given, frozenset[str]] = {
    "key": frozenset({"no-key", "wrong-key", "query-key", "ws-no-key", "ws-wrong-key"}),
    "bearer": frozenset({"bearer-lower"}),
    "failing-model": frozenset({"failure"}),
    "cut-model": frozenset({"upstream-cut"}),
}


#: The probes that tell most, and why. They are ten requests over HTTP, with the list of models, and ten over WebSocket.
FAST: Mapping[str, str] = {
    "stream": "the framing, the events, their end, and whether the connection can be used again",
    "events": "the same of server-sent events alone",
    "usage": "usage, and Connection: close",
    "length": "an answer that is cut",
    "tools": "calls of tools, in pieces",
    "whole": "the same question without streaming",
    "bad-json": "a refusal, in the dialect's words",
    "unknown-model": "a refusal of what is sound JSON",
    "no-key": "whether the key is asked for",
    "ws-answer": "the handshake, the frames, the messages, their end, the Close",
    "ws-no-key": "whether the key is asked for",
    "ws-version-12": "a handshake that must be refused",
    "ws-fragments": "a question in fragments",
    "ws-unmasked": "a frame that must be refused",
    "ws-bad-utf8": "a message that must be refused",
    "ws-deflate": "compression",
    "ws-ping": "a sign of life",
    "ws-two-questions": "a second question on the connection",
    "ws-close": "a Close alone",
}


def transports_of(checks: Iterable[Check]) -> set[Transport]:
    """Over what an endpoint has to be asked, so that each of the checks has something to judge."""
    probes = all_probes()
    return {transport for check in checks for transport in _transports(check, probes)}


def _transports(check: Check, probes: Mapping[str, Probe]) -> set[Transport]:
    return {probes[name].transport for name in (*check.probes, *check.shown_by)} or {"http/1.1"}


def asked_by(checks: Iterable[Check], probes: Iterable[Probe]) -> list[Check]:
    """Those of the checks that judge the answers to some of these probes, or any answer."""
    names = {probe.name for probe in probes}
    return [check for check in checks if not check.probes or names & set(check.probes)]


def judging_over(checks: Iterable[Check], transports: Collection[Transport]) -> list[Check]:
    """Those of the checks that judge what is said over one of these transports."""
    probes = all_probes()
    return [check for check in checks if _judged_over(check, probes, transports) & set(transports)]


def _judged_over(check: Check, probes: Mapping[str, Probe], transports: Collection[Transport]) -> set[Transport]:
    """Over which transports it judges what is said: that of its group or its probes, or any of these."""
    over = GROUPS[check.group].over
    return {over} if over is not None else {probes[name].transport for name in check.probes} or set(transports)


def choose_probes(
    dialect: str,
    checks: Iterable[Check],
    *,
    given: Collection[Given] = (),
    transport: Transport = "http/1.1",
    slow: bool = True,
    costly: bool = True,
    named: bool = True,
    fast: bool = False,
) -> list[Probe]:
    """The probes that the checks need, in the order in which they are made: the plain one first.

    :param given: what was given beside the URL; probes that need what was not are left out.
    :param slow: also those that wait for long.
    :param costly: also those that cost much.
    :param named: also those that are made only where their checks were named.
    :param fast: those alone that tell most.
    :raises LocalProtocolError: for a dialect that the suite has no probes for.
    """
    if transport == "http/1.1" and dialect in SPOKEN and dialect not in ASKING:
        raise LocalProtocolError(f"{dialect} is spoken over WebSocket alone: use a ws or wss URL")
    if transport == "http/1.1" and dialect not in ASKING:
        raise LocalProtocolError(f"the suite has no probes for the dialect {dialect}; it has: {', '.join(ASKING)}")
    names = {plain_probe(dialect, transport)}
    for check in checks:
        names.update(check.probes)
        names.update(check.shown_by)
    for need, probes in _NEED.items():
        if need not in given:
            names -= probes
    chosen = probes_for(dialect, names, transport)
    return [
        probe
        for probe in chosen
        if (slow or not probe.slow)
        and (costly or not probe.costly)
        and (named or not probe.by_name)
        and (not fast or probe.name in FAST)
    ]


def first_model(plan: Plan, wire: Wire) -> str:
    """The first model that the endpoint lists.

    :raises ConnectionFailed: when there is no connection.
    :raises LocalProtocolError: when it lists none.
    """
    talk = Talk("models", wire, plan)
    talk.connect()
    talk.send(plan.request("GET", path=plan.models_path))
    talk.read_answers(1, SHORT_PATIENCE)
    transcript = talk.finish(plan.secrets)
    response = transcript.responses[0] if transcript.responses else None
    body = json_of(response) if response is not None else None
    names = [_name_of(model) for model in _listed(body)]
    if any(names):
        return next(filter(None, names))
    said = f"{response.status}: {excerpt(response.content)}" if response is not None else "no answer"
    raise LocalProtocolError(f"GET {plan.models_path} names no model ({said}): name one with --model")


def _listed(body: Any) -> list[Any]:
    """The members of a list of models: OpenAI and Anthropic have it in `data`, Google and Ollama in `models`."""
    models = (body.get("data") or body.get("models")) if isinstance(body, dict) else None
    return models if isinstance(models, list) else []


def _name_of(model: Any) -> str:
    """The name by which a model is asked; empty where it has none."""
    name = (model.get("id") or model.get("name")) if isinstance(model, dict) else None
    return name.removeprefix("models/") if isinstance(name, str) else ""


def by_cost(probes: Iterable[Probe]) -> dict[str, list[Probe]]:
    """The probes by what they cost."""
    costs: dict[str, list[Probe]] = {"generation": [], "refusal": [], "none": []}
    for probe in probes:
        costs[probe.cost].append(probe)
    return costs
