"""The probe that goes on with a stream: it is asked for by name, for it asks an endpoint to keep what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tokenwire.dialects.dialect import Broken

from ..reading.resumption import broken_in_the_middle
from . import http as _before  # noqa: F401 - probes are made in the order of their declaration
from .talk import PATIENCE, SHORT_PATIENCE, Plan, Talk, probe

__all__ = ["RESUMED", "UNKNOWN"]

#: An id that nothing has.
UNKNOWN = "no-such-event-7f3a"

#: The dialects whose streams can be gone on with over GET, and what makes an endpoint keep them.
_KEPT: Mapping[str, Mapping[str, Any]] = {
    "openai-responses": {"background": True, "store": True},
    "gemini-interactions": {"store": True},
    "eventsource": {},
}

RESUMED = tuple(_KEPT)


@probe(
    "resume",
    "generation",
    "a stream; then what follows its middle, what follows an event that never was, and the first of both with another"
    " key, if there is one",
    *RESUMED,
    by_name=True,
)
def _resume(talk: Talk) -> None:
    plan = talk.plan
    talk.send(_first(plan))
    if not talk.read_answers(1, PATIENCE if plan.dialect.method == "GET" else None):
        return
    broken = broken_in_the_middle(talk.transcript.responses[0], plan.dialect)
    again = _again(plan, broken)
    if broken is None or again is None:
        return
    unknown = _again(plan, replace(broken, id=UNKNOWN, last_event_id=UNKNOWN))
    other = _again(plan, broken, plan.other_key) if plan.other_key else None
    for answers, request in enumerate(filter(None, (again, unknown, other)), start=2):
        talk.send(request)
        talk.read_answers(answers, SHORT_PATIENCE)


def _first(plan: Plan) -> bytes:
    if plan.dialect.method == "GET":
        return plan.request("GET")
    return plan.request(asked=plan.ask(stream=True, more=_KEPT[plan.dialect.name]))


def _again(plan: Plan, broken: Broken | None, key: str | None = None) -> bytes | None:
    """The request that goes on with a stream; None where the dialect knows none for it."""
    resuming = plan.dialect.resuming
    again = resuming(broken) if resuming is not None and broken is not None else None
    if again is None:
        return None
    change = {"Accept": "text/event-stream", **{name.title(): value for name, value in again.fields.items()}}
    return plan.request(again.method, path=again.path, key=key or plan.key, change=change)
