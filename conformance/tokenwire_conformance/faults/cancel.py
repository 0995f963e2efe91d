"""Faults of cancellation: work that goes on for nobody, places that are never free again, answers that get mixed up."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import ClassVar

from tokenwire.endpoint import Call, Reply, Seams
from tokenwire.endpoint.replies import refusal_reply
from tokenwire.endpoint.seams import Ending
from tokenwire.endpoint.wanted import Refusal

from ..probes.leaving import ABORTS, MARK
from .fault import fault


def goes_on(seconds: float, when: Callable[[Ending, bool, bool], bool]) -> type[Seams]:
    """Seams by which an answer is made for so long after its client has left.

    :param when: how it left, whether the answer was to be streamed, and whether it had begun.
    """

    class GoesOn(Seams):
        _streams = False

        def call(self, call: Call) -> Call:
            self._streams = b'"stream": true' in call.body
            return call

        def left(self, how: Ending, *, begun: bool) -> float:
            return seconds if when(how, self._streams, begun) else 0.0

    return GoesOn


def by_fin(how: Ending, streams: bool, begun: bool) -> bool:
    return how == "close" and begun


def by_reset(how: Ending, streams: bool, begun: bool) -> bool:
    return how == "reset"


def before_it_begins(how: Ending, streams: bool, begun: bool) -> bool:
    return streams and not begun


def without_streaming(how: Ending, streams: bool, begun: bool) -> bool:
    return not streams and not begun


def asks_long(call: Call) -> bool:
    """The call asks for the answer that is abandoned."""
    return MARK.encode() in call.body


class _LeaksIntoNext(Seams):
    """The next answer begins with a piece of the one that was abandoned, on whatever connection."""

    _left: ClassVar[list[bytes]] = []

    def blocks(self, call: Call, blocks: list[bytes]) -> list[bytes]:
        if asks_long(call):
            type(self)._left = blocks[-4:-3]
            return blocks
        rest, type(self)._left = self._left, []
        return [*rest, *blocks]


def busy(refuses: Callable[[Call, int], bool]) -> type[Seams]:
    """Seams by which those questions are refused for which `refuses` says so.

    :param refuses: is given the call, and how many long questions came one after the other.
    """

    class Busy(Seams):
        _long: ClassVar[int] = 0  # over all connections

        def reply(self, call: Call, reply: Reply) -> Reply:
            if call.method != "POST":
                return reply
            before, type(self)._long = self._long, self._long + 1 if asks_long(call) else 0
            return _BUSY if refuses(call, before) else reply

    return Busy


_BUSY = refusal_reply(Refusal(503, "overloaded", "All places are taken.")).with_header("Retry-After", "20")

fault("ignore-fin", trips="cancel.fin")(goes_on(inf, by_fin))
fault("ignore-rst", trips="cancel.rst")(goes_on(inf, by_reset))
fault("ignore-before-first", trips="cancel.before-first-token")(goes_on(inf, before_it_begins))
fault("ignore-nonstream", trips="cancel.nonstream")(goes_on(inf, without_streaming))
fault("leak-into-next", trips="cancel.no-cross-talk chat.id-constant")(_LeaksIntoNext)

fault("slot-leak", trips="cancel.repeat")(busy(lambda call, before: before == ABORTS and not asks_long(call)))
