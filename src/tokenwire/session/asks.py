"""What is asked over one connection, and that nothing more is."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..dialects.dialect import Again, Dialect
from ..records import record
from ..secrecy.secrets import Secrets
from .policy import Policy
from .request import Request

__all__ = ["Allowance", "Ask", "Stop"]


@record(frozen=True)
class Ask:
    """What is asked over one connection; asked again, it is the same object.

    :ivar kind: "restarting" and "continuing" ask the model for another generation, and pay for it.
    :ivar again: of a stream that is resumed.
    """

    kind: Literal["first", "resuming", "restarting", "continuing", "falling back"]
    request: Request
    dialect: Dialect
    again: Again | None = None

    def keeping(self, secrets: Secrets) -> Ask:
        """The same, with what is secret by now: a message that was sent may have told a key."""
        return replace(self, request=replace(self.request, secrets=self.request.secrets | secrets.values))

    def is_harmless(self, policy: Policy) -> bool:
        """It may be asked again though nobody knows whether it arrived (RFC 9110, 9.2.2)."""
        http = self.request.http
        if http.method == "GET" and not self.request.websocket:
            return True
        key = policy.idempotency_field.lower()
        return bool(key) and any(name == key for name, _ in http.headers)


@record(frozen=True)
class Stop:
    """No connection follows.

    :ivar why: in words; empty where the error says it.
    """

    why: str = ""


class Allowance:
    """How often something may be asked in a conversation, and how often it was.

    :param limit: None for as often as it takes.
    :param what: was done so many times, in words.
    """

    def __init__(self, limit: int | None, what: str) -> None:
        self._limit = limit
        self._what = what
        self._used = 0

    def use(self) -> None:
        """It is asked once more."""
        self._used += 1

    def allows(self, ask: Ask) -> Ask | Stop:
        """What is to be asked, or that it was asked as often as it may be."""
        if self._limit is None or self._used < self._limit:
            return ask
        return Stop(f"{self._what} {self._limit} times, and no more than that are allowed")
