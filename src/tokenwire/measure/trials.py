"""The same generation over both transports, in alternating order; then cut, and through proxies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic, process_time

from ..drivers.opening import Opening
from ..drivers.trust import Trust
from ..endpoint.apart import apart
from ..recording import Recording
from ..session import Timeouts
from .anatomy import dissect
from .compare import TRANSPORTS, Passage, Recovery, Transport, Trial
from .load import elsewhere, take
from .proxy import BUFFER, Proxy, Upstream, serve_proxy
from .sample import Taken, sample_of
from .stamped import Stamp, delays

__all__ = ["IDLE", "PASSAGES", "RECOVERIES", "Pair", "make_passages", "make_recoveries", "make_trials"]

#: Seconds of silence after which the impatient proxy closes. nginx waits 60, some load balancers less.
IDLE = 1.0

#: Seconds between two pings, for the WebSocket that is to outlive it.
KEEPALIVE = 0.4

#: Streams that are cut, over each transport.
RECOVERIES = 3

_FORWARDS = "that forwards as it comes"
_BUFFERS = f"that holds back {BUFFER} bytes of a body"
_NO_UPGRADE = "that does not forward Upgrade"
_IMPATIENT = f"that closes after {IDLE:g} s of silence"

#: Generations that `make_passages` makes.
PASSAGES = 9


@dataclass(frozen=True, slots=True)
class Pair:
    """The same request over both transports.

    :ivar trust: and `proxy`: for those who stand in between, and connect to the same server.
    """

    sse: Opening
    websocket: Opening
    trust: Trust = field(default_factory=Trust)
    proxy: str | None = "env"

    def over(self, transport: Transport) -> Opening:
        """The parts of one request."""
        return copy(self.sse if transport == "SSE" else self.websocket)

    def upstream(self, opening: Opening) -> Upstream:
        """The way of one who stands in between."""
        return Upstream(opening.target, self.trust, self.proxy)


async def make_trials(
    pair: Pair, count: int, stamps: Callable[[int], list[Stamp]] | None, tell: Callable[[int], None]
) -> list[tuple[Trial, Taken]]:
    """So many generations over each transport, each the first as often as the other.

    :param stamps: gives the server's, for the stream that was just read, of so many bytes.
    :param tell: is told how many generations are made.
    """
    origin = monotonic()
    trials: list[tuple[Trial, Taken]] = []
    for number in range(count):
        for transport in TRANSPORTS if number % 2 == 0 else reversed(TRANSPORTS):
            opening = pair.over(transport)
            cpu = process_time()
            taken = await take(opening)
            cpu = process_time() - cpu
            size = len(taken.recording.received)
            late = [] if stamps is None else delays(stamps(size), taken.recording, taken.zero)
            sample = sample_of(taken, opening.dialect, origin)
            trials.append((Trial(transport, sample, late, len(taken.recording.sent), cpu), taken))
            tell(len(trials))
    return trials


async def make_recoveries(pair: Pair, whole: dict[Transport, Recording], tell: Callable[[int], None]) -> list[Recovery]:
    """Streams that are cut in the middle and asked for again at once.

    :param whole: a stream over each transport, to know where its middle is.
    :param tell: as in `make_trials`.
    """
    made: list[Recovery] = []
    for transport, recording in whole.items():
        opening = pair.over(transport)
        head = dissect(recording, opening.dialect).sizes.head
        proxy = Proxy(cut=(head + len(recording.received)) // 2)
        with apart(partial(serve_proxy, proxy, pair.upstream(opening))) as port:
            for _ in range(RECOVERIES):
                made.append(
                    _recovery(transport, await take(elsewhere(opening, port)), await take(copy(opening)), opening)
                )
                tell(len(made))
    return made


def _recovery(transport: Transport, cut: Taken, again: Taken, opening: Opening) -> Recovery:
    tokens = len(dissect(cut.recording, opening.dialect).tokens)
    ends = [entry.seconds for entry in cut.recording.entries if entry.kind in ("eof", "reset")]
    later = dissect(again.recording, opening.dialect).tokens
    if not ends or again.error:
        return Recovery(transport, tokens, None, None, again.error or "the stream was not cut")
    since = again.zero - (cut.zero + ends[0])
    next_token = later[0] + since if later else None
    new_token = later[tokens] + since if tokens < len(later) else None
    return Recovery(transport, tokens, next_token, new_token, "")


async def make_passages(pair: Pair, slow: Pair, tell: Callable[[int], None]) -> list[Passage]:
    """What each kind of proxy does to each transport.

    :param slow: of a generation with longer silences than `IDLE`, where there is one.
    :param tell: as in `make_trials`.
    """
    made: list[Passage] = []
    for what, proxy, transport, opening in _passages(pair, slow):
        with apart(partial(serve_proxy, proxy, pair.upstream(opening))) as port:
            origin = monotonic()
            taken = await take(elsewhere(opening, port))
        made.append(Passage(what, transport, sample_of(taken, opening.dialect, origin)))
        tell(len(made))
    return made


def _passages(pair: Pair, slow: Pair) -> Iterator[tuple[str, Proxy, str, Opening]]:
    for what, proxy in ((_FORWARDS, Proxy()), (_BUFFERS, Proxy(buffers=True)), (_NO_UPGRADE, Proxy(upgrades=False))):
        for transport in TRANSPORTS:
            yield what, proxy, transport, pair.over(transport)
    impatient = Proxy(idle=IDLE)
    yield _IMPATIENT, impatient, "SSE", slow.over("SSE")
    yield _IMPATIENT, impatient, "WebSocket, no pings", _pinging(slow.over("WebSocket"), None)
    yield _IMPATIENT, impatient, f"WebSocket, pings each {KEEPALIVE:g} s", _pinging(slow.over("WebSocket"), KEEPALIVE)


def _pinging(opening: Opening, keepalive: float | None) -> Opening:
    opening.timeouts = replace(opening.timeouts or Timeouts(), keepalive=keepalive)
    return opening
