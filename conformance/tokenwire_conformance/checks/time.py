"""The checks of time: whether an answer comes as it is made, and what a client that waits can tell.

One side alone is gated: that an answer comes at once is a finding only where it was waited for, and where another one
of the same run shows that it need not have been so. What a busy machine could cause is never more than a warning, and
none where it happened once in a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..judging.case import at
from ..judging.registry import across, passive
from ..judging.verdict import Finding, Inconclusive, Level, NotApplicable
from ..reading.arrivals import Arrivals

SHOULD, INFO = Level.SHOULD, Level.INFO

_PRACTICE = "practice"

#: Messages that a stream must have, before it tells whether they come one by one.
MANY = 8

#: Seconds that a person notices. What comes sooner need not come in pieces.
NOTICED = 0.5

#: Seconds by which a head is early beyond doubt, however soon the answer begins.
_EARLY = 0.1

#: How much sooner a short answer begins than a long one that is held back.
_SOONER = 0.5

#: Messages in a moment, on average, from which on they gather.
_GATHERED = 4

#: Seconds of silence for which servers are advised to send a comment, and how much more passes for it.
KEEPALIVE = 15.0
_ABOUT = 5.0

#: Seconds in which the end follows what it ends.
PROMPT = 1.0


@across(
    "time.headers-early",
    SHOULD,
    _PRACTICE,
    "The head of a stream comes before its first event, when that is waited for.",
    on="arrivals",
)
def headers_early(answers: Sequence[Arrivals]) -> Iterator[Finding]:
    if any(answer.first - answer.head >= _EARLY and _head_first(answer) for answer in answers):
        return
    waited = _not_once([answer for answer in answers if answer.first - answer.asked >= NOTICED], answers)
    if not waited:
        raise NotApplicable(f"every answer, or all but one, began within {NOTICED:g} s")
    late = [answer for answer in waited if not _head_first(answer)]
    if len(late) == len(waited):
        seconds = late[0].head - late[0].asked
        yield Finding(
            f"the head came only after {seconds:.1f} s, with the first event: until then nobody can tell a slow model"
            " from a server that is down",
            at(late[0].response),
        )


def _head_first(answer: Arrivals) -> bool:
    return answer.head - answer.asked <= _SOONER * (answer.first - answer.asked)


@across(
    "time.progressive",
    SHOULD,
    _PRACTICE,
    "The events of a stream come as they are made, and not all at once at its end.",
    on="arrivals",
    shown_by=("length",),
)
def progressive(answers: Sequence[Arrivals]) -> Iterator[Finding]:
    long = [answer for answer in answers if len(answer.words) >= MANY]
    if not long:
        raise NotApplicable(f"no stream had {MANY} messages with text")
    if any(_in_pieces(answer) and not answer.came_at_once for answer in long):
        return
    if any(answer.took < NOTICED for answer in long):
        raise NotApplicable(f"an answer of {MANY} messages or more came whole within {NOTICED:g} s")
    if not all(answer.came_at_once for answer in long):
        return
    held = long[0]
    before = held.words[0] - held.asked
    if before > _SOONER * held.took:
        _began_sooner(held, answers)
    yield Finding(
        f"{len(held.words)} messages came in {_moments(held.bursts)}, {held.took:.1f} s after the question: something"
        " on the way holds the stream back",
        at(held.response, content=0),
    )


def _began_sooner(held: Arrivals, answers: Sequence[Arrivals]) -> None:
    """A shorter answer began much sooner. So the model was not slow to begin, and the long one was held back.

    :raises Inconclusive: when there was none to compare with.
    :raises NotApplicable: when it did not.
    """
    waited = held.first - held.asked
    shorter = [other for other in answers if 0 < len(other.words) <= len(held.words) / 2]
    if not shorter:
        raise Inconclusive(
            f"the whole answer came at once, {waited:.1f} s after the question, and there is no shorter one to tell"
            " whether it was held back or made in a moment"
        )
    soonest = min(other.first - other.asked for other in shorter)
    if soonest > _SOONER * waited:
        raise NotApplicable(
            f"answers come at once, {waited:.1f} s after the question; but one of a few words takes as long to begin,"
            " so that they seem to be made in a moment"
        )


@across(
    "time.gzip-flush",
    SHOULD,
    _PRACTICE,
    "A compressed stream comes as it is made, like the plain one.",
    on="arrivals",
    shown_by=("gzip", "coded"),
)
def gzip_flush(answers: Sequence[Arrivals]) -> Iterator[Finding]:
    coded = [answer for answer in answers if answer.coded]
    if not coded:
        raise NotApplicable("no stream was compressed")
    plain = [answer for answer in answers if len(answer.words) >= MANY and answer.took >= NOTICED]
    if all(answer.came_at_once for answer in plain):
        raise NotApplicable(
            f"no plain stream came in pieces, over {NOTICED:g} s or more, that it could be compared with"
        )
    for answer in coded:
        if answer.took >= NOTICED and answer.came_at_once:
            coding = answer.response.header("content-encoding")
            yield Finding(
                f"a stream in {coding} comes at once, {answer.took:.1f} s after the question, where the plain one comes"
                " in pieces: the compressor is not flushed after each event",
                at(answer.response),
            )


@across(
    "time.coalescing",
    INFO,
    _PRACTICE,
    "Each event of a stream comes by itself, or with a few others.",
    on="arrivals",
)
def coalescing(answers: Sequence[Arrivals]) -> Iterator[Finding]:
    long = [answer for answer in answers if len(answer.words) >= MANY]
    if any(map(_in_pieces, long)):
        return
    judged = [answer for answer in long if answer.took >= NOTICED and not answer.came_at_once]
    if not judged:
        raise NotApplicable(f"no stream of {MANY} messages or more came in pieces, over {NOTICED:g} s or more")
    if all(len(answer.words) >= _GATHERED * answer.bursts for answer in judged):
        worst = max(judged, key=lambda answer: len(answer.words) / answer.bursts)
        yield Finding(
            f"{len(worst.words)} messages came in {_moments(worst.bursts)}, over {worst.took:.1f} s",
            at(worst.response, content=0),
        )


def _in_pieces(answer: Arrivals) -> bool:
    """It came in many moments, and a few messages in each. That is so however quick it was: a verdict that rests on the
    time alone is another one when the machine is busy.
    """
    return answer.bursts >= MANY and len(answer.words) < _GATHERED * answer.bursts


def _moments(count: int) -> str:
    return "one moment" if count == 1 else f"{count} moments"


@across(
    "time.terminal-prompt",
    SHOULD,
    _PRACTICE,
    "The last event of a stream follows its last text within a second.",
    on="arrivals",
)
def terminal_prompt(answers: Sequence[Arrivals]) -> Iterator[Finding]:
    ended = [answer for answer in answers if answer.words and answer.response.complete]
    if not ended:
        raise NotApplicable("no stream with text came to its end")
    late = [answer for answer in ended if answer.closing - answer.words[-1] > PROMPT]
    for answer in _not_once(late, ended):
        seconds, last = answer.closing - answer.words[-1], answer.generation.steps[-1].offset
        yield Finding(f"the last event came {seconds:.1f} s after the last text", at(answer.response, content=last))


@across(
    "time.close-after-terminal",
    SHOULD,
    _PRACTICE,
    "The response ends within a second of the last event of its stream.",
    on="arrivals",
)
def close_after_terminal(answers: Sequence[Arrivals]) -> Iterator[Finding]:
    finished = [answer for answer in answers if _is_finished(answer) and not answer.coded]
    if not finished:
        raise NotApplicable("no stream came to the end of its answer")
    late = [answer for answer in finished if _lingers(answer) > PROMPT]
    for answer in _not_once(late, finished):
        how = "ended" if answer.ended is not None else "had not ended"
        last = answer.generation.steps[-1].offset
        said = f"the response {how} {_lingers(answer):.1f} s after the last event"
        yield Finding(said, at(answer.response, content=last))


def _lingers(answer: Arrivals) -> float:
    """Seconds from the last event to the end of the response, or until we left; none where it was cut."""
    if answer.ended is not None:
        return answer.ended - answer.closing
    response = answer.response
    return response.transcript.ending_time - answer.closing if response.hung_up else 0.0


def _not_once(slow: Sequence[Arrivals], answers: Sequence[Arrivals]) -> Sequence[Arrivals]:
    """Those that are slow, unless it is one alone of several: a server that has just started is slow once."""
    return slow if len(slow) >= min(2, len(answers)) else ()


def _is_finished(answer: Arrivals) -> bool:
    """The model came to its end. Where the chunks cannot be read, nobody knows where that of the response is."""
    broken = any(problem.rule == "chunk-syntax" for problem in answer.response.problems)
    return answer.generation.answer.finish is not None and not broken


@passive(
    "time.keepalive",
    SHOULD,
    "WHATWG HTML 9.2.7",
    "A stream that has nothing to say sends a comment about every 15 seconds, which keeps proxies from cutting it.",
    on="arrivals",
    when=lambda answer: answer.response.media_type == "text/event-stream" and _longest_pause(answer) > KEEPALIVE,
    absent=f"no stream paused for {KEEPALIVE:g} s",
)
def keepalive(answer: Arrivals) -> Iterator[Finding]:
    came = [answer.asked, answer.head, *(seconds for seconds, _ in answer.reads)]
    silence, since = max((later - earlier, earlier) for earlier, later in pairwise(came))
    if silence > KEEPALIVE + _ABOUT:
        yield Finding(
            f"nothing came for {silence:.0f} s, beginning {since - answer.asked:.1f} s after the question",
            at(answer.response),
        )


def _longest_pause(answer: Arrivals) -> float:
    """Seconds without a word."""
    came = [answer.asked, *(answer.words or [answer.first])]
    return max(later - earlier for earlier, later in pairwise(came))
