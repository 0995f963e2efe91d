"""What follows when a connection fails: all of it data, to be set, compared and printed.

    policy = replace(PATIENT, attempts=20)
    policy.backoff(failures=2, random=random.random)        # seconds

A generation is paid for, so a policy speaks of how far the exchange had got: nothing was sent; the request was, and no
answer came; the server refused; some of the stream had arrived. What has been paid for is never asked twice unless
the policy says so.

Whatever a server does, a policy bounds what a conversation costs:

    generations asked for   1 + generations                          and only one unless a policy restarts or continues
    connections             attempts * (1 + generations + resumptions) + 1       the last one is that of a fallback
    time                    no connection begins more than `elapsed` after a row of failures began

A row of failures ends with new progress alone: something past the furthest point reached (see `progress`). How long one
connection may last is set by the timers: `Timeouts.event_idle` for a server that keeps it alive and says nothing, and
`Timeouts.total` for the conversation. None in any of these takes that bound away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Literal, get_args

from ..checking import must_be, must_be_number, must_be_one_of
from ..records import record

__all__ = [
    "BROWSER",
    "DEFAULT",
    "FIXED",
    "MIN_RECONNECTION_TIME",
    "NEVER",
    "PATIENT",
    "POLICIES",
    "Fallback",
    "Interrupted",
    "Policy",
    "PolicyName",
    "policy_named",
    "retry_after",
]

#: What to do about a stream that broke off:
#: "raise": hand on what had arrived, in `StreamInterrupted`.
#: "resume": go on with it where the dialect can, else raise.
#: "restart": where it cannot be resumed, ask again from the beginning, and pay again.
#: "continue": where it cannot be resumed, ask the model to go on with the text that had arrived, and pay for that.
#: "reconnect": what a browser's EventSource does: the same GET again, after the end of a body too, until a 204.
Interrupted = Literal["raise", "resume", "restart", "continue", "reconnect"]

#: When the other transport is taken.
Fallback = Literal["never", "to HTTP", "both"]

#: The names of the policies here.
PolicyName = Literal["default", "fixed", "patient", "never", "browser"]

#: What servers and gateways say that fail for the moment: too many requests (429), the 5xx of RFC 9110, 15.6, a
#: timeout of Cloudflare's (524), and Anthropic's overload (529).
_TRANSIENT = frozenset({429, 500, 502, 503, 504, 524, 529})

#: Codes of a WebSocket's close after which another try may do better (RFC 6455, 7.4, and the IANA registry).
_GOING_AWAY = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1015})

#: How a proxy refuses an upgrade that it does not know, or does not want.
_NO_UPGRADE = frozenset({200, 400, 403, 405, 426, 501, 502})

#: Seconds that the field `retry` asks for at least: a stream that says 0 would be asked for as fast as it ends.
#: Firefox's EventSource waits as long.
MIN_RECONNECTION_TIME = 0.5


@record(frozen=True)
class Policy:
    """What follows when a connection fails.

    :ivar name: for people.
    :ivar attempts: give up after this many failed connections with no new progress in between, the first included.
        None for no limit.
    :ivar elapsed: seconds from the first of them after which no other is begun; None for no limit.
    :ivar base: seconds of the first wait at most, or exactly, without jitter.
    :ivar factor: by which each further wait is longer.
    :ivar cap: seconds of a wait at most.
    :ivar jitter: each wait is a random part of its length, so that clients do not come back all at once.
    :ivar longest: seconds that a server may ask us to wait, by Retry-After or the field `retry`; what is longer is not
        waited for.
    :ivar statuses: after which the same request is made again.
    :ivar close_codes: of a WebSocket, after which its stream counts as interrupted and not as refused.
    :ivar interrupted: what to do about a stream that broke off.
    :ivar idempotency_field: the field with which each request is made unique, so that it may be sent again while nobody
        knows whether it arrived: "Idempotency-Key", for a server that is known to heed it. No dialect's provider
        promises to, so none of the policies here has one.
    :ivar fallback: a WebSocket that cannot be had is done without, "both" also the other way round, where the dialect
        can say the same over the other transport.
    :ivar no_transport: statuses that say that a transport cannot be had.
    :ivar generations: restarts and continuations over the whole conversation; each is paid for.
    :ivar resumptions: over the whole conversation; they cost requests and no generation. None for no limit.
    """

    name: str
    attempts: int | None = 3
    elapsed: float | None = 300.0
    base: float = 0.5
    factor: float = 2.0
    cap: float = 30.0
    jitter: bool = True
    longest: float = 60.0
    statuses: frozenset[int] = _TRANSIENT
    close_codes: frozenset[int] = _GOING_AWAY
    interrupted: Interrupted = "resume"
    idempotency_field: str = ""
    fallback: Fallback = "to HTTP"
    no_transport: frozenset[int] = _NO_UPGRADE
    generations: int = 3
    resumptions: int | None = 1000

    def __post_init__(self) -> None:
        must_be(self.name, str, "Policy.name", "text")
        must_be(self.idempotency_field, str, "Policy.idempotency_field", "the name of a field, empty for none")
        for name in ("statuses", "close_codes", "no_transport"):
            must_be(getattr(self, name), Set, f"Policy.{name}", "a frozenset of numbers")
        must_be_number(self.attempts, "Policy.attempts", least=1, whole=True, none="for no limit")
        must_be_number(self.elapsed, "Policy.elapsed", none="for no limit")
        must_be_number(self.generations, "Policy.generations", whole=True)
        must_be_number(self.resumptions, "Policy.resumptions", whole=True, none="for no limit")
        for name in ("base", "factor", "cap", "longest"):
            must_be_number(getattr(self, name), f"Policy.{name}", endless=name in ("cap", "longest"))
        must_be_one_of(self.interrupted, get_args(Interrupted), "Policy.interrupted")
        must_be_one_of(self.fallback, get_args(Fallback), "Policy.fallback")

    def backoff(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds to wait after so many failures in a row, at least one.

        :param random: gives a number from 0 up to 1.
        """
        exponent = min(failures - 1, 60)  # beyond any cap, and a float all the same
        length = min(self.cap, self.base * self.factor**exponent)
        return length * random() if self.jitter else length


