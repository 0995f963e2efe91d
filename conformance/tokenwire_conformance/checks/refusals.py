"""Why a request was refused: for what is wrong with it, or for something else that says nothing about it."""

from __future__ import annotations

from collections.abc import Collection

from ..judging.case import Case, excerpt
from ..judging.verdict import Inconclusive
from ..reading.http import Response

__all__ = ["BUSY", "UNAUTHORISED", "not_busy", "refused_alike", "refused_for_itself"]

#: A server, or a gateway before it, that answers so has looked at its load or at what stands behind it: it would have
#: answered otherwise at another time (RFC 6585 4; RFC 9110 15.6.3 to 15.6.5; 529 is Anthropic's `overloaded_error`).
BUSY = frozenset({429, 502, 503, 504, 529})

#: Who asks is refused, and not what is asked (RFC 9110 15.5.2, 15.5.4, 15.5.8).
UNAUTHORISED = frozenset({401, 403, 407})


def not_busy(probe: str, response: Response) -> Response:
    """The answer, unless it tells of the server's load alone.

    :raises Inconclusive: when it does.
    """
    if response.status in BUSY:
        raise Inconclusive(
            f"the probe {probe!r} was answered {response.status}, which tells of a limit or of a lack of capacity, and "
            f"nothing about the request: {excerpt(response.content)}"
        )
    return response


def refused_for_itself(case: Case, probe: str, own: Collection[int] = ()) -> Response:
    """The answer to a request that is wrong, as far as what is wrong decided it.

    :param own: statuses that are an answer to what is wrong here, though they mostly tell of who asks.
    :raises Inconclusive: when the request was refused for another reason: who asks, how often, or the server's state;
        or when the plain question is refused alike.
    """
    response = not_busy(probe, case.response(probe))
    if response.status in UNAUTHORISED - frozenset(own):
        raise Inconclusive(
            f"the probe {probe!r} was answered {response.status}, which refuses who asks, and not what is wrong "
            f"with the request: {excerpt(response.content)}"
        )
    if refused_alike(case, response):
        raise Inconclusive(f"the plain question is refused like the probe {probe!r}, with {response.status}")
    return response


def refused_alike(case: Case, response: Response) -> bool:
    """The plain question, which nothing is wrong with, is refused with the same status."""
    plain = (case.transcripts[name] for name in ("stream", "events") if name in case.transcripts)
    return response.status >= 400 and response.status in {
        transcript.responses[0].status for transcript in plain if transcript.responses
    }
