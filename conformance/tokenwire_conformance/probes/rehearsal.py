"""What a probe costs, told before it is made: it is rehearsed with the reference endpoint, inside this process.

So the number of requests is the real one for an endpoint that is sound, and the bytes are those of the same questions.
The tokens are a bound: no token stands for less than a byte of the question, and an answer may have as many as the
question allows, whether or not a sound endpoint would answer it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from tokenwire.dialects import Dialect
from tokenwire.endpoint import ReferenceEndpoint

from ..reading.sockets import Socket
from ..reading.transcript import Transcript
from ..reading.usage import tokens_told
from .reference import reference_plan
from .talk import Plan, Probe, run_probe
from .wire import MemoryWire

__all__ = ["Budget", "Price", "rehearsed"]

#: The members of a question that bound its answer, in any dialect.
_LIMITS = frozenset(
    {"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens", "num_predict"}
)

_KEY = "key-of-a-rehearsal-0123456789"


@dataclass(frozen=True, slots=True)
class Price:
    """What a probe costs.

    :ivar requests: the handshake of a WebSocket counts as one.
    :ivar sent: bytes.
    :ivar tokens: at most, of questions and answers together.
    """

    requests: int
    sent: int
    tokens: int


def rehearsed(probe: Probe, dialect: Dialect) -> Price:
    """What a probe costs in a dialect."""
    plan = reference_plan(dialect.name, probe.transport, _KEY)
    wire = MemoryWire(ReferenceEndpoint(key=_KEY))
    made = run_probe(probe, wire, replace(plan, running=wire.running))
    each = [*made.left, made]
    return Price(
        sum(len(part.requests) for part in each),
        sum(len(part.sent) for part in each),
        sum(_bound(probe, plan, part) for part in each),
    )


def _bound(probe: Probe, plan: Plan, made: Transcript) -> int:
    if probe.cost == "none":
        return 0
    return sum(len(request.body) + _allowed(_json(request.body)) for request in made.requests) + _said(plan, made)


def _said(plan: Plan, made: Transcript) -> int:
    """The same of what was said on a WebSocket: its bytes, and as much as is allowed for each answer that came, or for
    one where none came.
    """
    if not any(request.is_handshake for request in made.requests):
        return 0
    granted = [response for response in made.responses if response.status == 101]
    answers = sum(Socket(response, plan.dialect).complete_answers for response in granted)
    said = made.sent.partition(b"\r\n\r\n")[2]
    return len(said) + max(answers, 1) * _allowed(_json(plan.ask().body))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _allowed(value: Any) -> int:
    """The tokens that a question allows to its answers."""
    if not isinstance(value, Mapping):
        return 0
    own = [limit for name, limit in value.items() if name in _LIMITS and isinstance(limit, int)]
    deeper = [_allowed(member) for member in value.values()]
    choices = value.get("n")
    return max([*own, *deeper, 0]) * (choices if isinstance(choices, int) else 1)


class Budget:
    """How many tokens a run may use.

    :param limit: in all.
    :param prices: tokens that each probe may use at most, by its name.
    """

    def __init__(self, limit: float = inf, prices: Mapping[str, int] | None = None) -> None:
        self.limit = limit
        #: What was used, as the endpoint told it; where it did not tell, as much as might have been.
        self.spent: int = 0
        self._prices = prices or {}

    def allows(self, *probes: Probe) -> bool:
        """Whether these probes, one after the other, would not pass the limit."""
        return self.spent + sum(self._prices.get(probe.name, 0) for probe in probes) <= self.limit

    def pay(self, made: Transcript) -> None:
        """A probe was made."""
        told = tokens_told(made) if self.limit < inf and not made.left else None
        self.spent += told if told is not None else self._prices.get(made.name, 0)