#: No second connection: what fails is raised.
NEVER = Policy("never", attempts=1, interrupted="raise", fallback="never")

#: Two more tries a second apart.
FIXED = Policy("fixed", attempts=3, base=1.0, factor=1.0, jitter=False)

#: Ten tries in five minutes, for a train with tunnels.
PATIENT = Policy("patient", attempts=10)

#: As patient, with three tries, so that what cannot be reached is told within seconds.
DEFAULT = Policy("default", attempts=3)

#: A browser's EventSource: it stops where the server refuses, and else never gives up (WHATWG HTML 9.2.3).
BROWSER = Policy(
    "browser",
    attempts=None,
    elapsed=None,
    resumptions=None,
    base=3.0,
    factor=1.0,
    jitter=False,
    statuses=frozenset(),
    interrupted="reconnect",
    fallback="never",
)

POLICIES = {policy.name: policy for policy in (DEFAULT, FIXED, PATIENT, NEVER, BROWSER)}


def policy_named(name: object) -> Policy:
    """The ready-made policy of that name; a policy is taken as it is.

    :raises LocalProtocolError: when there is none.
    """
    if isinstance(name, Policy):
        return name
    must_be_one_of(name, POLICIES, "policy")
    return POLICIES[str(name)]


def retry_after(headers: Sequence[tuple[str, str]], wall: Callable[[], float] | None = None) -> float | None:
    """Seconds that the fields of a response ask to wait: `retry-after-ms`, or Retry-After in seconds or as a date
    (RFC 9110, 10.2.3). None where they do not, or what they say cannot be read.

    :param wall: the clock by which a date is read where the response has no Date: seconds since 1970.
    """
    fields = dict(headers)
    milliseconds = _number(fields.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = fields.get("retry-after", "")
    seconds = _number(asked)
    if seconds is not None:
        return seconds
    then = _timestamp(asked)
    now = _timestamp(fields.get("date", ""))
    if now is None and wall is not None:
        now = wall()
    return None if then is None or now is None else max(then - now, 0.0)


def _number(text: str) -> float | None:
    text = text.strip()
    digits = text.replace(".", "", 1)
    return float(text) if digits.isascii() and digits.isdigit() else None


def _timestamp(text: str) -> float | None:
    if not text:
        return None
    from datetime import UTC  # only for dates, which few responses have to be read for: `email` takes long to load
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
