"""The probes of a run are made one after the other, as long as the endpoint answers the plain question.

An answer that leaves a doubt whether the endpoint still does (silence, a rate limit, a 5xx, a page, a refusal of what
is sound) is followed by the plain question once more. So what is judged was said by an endpoint that was well before
and after. Where it was not, the run ends, and says since which probe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from tokenwire import exit_codes
from tokenwire.errors import ConnectionFailed, LocalProtocolError
from tokenwire.exit_codes import Terminated
from tokenwire.recording import Entry, Recording
from tokenwire.secrecy.shown import one_line
from tokenwire.session.policy import retry_after

from .judging.case import Case, given_up, unfinished
from .judging.gate import gate_of
from .judging.judged import Course, Ended
from .probes.many import Asked, Many, NoMore
from .probes.rehearsal import Budget
from .probes.talk import NO_SUCH_MODEL, OutOfTime, Plan, Probe, all_probes, run_probe
from .probes.wire import Clock, SystemClock, Wire
from .reading.transcript import Transcript

__all__ = ["Pace", "Progress", "Round", "make_many", "make_probes", "make_rounds"]

#: Statuses by which a server asks to come again, if it says when.
_BUSY = (429, 503)

#: Statuses that refuse the key (RFC 9110, 15.5.2 and 15.5.4).
_KEY_REFUSED = (401, 403)

#: The least seconds that are waited, whatever is asked: `Retry-After: 0` must not make a loop without a pause.
_LEAST_WAIT = 1.0

#: Seconds after which a connection is tried again that could not be made: what restarts by itself is back by then.
_RECONNECTS = (1.0, 2.0, 4.0)

#: How many times more tokens than the plain question a probe asks for, at most.
_LONGER = 6

#: Why a probe was not made, by how the run ended.
_NOT_MADE = {
    Ended.REFUSED: "the plain question was not answered",
    Ended.SILENT: "the plain question was not answered",
    Ended.BROKEN: "the plain question was not answered",
    Ended.GONE: "the endpoint answered no more",
    Ended.OUT_OF_TIME: "the time for the run was up",
    Ended.INTERRUPTED: "the run was stopped",
    Ended.TERMINATED: "the run was stopped",
    Ended.HUNG_UP: "the run was stopped",
    Ended.CRASHED: "the suite itself failed",
}

#: Too Many Requests: the answer to whoever asks, and to no question.
_LIMIT = 429

_UNPAID = "the tokens for the run might not have reached"

_LIMITED = "A rate limit (429) stood in the way"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an endpoint is asked. All are seconds.

    :ivar delay: between two probes.
    :ivar patience: for which a probe waits, in all, where a 429 or 503 says when to come again.
    :ivar timeout: for the whole run.
    :ivar budget: of tokens for the whole run; it is used up.
    """

    delay: float = 0.0
    patience: float = 60.0
    timeout: float = inf
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class Round:
    """Probes over one transport: the plain one first."""

    plan: Plan
    probes: Sequence[Probe]
    make_wire: Callable[[], Wire]


@dataclass(frozen=True, slots=True)
class Progress:
    """Which probe of how many is being made; and what is waited for, if anything is."""

    number: int
    total: int
    probe: Probe
    waiting: str = ""

    @property
    def about(self) -> str:
        return self.waiting or self.probe.about


def make_probes(
    probes: Sequence[Probe],
    plan: Plan,
    make_wire: Callable[[], Wire],
    tell: Callable[[Progress], None] = lambda _: None,
) -> Case:
    """Makes the probes over one transport, as `make_rounds` does."""
    return make_rounds([Round(plan, probes, make_wire)], tell)


def make_rounds(
    rounds: Sequence[Round],
    tell: Callable[[Progress], None] = lambda _: None,
    pace: Pace = Pace(),
    clock: Clock = SystemClock(),  # noqa: B008 - it has no state
) -> Case:
    """Makes the probes. What was read is given also when the endpoint is gone, when the time is up, after Ctrl-C or
    SIGTERM, and when the suite itself fails; the case says how it went.

    :param tell: is told before each probe, and before waiting.
    :param clock: that of the wires.
    :raises LocalProtocolError: before any probe, where one asks for another model and cannot name it.
    """
    for each in rounds:
        if any(probe.other_model for probe in each.probes):
            each.plan.ask(model=NO_SUCH_MODEL)
    return _Asking(rounds, tell, pace, clock).case()


