"""One generation of a model's: what was asked, how much of it has come, and with what request it can be gone on with.

A conversation has one as a rule. A policy may ask for another where the first one broke off and cannot be resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..dialects.answer import Answer
from ..dialects.decoder import Decoder
from ..dialects.dialect import Again, Broken
from ..dialects.events import StreamEvent
from ..dialects.latest import Latest
from .asks import Ask, Stop
from .policy import Policy
from .request import Request, asking, going_on

if TYPE_CHECKING:
    from ..dialects.overlap import Overlap

__all__ = ["Generation"]


class Generation:
    """What was asked of the model, and what has come of it.

    :param ask: with which it begins.
    :param answer: all that has come, over all generations.
    """

    def __init__(self, ask: Ask, answer: Answer, policy: Policy) -> None:
        self.request: Request = ask.request
        #: Events of it have come.
        self.heard: bool = False
        self._dialect = ask.dialect
        self._answer = answer
        self._policy = policy
        self._cursor = ""  # of the last event that has one
        self._latest = Latest()

    def receive_events(self, events: list[StreamEvent]) -> None:
        """Takes what is new, as it comes."""
        self._cursor = next((event.cursor for event in reversed(events) if event.cursor is not None), self._cursor)
        self._latest.add_all(events)
        self.heard = True

    def cursor(self, decoder: Decoder) -> str:
        """From where it can be gone on with; empty where nothing tells."""
        return decoder.last_event_id or self._cursor

    def had_arrived(self) -> Sequence[StreamEvent]:
        """The last events of it."""
        return self._latest.events

    def overlap(self, decoder: Decoder, again: Again) -> Overlap:
        """Knows what of the resumed stream had arrived."""
        from ..dialects.overlap import Overlap  # few streams are resumed

        cursor_of = decoder.dialect.cursor
        first = self._answer.first_cursor
        return Overlap(self.had_arrived(), self.cursor(decoder), cursor_of, first=first, snapshot=again.snapshot)

    def reconnects(self, decoder: Decoder) -> bool:
        """As a browser's EventSource does, for which a stream has no end of its own."""
        return self._policy.interrupted == "reconnect" and self.request.http.method == "GET" and decoder.may_end

    def ask_for_the_rest(self, decoder: Decoder) -> Ask | None:
        """The request that resumes it, where there is one."""
        dialect = decoder.dialect
        if self.request.websocket:
            return None
        again = dialect.resuming(self._broken(decoder)) if dialect.resuming is not None else None
        if again is None and self.reconnects(decoder):
            again = Again(self.request.http.target.path, snapshot=True)
        if again is None:
            return None
        return Ask("resuming", going_on(self.request, again), self._dialect, again)

    def ask_anew(self, decoder: Decoder, connections: int) -> Ask | Stop:
        """The request for another generation, by a policy that wants it: with the text to go on with, or like this one.

        :param connections: how many there were, which makes an idempotency key another one.
        """
        request, dialect, text = self.request, self._dialect, self._answer.text
        if self._policy.interrupted not in ("restart", "continue"):
            return Stop(f"{dialect.name} cannot resume this stream")
        if self._policy.interrupted == "continue" and text and not self._answer.all_tools:
            longer = dialect.continuing(request.json, text)
            if longer is None:
                return Stop(f"{dialect.name} cannot be asked to go on with a text")
            return Ask("continuing", self._with_another_key(asking(request, dialect, longer), connections), dialect)
        json = dialect.asking_again(self._broken(decoder)) if request.websocket else request.json
        return Ask("restarting", asking(request, dialect, json), dialect)

    def followed_by(self, ask: Ask) -> Generation:
        """Another one, which is asked for in place of this: what the user asked stays the same."""
        request = replace(ask.request, json=self.request.json)
        return Generation(replace(ask, request=request), self._answer, self._policy)

    def _broken(self, decoder: Decoder) -> Broken:
        return Broken(
            path=self.request.http.target.path,
            fields=dict(self.request.http.headers),
            json=self.request.json,
            events=self.had_arrived(),
            id=self._answer.start.id if self._answer.start is not None else "",
            cursor=self._cursor,
            last_event_id=decoder.last_event_id,
        )

    def _with_another_key(self, request: Request, connections: int) -> Request:
        """It has another body, with which a key that was used is refused."""
        field = self._policy.idempotency_field.lower()
        headers = [
            (name, f"{value}-{connections}" if field and name == field else value)
            for name, value in request.http.headers
        ]
        return replace(request, http=replace(request.http, headers=headers))
