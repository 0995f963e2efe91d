"""The checks of many answers: what goes wrong now and then, how often, and whose fault it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..judging.case import at
from ..judging.rates import often
from ..judging.registry import among_many
from ..judging.verdict import Evidence, Finding, Level, NotApplicable
from ..probes.many import Many, marks_in
from ..reading.outcome import Became, Outcome

MUST, SHOULD = Level.MUST, Level.SHOULD

_PRACTICE = "practice"


def _found(many: Many, became: Became, said: Callable[[Outcome], str]) -> Iterator[Finding]:
    """One finding for each kind of words, with how often."""
    kinds: dict[str, list[Outcome]] = {}
    for outcome in many.outcomes:
        if outcome.became is became:
            kinds.setdefault(said(outcome), []).append(outcome)
    for words, found in kinds.items():
        yield Finding(f"{often(len(found), len(many.asked))} {words}", _place(found[0]))


def _place(outcome: Outcome) -> Evidence | None:
    return at(outcome.response) if outcome.response is not None else None


@among_many("rate.answered", SHOULD, _PRACTICE, "Each of many questions gets a connection, and an answer.")
def answered(many: Many) -> Iterator[Finding]:
    lost = [asked for asked in many.asked if asked.outcome is None]
    if lost:
        yield Finding(f"{often(len(lost), len(many.asked))} got no connection")
    yield from _found(many, Became.UNANSWERED, _unanswered)
    yield from _found(many, Became.REFUSED, _refused)


def _unanswered(outcome: Outcome) -> str:
    ending = "the server ended the connection" if outcome.transcript.ended_by_server else "nothing came"
    return f"never began: {ending}"


def _refused(outcome: Outcome) -> str:
    status = outcome.response.status if outcome.response is not None else 0
    limited = ", a rate limit: ask fewer at a time with -c" if status == 429 else ""
    return f"were refused with {status}{limited}"


@among_many("rate.whole", SHOULD, _PRACTICE, "Each of many answers comes to its end.")
def whole(many: Many) -> Iterator[Finding]:
    yield from _found(many, Became.BROKEN_OFF, _broken_off)
    yield from _found(many, Became.UNENDED, _unended)


def _broken_off(outcome: Outcome) -> str:
    transcript = outcome.transcript
    if not transcript.ended_by_server:
        return "had not ended when we left: the server, or what stands before it, stalls or does not end them"
    how = "reset" if transcript.ending == "reset" else "closed"
    return f"broke off, the connection {how}: the wire's fault, or that of a server that died"


def _unended(outcome: Outcome) -> str:
    if outcome.answer.finish is not None:
        return "lack the end mark, though the model came to its end and the message is whole: the server's fault"
    return "stop without a reason, in a message that is whole: the fault of a server or gateway that lost its model"


@among_many("rate.not-empty", SHOULD, _PRACTICE, "None of many answers is a success that says nothing.")
def not_empty(many: Many) -> Iterator[Finding]:
    yield from _found(many, Became.EMPTY, _empty)


def _empty(outcome: Outcome) -> str:
    usage = outcome.answer.usage or {}
    tokens = usage.get("output_tokens") or usage.get("completion_tokens") or 0
    if tokens:
        return "are empty, though tokens were counted: the text was lost behind the model"
    return "are empty, and no tokens were counted: the model said nothing, or a gateway answered for it"


@among_many("rate.no-error-inside", SHOULD, _PRACTICE, "None of many answers turns into an error after its 200.")
def no_error_inside(many: Many) -> Iterator[Finding]:
    yield from _found(many, Became.FAILED, _failed)


def _failed(outcome: Outcome) -> str:
    error = outcome.answer.error
    return f"turned into an error, {error.code if error is not None else ''}: what stands behind the endpoint failed"


@among_many("rate.tools", SHOULD, _PRACTICE, "The arguments of the tools that many answers call are JSON.")
def tools(many: Many) -> Iterator[Finding]:
    calling = [outcome for outcome in many.outcomes if outcome.became is Became.WHOLE and outcome.answer.all_tools]
    if not calling:
        raise NotApplicable("no answer called a tool")
    broken = [outcome for outcome in calling if outcome.broken_calls]
    if broken:
        finish = broken[0].answer.finish
        cut = finish is not None and finish.reason == "length"
        whose = "the token limit cut them" if cut else "the model's, or what put the pieces together"
        yield Finding(
            f"{often(len(broken), len(calling))} that call tools have arguments that are no JSON: {whose}",
            _place(broken[0]),
        )


@among_many("rate.not-mixed", MUST, "RFC 9110 3.3", "No answer has text of another one.")
def not_mixed(many: Many) -> Iterator[Finding]:
    marks = {asked.mark for asked in many.asked}
    said = [(asked.mark, asked.outcome, marks & _said(asked.outcome)) for asked in many.asked if asked.outcome]
    if not any(own in repeated for own, _, repeated in said):
        raise NotApplicable("no answer repeats the word that marks its question: they cannot be told apart")
    mixed = [(own, outcome, sorted(repeated - {own})) for own, outcome, repeated in said if repeated - {own}]
    if mixed:
        own, outcome, others = mixed[0]
        yield Finding(
            f"{often(len(mixed), len(many.asked))} have text of another stream: {outcome.transcript.name} was to"
            f" repeat {own}, and says {others[0]}",
            _place(outcome),
        )


def _said(outcome: Outcome) -> set[str]:
    return marks_in(outcome.answer.text)