def make_many(case: Case, asking: Iterator[Asked], count: int, tell: Callable[[int], None] = lambda _: None) -> Case:
    """Asks many questions after the probes. What was answered is judged however that ends, as it is for probes.

    :param case: of the probes.
    :param asking: see `ask_many`.
    :param count: how many are to be asked.
    :param tell: is told how many were answered.
    """
    asked: list[Asked] = []
    course = Course()
    try:
        for each in asking:
            asked.append(each)
            tell(len(asked))
    except NoMore as stop:
        course = Course(headline=f"{len(asked)} of {count} questions were asked: {stop}.")
    except BaseException as stop:
        course = _stopped(stop, f"{len(asked)} of {count} questions")
    headline = " ".join(filter(None, [case.course.headline, course.headline]))
    return case.asked_again(Many(asked), replace(course, headline=headline))


def _stopped(stop: BaseException, after: str) -> Course:
    """What stopped a run, and what to do. What the caller has to mend is raised again.

    :param after: how far it had come.
    """
    match stop:
        case OutOfTime():
            by, ended = "--timeout", Ended.OUT_OF_TIME
            advice = " Give it more time, or choose fewer checks with --only."
        case Terminated(code=exit_codes.HUNG_UP):
            by, ended, advice = "SIGHUP", Ended.HUNG_UP, ""
        case Terminated():
            by, ended, advice = "SIGTERM", Ended.TERMINATED, ""
        case KeyboardInterrupt():
            by, ended, advice = "Ctrl-C", Ended.INTERRUPTED, ""
        case Exception() if not isinstance(stop, LocalProtocolError):
            by, ended = "a fault of the suite itself", Ended.CRASHED
            advice = f" Please report it: {one_line(f'{type(stop).__name__}: {stop}')}"
        case _:
            raise stop
    return Course(ended, f"The run was stopped by {by} after {after}.{advice}")


class _Stop(Exception):
    """No more probes are made."""

    def __init__(self, ended: Ended, headline: str) -> None:
        super().__init__(headline)
        self.course = Course(ended, headline)


