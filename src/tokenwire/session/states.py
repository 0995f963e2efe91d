"""The states of a conversation: what a driver does in each, what follows when its connection breaks, what comes next.

    state       wants     when the connection breaks    what it means
    CONNECTING  connect   ask again                     There is no connection yet.
    CONNECTED   transfer  ask again                     Nothing was asked over it: no byte of the request was sent, or
                                                        the WebSocket is not open.
    ASKED       transfer  ask again if it is harmless   The request has begun to go out, and no event of the answer has
                                                        come. Its head may have.
    HEARD       transfer  go on                         Part of the answer has come, over this connection or another.
    WAITING     wait      nothing                       The next connection is made later.
    ENDED       transfer  nothing                       No more events come. Wants "over" once both sides have closed.
    CLOSING     transfer  nothing                       The user has closed and waits for the peer to close. Wants
                                                        "over" as ENDED does.
    OVER        over      nothing                       There is no connection, and none follows.

A connection breaks when it is cut or reset, or when a timer other than `total` runs out. "ask again" sends the same
request once more; "if it is harmless" means a GET, or a request with an idempotency key; "go on" resumes the stream, or
restarts or continues it by a policy that wants that. Each further connection is bounded by the policy.

What does not depend on the state: after a status of `Policy.statuses`, such as 503, the same is asked again. Another
status, a breach of the protocol, a certificate that is not trusted and the timer `total` end the conversation. There
are two exceptions. Before there was a stream, the other transport may be taken (see `fallback`). A resumption that is
refused may be followed by another generation.

    stateDiagram-v2
        [*] --> CONNECTING
        CONNECTING --> CONNECTED: connected
        CONNECTING --> WAITING: to wait
        CONNECTING --> CONNECTING: to connect
        CONNECTING --> OVER: ended
        CONNECTING --> OVER: closed
        CONNECTED --> ASKED: asked
        CONNECTED --> HEARD: asked for the rest
        CONNECTED --> HEARD: heard
        CONNECTED --> WAITING: to wait
        CONNECTED --> CONNECTING: to connect
        CONNECTED --> ENDED: ended
        CONNECTED --> OVER: closed
        ASKED --> HEARD: heard
        ASKED --> WAITING: to wait
        ASKED --> CONNECTING: to connect
        ASKED --> ENDED: ended
        ASKED --> OVER: closed
        ASKED --> CLOSING: closing
        HEARD --> WAITING: to wait
        HEARD --> CONNECTING: to connect
        HEARD --> ENDED: ended
        HEARD --> OVER: closed
        HEARD --> CLOSING: closing
        WAITING --> CONNECTING: to connect
        WAITING --> OVER: ended
        WAITING --> OVER: closed
        ENDED --> OVER: closed
        ENDED --> CLOSING: closing
        CLOSING --> OVER: closed

The table and the diagram are `STATES`, drawn; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Literal

from ..records import record
from .request import Want

__all__ = ["STATES", "Move", "State"]


class State(Enum):
    """Where a conversation stands."""

    CONNECTING = auto()
    CONNECTED = auto()
    ASKED = auto()
    HEARD = auto()
    WAITING = auto()
    ENDED = auto()
    CLOSING = auto()
    OVER = auto()


#: What takes a conversation from one state to another.
#: "connected": the connection stands. "asked": the request has begun to go out.
#: "asked for the rest": so has one that goes on with a generation of which events had come before.
#: "heard": an event of the answer came.
#: "to wait", "to connect": another connection follows, after a while or at once.
#: "ended": no more events come.
#: "closing": the user has closed, and the peer's end of the WebSocket is waited for.
#: "closed": the user has closed, and nothing is waited for.
Move = Literal[
    "connected", "asked", "asked for the rest", "heard", "to wait", "to connect", "ended", "closed", "closing"
]

WhenBroken = Literal["ask again", "ask again if it is harmless", "go on", "nothing"]


@record(frozen=True)
class StateRules:
    """What holds in one state.

    :ivar when_broken: what may follow when the connection breaks: the same request once more, which costs nothing where
        nothing was asked; or more of what had come in part.
    :ivar moves: the states that may come next.
    """

    wants: Want
    when_broken: WhenBroken
    moves: Mapping[Move, State]


# What several states have in common.
_NEXT: dict[Move, State] = {"to wait": State.WAITING, "to connect": State.CONNECTING}
_LATER: dict[Move, State] = {**_NEXT, "ended": State.ENDED, "closed": State.OVER}
_OPEN: dict[Move, State] = {**_LATER, "closing": State.CLOSING}

STATES: Mapping[State, StateRules] = {
    State.CONNECTING: StateRules(
        "connect", "ask again", {"connected": State.CONNECTED, **_NEXT, "ended": State.OVER, "closed": State.OVER}
    ),
    State.CONNECTED: StateRules(
        "transfer",
        "ask again",
        {"asked": State.ASKED, "asked for the rest": State.HEARD, "heard": State.HEARD, **_LATER},
    ),
    State.ASKED: StateRules("transfer", "ask again if it is harmless", {"heard": State.HEARD, **_OPEN}),
    State.HEARD: StateRules("transfer", "go on", _OPEN),
    State.WAITING: StateRules(
        "wait", "nothing", {"to connect": State.CONNECTING, "ended": State.OVER, "closed": State.OVER}
    ),
    State.ENDED: StateRules("transfer", "nothing", {"closed": State.OVER, "closing": State.CLOSING}),
    State.CLOSING: StateRules("transfer", "nothing", {"closed": State.OVER}),
    State.OVER: StateRules("over", "nothing", {}),
}
