"""The checks of hops: what a proxy or a gateway on the way makes of what its origin says.

The same probes were made at both. Structure and times are compared, never a model's words, which differ from one answer
to the next. What the hop breaks of the rest of the catalogue is told by the checks of those rules.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..judging.case import Case, at, at_frame, is_dialects_own
from ..judging.registry import compared
from ..judging.verdict import Finding, Level, NotApplicable
from ..reading.arrivals import Arrivals
from ..reading.http import Response
from ..reading.stream import Stream
from .time import MANY

SHOULD, INFO = Level.SHOULD, Level.INFO

_PRACTICE = "practice"

#: Fields that belong to one connection or to one server (RFC 9110 7.6.1), or are made anew by whoever sends them.
_OF_ONE_HOP = frozenset(
    {"age", "alt-svc", "connection", "content-encoding", "content-length", "date", "etag", "keep-alive",
     "proxy-authenticate", "proxy-connection", "server", "set-cookie", "trailer", "transfer-encoding", "upgrade",
     "vary", "via"}
)  # fmt: skip

#: Statuses that tell of the moment, and not of the question: so many were asking, or something is starting.
_BUSY = frozenset({429, 503})

#: How fields begin that are meant for a proxy, which takes them out.
_FOR_A_PROXY = "x-accel-"

#: How many times fewer moments than at the origin are too few.
_FEWER = 3

#: How many times quicker than the origin is no accident.
_QUICKER = 2

#: Seconds that a hop may add to the first token, and by how much of the origin's, before it is told.
_ADDED = 0.1
_ADDED_RATIO = 0.25


def _pairs(origin: Case, hop: Case) -> Iterator[tuple[Response, Response]]:
    """The answers to the same questions."""
    for name, transcript in hop.transcripts.items():
        if name in origin.transcripts:
            pairs = zip(origin.transcripts[name].responses, transcript.responses, strict=False)
            yield from (pair for pair in pairs if all(map(_tells, pair)))


def _tells(response: Response) -> bool:
    """It says what this question is answered, today as tomorrow."""
    return response.head_complete and response.status not in _BUSY


def _alike(origin: Case, hop: Case) -> Iterator[tuple[Response, Response]]:
    """Those of them that have the same status: an error has other fields than an answer."""
    return ((before, behind) for before, behind in _pairs(origin, hop) if before.status == behind.status)


def _handed_on(origin: Case, hop: Case) -> Iterator[tuple[Response, Response]]:
    """Those of them that a hop has no cause to give in its own words: answers, and errors about a sound question."""
    return (pair for pair in _alike(origin, hop) if _succeeds(pair[0]) or is_dialects_own(pair[0]))


@compared(
    "hop.status",
    SHOULD,
    _PRACTICE,
    "A hop hands on whether a request succeeded: no error becomes a success, nor a success an error.",
    shown_by=("unknown-model", "bad-json", "whole"),
)
def status(origin: Case, hop: Case) -> Iterator[Finding]:
    for before, behind in _pairs(origin, hop):
        # What breaks the rules of HTTP a hop may well refuse, and so it should.
        if not before.request.malformed and _succeeds(before) != _succeeds(behind):
            what = "a success" if _succeeds(before) else "an error"
            yield Finding(f"{what} of the origin, {before.status}, comes as {behind.status}", at(behind))


def _succeeds(response: Response) -> bool:
    return response.status < 400


@compared(
    "hop.cut",
    SHOULD,
    "RFC 9112 8",
    "An answer that breaks off at the origin breaks off behind the hop too.",
    shown_by=("upstream-cut",),
)
def cut(origin: Case, hop: Case) -> Iterator[Finding]:
    broken = [pair for pair in _alike(origin, hop) if _breaks_off(pair[0])]
    if not broken:
        raise NotApplicable("no answer of the origin broke off: name a model that does, with --cut-model")
    for _, behind in broken:
        if behind.complete:
            yield Finding("an answer that breaks off at the origin ends here as if it were whole", at(behind))


def _breaks_off(response: Response) -> bool:
    return not response.complete and response.transcript.ended_by_server


@compared("hop.whole", SHOULD, "RFC 9112 8", "An answer that is whole at the origin is whole behind the hop too.")
def whole(origin: Case, hop: Case) -> Iterator[Finding]:
    for before, behind in _alike(origin, hop):
        if before.complete and before.status != 101 and _breaks_off(behind):
            yield Finding("an answer that is whole at the origin breaks off here", at(behind))


@compared(
    "hop.fields",
    SHOULD,
    "RFC 9110 5.1",
    "A hop hands on the fields of a response.",
    shown_by=("whole", "unknown-model"),
)
def fields(origin: Case, hop: Case) -> Iterator[Finding]:
    lost: dict[str, Response] = {}
    for before, behind in _handed_on(origin, hop):
        kept = {line.name for line in behind.fields}
        for line in before.fields:
            if line.name not in kept and line.name not in _OF_ONE_HOP and not line.name.startswith(_FOR_A_PROXY):
                lost.setdefault(line.name, behind)
    for name, behind in lost.items():
        yield Finding(f"the field {name} of the origin does not come through", at(behind))


@compared(
    "hop.media-type", SHOULD, "RFC 9110 7.7", "A hop leaves the media type of a response as it is.", shown_by=("whole",)
)
def media_type(origin: Case, hop: Case) -> Iterator[Finding]:
    for before, behind in _handed_on(origin, hop):
        if before.media_type != behind.media_type and behind.media_type:
            yield Finding(f"{before.media_type or 'no media type'} becomes {behind.media_type}", at(behind))


@compared(
    "hop.coding",
    INFO,
    "RFC 9110 7.7",
    "A hop compresses no stream that its origin does not.",
    shown_by=("gzip", "coded"),
)
def coding(origin: Case, hop: Case) -> Iterator[Finding]:
    coded = [answer.response for answer in hop.arrivals if answer.coded]
    own = {answer.response.transcript.name for answer in origin.arrivals if answer.coded}
    for response in coded:
        if response.transcript.name not in own:
            yield Finding(f"the hop compresses the stream ({response.header('content-encoding')})", at(response))


@compared(
    "hop.events",
    SHOULD,
    _PRACTICE,
    "A hop hands on all that an event has: its name, its id, and comments between events.",
)
def events(origin: Case, hop: Case) -> Iterator[Finding]:
    before, behind = (
        {stream.response.transcript.name: stream for stream in case.streams if stream.events} for case in (origin, hop)
    )
    both = [name for name in behind if name in before]
    if not both:
        raise NotApplicable("no event stream was seen at both")
    kept = {kind for name in both for kind in _kinds(behind[name])}
    first = behind[both[0]]
    for kind in dict.fromkeys(kind for name in both for kind in _kinds(before[name])):
        if kind not in kept:
            yield Finding(f"{kind} of the origin does not come through", at(first.response, content=0))


def _kinds(stream: Stream) -> list[str]:
    """What the lines of a stream are, besides data."""
    names = [line.name for line in stream.lines if line.raw and not line.is_comment]
    comments = ["the comment"] if any(line.is_comment for line in stream.lines) else []
    return [f"the line {name!r}" for name in dict.fromkeys(names) if name in ("event", "id", "retry")] + comments


@compared("hop.flush", SHOULD, _PRACTICE, "A hop hands each event on when it comes.", shown_by=("usage",))
def flush(origin: Case, hop: Case) -> Iterator[Finding]:
    both = _same(origin, hop)
    if all(behind.bursts * _FEWER <= before.bursts for before, behind in both):
        before, behind = max(both, key=lambda pair: pair[0].bursts / pair[1].bursts)
        moments = "one moment" if behind.bursts == 1 else f"{behind.bursts} moments"
        yield Finding(
            f"{len(before.words)} messages come in {before.bursts} moments from the origin, and {len(behind.words)} in"
            f" {moments} here",
            at(behind.response, content=0),
        )


def _same(origin: Case, hop: Case) -> list[tuple[Arrivals, Arrivals]]:
    """The streams that come in pieces from the origin, and the same behind the hop.

    :raises NotApplicable: when there are none.
    """
    before = {answer.response.transcript.name: answer for answer in origin.arrivals if answer.bursts >= _FEWER}
    behind = {answer.response.transcript.name: answer for answer in hop.arrivals}
    both = [(before[name], behind[name]) for name in before if name in behind]
    long = [pair for pair in both if all(len(answer.words) >= MANY for answer in pair)]
    if not long:
        raise NotApplicable(f"the origin sent no stream of {MANY} messages or more in pieces")
    return long


@compared(
    "hop.first-token", INFO, _PRACTICE, "A hop adds little to the time until the first token.", shown_by=("usage",)
)
def first_token(origin: Case, hop: Case) -> Iterator[Finding]:
    expected, soonest = _soonest(origin), _soonest(hop)
    before, behind = _wait(expected), _wait(soonest)
    if behind - before > max(_ADDED, _ADDED_RATIO * before):
        yield Finding(
            f"the first token comes after {behind:.2f} s, and after {before:.2f} s at the origin",
            at(soonest.response, content=0),
        )


def _soonest(case: Case) -> Arrivals:
    """The answer whose first token came soonest: what a busy machine adds is not in it.

    :raises NotApplicable: when no answer had one.
    """
    answers = [answer for answer in case.arrivals if answer.words]
    if not answers:
        raise NotApplicable("no streamed answer of a model was seen at both")
    return min(answers, key=_wait)


def _wait(answer: Arrivals) -> float:
    """Seconds until the first token."""
    return answer.words[0] - answer.asked


@compared(
    "hop.faster",
    INFO,
    _PRACTICE,
    "An answer does not come faster through a hop than from its origin.",
    shown_by=("usage",),
)
def faster(origin: Case, hop: Case) -> Iterator[Finding]:
    both = _same(origin, hop)
    if all(behind.took * _QUICKER < before.took for before, behind in both):
        before, behind = max(both, key=lambda pair: pair[0].took)
        yield Finding(
            f"an answer takes {before.took:.2f} s at the origin, and {behind.took:.2f} s here: the hop keeps answers,"
            " or asks another origin",
            at(behind.response, content=0),
        )


@compared(
    "hop.close-code",
    SHOULD,
    "RFC 6455 7.4",
    "A WebSocket closes with the origin's code.",
    shown_by=("ws-answer", "ws-unmasked", "ws-bad-utf8"),
)
def close_code(origin: Case, hop: Case) -> Iterator[Finding]:
    before = {socket.transcript.name: socket for socket in origin.sockets if socket.close is not None}
    behind = {socket.transcript.name: socket for socket in hop.sockets}
    both = [name for name in behind if name in before]
    if not both:
        raise NotApplicable("no WebSocket was closed by the origin")
    for name in both:
        expected, came = before[name].close, behind[name].close
        if expected is None or (came is not None and came.code == expected.code):
            continue
        how = f"with {came.code}" if came is not None else "without a Close"
        where = at_frame(behind[name], came.offset) if came is not None else at(behind[name].response)
        yield Finding(f"the origin closes with {expected.code}, and the connection ends {how} here", where)
