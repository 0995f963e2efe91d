"""What both drivers do alike: they hand the session what a link brings, and the link what the session has to say."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from time import monotonic
from typing import Generic, Literal, Protocol, TypeVar

from ..protocol.http import ResponseHead
from .opening import Conversation, Opening, refuses
from .pool import Connection, Pool, may_be_reused
from .unread import MAX_UNREAD, size_of

__all__ = ["Carrying", "Driving"]


class Carrying(Connection, Protocol):
    """A link of either driver, in use.

    :ivar sending: something is still to be sent.
    """

    sending: bool

    def send(self, data: bytes, *, answer: bool = False) -> None: ...
    def drop(self) -> None: ...


_Item = TypeVar("_Item")
_Link = TypeVar("_Link", bound=Carrying)


class Driving(Generic[_Item, _Link]):
    """A session, the link that carries its bytes, and what has come of them for the program."""

    def __init__(self, opening: Opening, session: Conversation[_Item], pool: Pool[_Link] | None) -> None:
        self._opening = opening
        self._session = session
        self._pool = pool
        self._link: _Link | None = None
        self._origin: Hashable = None  # of the link
        self._earlier: ResponseHead | None = None  # the head that there was before the link
        self._iterating = False
        self._arrived: list[_Item] = []
        self._unread = 0  # bytes of them that came while something was being sent
        self._ready: Iterator[_Item] = iter(())  # of them, what the program has begun to take

    # What is waited for.

    def _is_answered(self) -> bool:
        return self._session.streaming or self._session.ended

    def _has_news(self) -> bool:
        return bool(self._arrived) or self._session.ended

    def _is_sent(self) -> bool:
        return self._link is None or not self._link.sending or self._session.wants != "transfer"

    def _is_sent_or_stuck(self) -> bool:
        return self._unread > MAX_UNREAD or self._is_sent()

    def _has_parted(self) -> bool:
        return self._session.wants != "transfer"

    # What is done.

    def _take_arrived(self) -> bool:
        """The program begins to take what has arrived; whether there is anything."""
        batch, self._arrived, self._unread = self._arrived, [], 0
        self._ready = iter(batch)
        return bool(batch)

    def _begin(self, link: _Link) -> None:
        """The link stands."""
        self._link = link
        self._earlier = self._session.head
        self._session.connected(monotonic())
        self._happened("connected")
        self._flush()

    def _receive(self, link: _Link, data: bytes, now: float) -> None:
        session = self._session
        if self._opening.writer is not None:
            self._opening.writer.read(now, data)
        news = session.receive_data(data, now)
        self._arrived += news
        if link.sending:
            self._unread += size_of(news)
            if session.head is not self._earlier and refuses(session.head):
                link.drop()
        # The last word, a Close, waits until what came before it could be answered.
        if not session.quiet and not session.ended:
            self._flush(answer=True)

    def _flush(self, *, answer: bool = False) -> None:
        """Hands the link what the session has to say, such as the answer to a ping."""
        link, session = self._link, self._session
        while link is not None and session.wants in ("transfer", "over") and (data := session.data_to_send()):
            link.send(data, answer=answer)

    def _hang_up(self, how: Literal["eof", "reset"]) -> None:
        """The server's side of the connection ended."""
        self._happened(how)
        self._arrived += self._session.receive_eof(monotonic(), reset=how == "reset")

    def _may_give_back(self, link: _Link) -> bool:
        """Whether others can use the link."""
        return self._pool is not None and not link.sending and may_be_reused(self._session)

    # What is recorded.

    def _wrote(self, data: bytes) -> None:
        if self._opening.writer is not None:
            self._opening.writer.wrote(monotonic(), data)

    def _happened(self, event: str) -> None:
        if self._opening.writer is not None:
            self._opening.writer.happened(monotonic(), event)
