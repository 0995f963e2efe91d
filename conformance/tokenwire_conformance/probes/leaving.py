"""The probes that leave in the middle of an answer. They are asked for by name, for what they ask is long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tokenwire.errors import LocalProtocolError
from tokenwire.recording import Recording
from tokenwire.secrecy import Secrets

from ..reading.transcript import Transcript
from ..reading.work import Work
from . import resuming as _before  # noqa: F401 - probes are made in the order of their declaration
from .asking import PROMPTED
from .talk import PROBES, SHORT_PATIENCE, Probe, Talk

__all__ = ["ABORTS", "LEAVING", "LONG", "MARK", "LeavingTalk"]

#: A word that no model says unless it is told to.
MARK = "zanzibar-7f3a"

#: A question with a long answer, and how many tokens that may have: more than any server makes in `LEAVING`.
LONG = f"Repeat the word {MARK} two thousand times, separated by blanks."
LONG_TOKENS = 4000

#: Tokens of an answer that is only begun.
BEGUN_TOKENS = 400

#: Answers that are abandoned, one after the other.
ABORTS = 20

#: Seconds in which the work must have stopped. A server notices at the next token; one that does not goes on for
#: longer than that.
LEAVING = 5.0

#: Seconds between two looks.
_LOOK = 0.1


class LeavingTalk(Talk):
    """A talk that is broken off, and begun again on a connection of its own."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._left: list[Transcript] = []
        self._work: Work | None = None

    def ask_long(self, max_tokens: int, *, stream: bool = True) -> None:
        """Asks the question with the long answer."""
        self.send(self.plan.request(asked=self.plan.ask(LONG, stream=stream, max_tokens=max_tokens)))

    def read_beginning(self) -> None:
        """Reads until some of the answer is there."""
        self.read(lambda transcript: any(response.body for response in transcript.responses))

    def leave(self, *, reset: bool = False) -> None:
        """Leaves, and comes back on a new connection."""
        self._end("closed by us", reset=reset)
        self._left.append(self.transcript)
        self.transcript = Transcript(self.name, Recording({}, []))
        self._over, self._pieces = False, 0
        self.connect()

    def watch(self, until: Callable[[float], bool]) -> float:
        """Looks how many requests are being worked on, until it is as wanted or the time is up."""
        running = self.plan.running
        assert running is not None
        limit = self._wire.now() + LEAVING
        while not until(number := running()) and self._wire.now() < limit:
            self._wire.sleep(_LOOK)
        return number

    def finish(self, secrets: Secrets) -> Transcript:
        made = super().finish(secrets)
        made.left = [self.redacted(left, secrets) for left in self._left]
        made.work = self._work
        return made

    def leave_watched(self, *, stream: bool = True, begun: bool = True, reset: bool = False) -> None:
        """Leaves while somebody who knows says how many requests are being worked on.

        :param begun: not before the answer has begun.
        """
        before = self.watch(lambda _: True)
        self.ask_long(LONG_TOKENS, stream=stream)
        if begun:
            self.read_beginning()
        during = self.watch(lambda number: number > before)
        self.leave(reset=reset)
        left = self._wire.now()
        after = self.watch(lambda number: number <= before)
        self._work = Work(before, during, after, self._wire.now() - left)


def _probe(name: str, about: str) -> Callable[[Callable[[LeavingTalk], None]], None]:
    def declare(script: Callable[[LeavingTalk], None]) -> None:
        PROBES[name] = Probe(name, "generation", about, script, PROMPTED, LeavingTalk, by_name=True)

    return declare


def _plain(talk: LeavingTalk) -> None:
    talk.send(talk.plan.request(asked=talk.plan.ask(stream=True)))
    talk.read_answers()


@_probe("cancel-next", "an answer that is abandoned, and the plain question after it")
def _next(talk: LeavingTalk) -> None:
    talk.ask_long(BEGUN_TOKENS)
    talk.read_beginning()
    talk.leave()
    _plain(talk)


@_probe("cancel-repeat", f"{ABORTS} answers that are abandoned, and the plain question after them")
def _repeat(talk: LeavingTalk) -> None:
    for _ in range(ABORTS):
        talk.ask_long(BEGUN_TOKENS)
        talk.read_beginning()
        talk.leave()
    _plain(talk)


def _leave_watched(talk: LeavingTalk, how: Mapping[str, bool]) -> None:
    try:
        talk.leave_watched(**how)
    except LocalProtocolError:  # nobody says it any more
        talk.leave()


def _watched(name: str, about: str, **how: bool) -> None:
    """Declares a probe that leaves while the work is watched, where somebody can."""

    def script(talk: LeavingTalk) -> None:
        if talk.plan.running is not None:
            _leave_watched(talk, how)
        talk.send(talk.plan.request("GET", path=talk.plan.models_path))
        talk.read_answers(1, SHORT_PATIENCE)

    _probe(name, f"{about}, while --running says what is worked on")(script)


_watched("cancel-fin", "a long answer that is abandoned by closing the connection")
_watched("cancel-rst", "a long answer that is abandoned by resetting the connection", reset=True)
_watched("cancel-early", "a long answer that is abandoned before it begins", begun=False)
_watched("cancel-whole", "a long answer without streaming that is abandoned", stream=False, begun=False)