class _Asking:
    """One run: what was read, what could not be, and how much time there is."""

    def __init__(self, rounds: Sequence[Round], tell: Callable[[Progress], None], pace: Pace, clock: Clock) -> None:
        self.made: dict[str, Transcript] = {}
        #: Probes that were answered with a rate limit alone.
        self.limited: list[str] = []
        #: Probes for which the tokens did not reach.
        self.unpaid: list[str] = []
        self._rounds = rounds
        self._tell = tell
        self._pace = pace
        self._clock = clock
        self._deadline = clock.now() + pace.timeout
        self._probes = [probe for each in rounds for probe in each.probes]
        self._begun = 0

    def case(self) -> Case:
        course = self._course()
        failures = dict.fromkeys(self.limited, _LIMITED) | dict.fromkeys(self.unpaid, _UNPAID)
        if course.ended is not Ended.WHOLE:
            missing = (probe.name for probe in self._probes if probe.name not in self.made)
            failures |= dict.fromkeys(missing, _NOT_MADE[course.ended])
        return Case(self.made.values(), failures, course)

    def _course(self) -> Course:
        try:
            for each in self._rounds:
                self._make_round(each)
        except _Stop as stop:
            return stop.course
        except BaseException as stop:
            return _stopped(stop, self.count)
        return Course(headline=self._left_open())

    @property
    def count(self) -> str:
        """How far it has come."""
        return f"{len(self.made)} of {len(self._probes)} probes"

    def _left_open(self) -> str:
        """Which sound questions got no answer to its end, though all were asked; empty where there are none."""
        endless = [
            name for name, made in self.made.items() if given_up(made) and all_probes()[name].cost == "generation"
        ]
        said = []
        if endless:
            said.append(
                f"The answers to these probes did not come to their end: {', '.join(endless)}."
                " Does the endpoint end its answers, and is it fast enough?"
            )
        if self.limited:
            said.append(f"{_LIMITED} of these probes: {', '.join(self.limited)}. Ask more slowly with --delay SECONDS.")
        if self.unpaid:
            said.append(
                f"{len(self.unpaid)} of {len(self._probes)} probes were not made: --max-tokens-total"
                f" {self._pace.budget.limit:.0f} might have been passed."
            )
        return " ".join(said)

    def _make_round(self, each: Round) -> None:
        plain, *others = each.probes
        self.begin(plain)
        try:
            made = self.ask(each, plain)
        except ConnectionFailed as error:
            raise _Stop(Ended.SILENT, _no_connection(error)) from error
        self.made[plain.name] = made
        gate = gate_of(made, each.plan)
        if gate.shut:
            self._explain(each, made)
            raise _Stop(gate.ended, gate.headline)
        watch = _Watch(self, replace(each, plan=_adapted(each.plan, made)), endless=given_up(made))
        watch.look(plain, made)
        for probe in others:
            # The plain question may have to follow it.
            if not self._pace.budget.allows(probe, plain):
                self.unpaid.append(probe.name)
                continue
            self.wait(self._pace.delay)
            watch.make(probe)
        watch.end()

    def _explain(self, each: Round, refused: Transcript) -> None:
        """Makes the probes that tell why the key was refused, if it was."""
        if _status(refused) not in _KEY_REFUSED:
            return
        for probe in (probe for probe in each.probes if probe.explains_refusal):
            try:
                self.begin(probe)
                self.wait(self._pace.delay)
                self.made[probe.name] = self.ask(each, probe)
            except (ConnectionFailed, OutOfTime):  # what is in the way is known already
                return

    def begin(self, probe: Probe) -> None:
        """The next probe.

        :raises OutOfTime: when the time for the run is up.
        """
        self._begun += 1
        self._say(probe)
        self.wait(0)

    def ask(self, each: Round, probe: Probe) -> Transcript:
        """Makes a probe. Where the server says when to come again, it is made again then, while the patience lasts.

        :raises ConnectionFailed: when there is no connection.
        """
        left = self._pace.patience
        while True:
            made = run_probe(probe, each.make_wire(), each.plan, self._deadline)
            self._pace.budget.pay(made)
            seconds = _asked_to_wait(made)
            if seconds is None or seconds > left:
                return made
            left -= seconds
            self._say(probe, f"waiting {seconds:.0f} s, as a {made.responses[0].status} asks for: {probe.about}")
            self.wait(seconds)

    def ask_again(self, each: Round, probe: Probe) -> Transcript:
        """The same, of an endpoint that has answered before, and may just be restarting."""
        for seconds in _RECONNECTS:
            try:
                return self.ask(each, probe)
            except ConnectionFailed:
                self._say(probe, f"waiting {seconds:.0f} s for the endpoint to come back: {probe.about}")
                self.wait(seconds)
        return self.ask(each, probe)

    def wait(self, seconds: float) -> None:
        """Waits.

        :raises OutOfTime: when the time for the run is up, before the wait or by its end.
        """
        left = self._deadline - self._clock.now()
        if seconds > 0 and left > 0:
            self._clock.sleep(min(seconds, left))
        if left <= seconds:
            raise OutOfTime

    def _say(self, probe: Probe, waiting: str = "") -> None:
        self._tell(Progress(self._begun, len(self._probes), probe, waiting))


