"""What is asked over one connection, and that nothing more is."""

from __future__ import annotations

from typing import Literal

from ..dialects.dialect import Again, Dialect
from ..records import record
from .request import Request

__all__ = ["Ask", "Stop"]


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


@record(frozen=True)
class Stop:
    """No connection follows.

    :ivar why: in words; empty where the error says it.
    """

    why: str = ""
