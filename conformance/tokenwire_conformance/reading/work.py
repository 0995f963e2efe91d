"""What somebody who knows an endpoint from inside says of it, before a client leaves and after."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """How many requests were being worked on.

    :ivar before: the question was asked.
    :ivar during: it was answered.
    :ivar after: the client had left, when the number was as before, or the time was up.
    :ivar seconds: between leaving and that.
    """

    before: float
    during: float
    after: float
    seconds: float