class _Watch:
    """Looks at the answers of one round, and asks the plain question again where one leaves a doubt.

    :param endless: the answer to the plain question never came to its end, so that this is no doubt.
    """

    def __init__(self, asking: _Asking, each: Round, *, endless: bool) -> None:
        self._asking = asking
        self._round = each
        self._endless = endless
        #: The last probe, where its connection had no end in order, and the plain question was not asked since.
        self._suspect: Probe | None = None

    def make(self, probe: Probe) -> None:
        """Makes a probe, and looks at its answer.

        :raises _Stop: when the endpoint is gone.
        """
        self._asking.begin(probe)
        try:
            made = self._asking.ask_again(self._round, probe)
        except ConnectionFailed as error:
            raise self._gone(self._suspect or probe, error) from error
        self._asking.made[probe.name] = made
        self.look(probe, made)

    def look(self, probe: Probe, made: Transcript) -> None:
        """Asks the plain question again where the answer leaves a doubt.

        :raises _Stop: when the endpoint is gone.
        """
        if self._is_doubtful(probe, made):
            # Whoever takes the connection and ends it was still there after the probe before.
            self._knock(probe if self._suspect is None or made.ended_by_server else self._suspect)
            if _status(made) == _LIMIT:
                self._asking.limited.append(probe.name)
        else:
            self._suspect = None if _ends_in_order(made) else probe

    def end(self) -> None:
        """After the last probe nothing else shows whether the endpoint is still there.

        :raises _Stop: when the endpoint is gone.
        """
        if self._suspect is not None:
            self._knock(self._suspect)

    def _knock(self, since: Probe) -> None:
        try:
            made = self._asking.ask_again(self._round, self._round.probes[0])
        except ConnectionFailed as error:
            raise self._gone(since, error) from error
        gate = gate_of(made, self._round.plan)
        if gate.shut:
            raise self._no_longer(since, gate)
        self._suspect = None

    def _no_longer(self, since: Probe, gate: Course) -> _Stop:
        if gate.ended is Ended.SILENT:
            why = "it takes connections, and no longer answers the plain question. Its log may say why."
            return self._stop("The endpoint is gone", since, why)
        return self._stop("The plain question is no longer answered", since, gate.headline)

    def _gone(self, since: Probe, error: ConnectionFailed) -> _Stop:
        said = one_line(str(error)).removesuffix(": does a server listen there?")
        return self._stop("The endpoint is gone", since, f"{said} from there on. Its log may say why.")

    def _stop(self, what: str, since: Probe, why: str) -> _Stop:
        """The run ends at this probe. Its answer is not judged, nor any later one; of the plain one, what came in full
        is.
        """
        made = self._asking.made
        later = list(made)[list(made).index(since.name) :] if since.name in made else []
        plain = made.get(since.name) if since is self._round.probes[0] else None
        for name in later:
            del made[name]
        whole = _whole_part(plain) if plain is not None else None
        if whole is not None:
            made[since.name] = whole
        return _Stop(Ended.GONE, f"{what} since probe {since.name} ({since.about}), after {self._asking.count}: {why}")

    def _is_doubtful(self, probe: Probe, made: Transcript) -> bool:
        status = _status(made)
        if status == 101:
            return False
        if unfinished(made):
            return not (self._endless and status is not None and given_up(made))
        refused = probe.cost == "generation" and not 200 <= made.responses[0].status < 300
        elsewhere = 300 <= made.responses[0].status < 400 or made.responses[0].media_type == "text/html"
        failed = any(response.status == _LIMIT or response.status >= 500 for response in made.responses)
        return refused or elsewhere or failed


def _ends_in_order(made: Transcript) -> bool:
    """Its connection ended as was announced, or as was asked for. Any other end may be that of the endpoint."""
    last = made.responses[-1] if made.responses else None
    if unfinished(made) or last is None or last.status == 101:
        return not unfinished(made)
    asked = any("close" in request.header("connection").lower() for request in made.requests)
    announced = "close" in last.tokens("connection") and last.delimited != "close"
    return announced if made.ended_by_server else not asked


def _status(made: Transcript) -> int | None:
    """The status of the first answer; None where there is none."""
    return made.responses[0].status if made.responses and made.responses[0].head_complete else None


def _asked_to_wait(made: Transcript) -> float | None:
    """Seconds after which a server that is busy asks to come again; None where it does not."""
    if _status(made) not in _BUSY:
        return None
    seconds = retry_after([(line.name, line.value) for line in made.responses[0].fields])
    return None if seconds is None else max(seconds, _LEAST_WAIT)


def _adapted(plan: Plan, plain: Transcript) -> Plan:
    """The plan for an endpoint whose answer to the plain question took so long. An answer that is not streamed comes in
    one piece, when all its tokens are made; where the plain one had no end, no other is waited for much longer.
    """
    if given_up(plain):
        return replace(plan, longest=plan.patience)
    return replace(plan, patience=min(max(plan.patience, _LONGER * plain.ending_time), plan.longest))


def _whole_part(made: Transcript) -> Transcript | None:
    """What was asked and answered in full before the connection ended; None where nothing was."""
    if _status(made) == 101 or not made.responses or not made.responses[0].complete:
        return None
    entries = made.recording.entries
    end = made.seconds_at(made.responses[0].end - 1)
    later = next((n for n, entry in enumerate(entries) if entry.kind == ">" and entry.seconds > end), len(entries))
    kept = entries[:later] if later < len(entries) else entries[:-1]
    return Transcript(made.name, Recording(made.recording.header, [*kept, Entry(end, "left open")]))


#: What to do where there is no connection, by the phase in which it failed.
_ADVICE = {
    "resolve": "Is it spelled right?",
    "tls": "A certificate of your own authority is trusted with --ca-file FILE.",
}


def _no_connection(error: ConnectionFailed) -> str:
    """What stood in the way of the first connection. Most such errors ask the right question themselves."""
    said = one_line(str(error))
    if said.endswith("?"):
        return said
    advice = _ADVICE.get(error.phase, "Is the server there, and reachable?")
    return f"{said.removesuffix('.')}. {advice}"
