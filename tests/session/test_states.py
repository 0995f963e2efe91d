"""The states of a conversation: the table is what is drawn, and each of its moves is made by some conversation."""

from __future__ import annotations

import re

import pytest
from test_bounds import from_seed
from test_durable import CHUNKED, DONE, Peer, Run, chunk, status, text

from tokenwire.dialects import DIALECTS
from tokenwire.session import BROWSER, DurableSession, Timeouts, over_the_other_transport, states
from tokenwire.session.states import STATES, Move, State

Made = set[tuple[State, Move, State]]

TABLE: Made = {(state, move, after) for state, row in STATES.items() for move, after in row.moves.items()}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """The moves that sessions make."""
    moves: Made = set()
    move_on = DurableSession._move

    def move(self: DurableSession, move: Move) -> None:
        before = self._state
        move_on(self, move)
        moves.add((before, move, self._state))

    monkeypatch.setattr(DurableSession, "_move", move)
    return moves


def drawn() -> str:
    """The moves of the table as a diagram."""
    arrows = [
        f"{state.name} --> {after.name}: {move}" for state, row in STATES.items() for move, after in row.moves.items()
    ]
    return "\n".join(["    stateDiagram-v2", *(f"        {arrow}" for arrow in ["[*] --> CONNECTING", *arrows])])


def test_the_picture_is_the_table() -> None:
    assert f"\n\n{drawn()}\n\n" in (states.__doc__ or ""), f"the picture in states.py should be\n{drawn()}"


def test_the_words_are_the_table() -> None:
    rows = re.findall(r"^    ([A-Z]+) +(\w+) +(.+?)  +\w", states.__doc__ or "", re.MULTILINE)
    assert rows == [(state.name, row.wants, row.when_broken) for state, row in STATES.items()]


def test_each_state_is_reached_and_all_but_the_last_are_left() -> None:
    assert list(STATES) == list(State)
    assert {after for _, _, after in TABLE} == set(State)
    assert [state for state, row in STATES.items() if not row.moves] == [State.OVER]


def socket(*, said: bool = False) -> Run:
    """A WebSocket that is open."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked)
    peer = Peer(run)
    if said:
        peer.say({"type": "content_delta", "content": "a"})
    return run


def closed_early() -> None:
    """The user closes in each state."""
    Run().session.close(0)
    for stop_at in range(4):
        run = Run()
        run.session.start(0)
        if stop_at > 0:
            run.session.connected(0)
        if stop_at > 1:
            run.session.data_to_send()
        if stop_at > 2:
            run.receive(CHUNKED + chunk(text("a")))
        run.session.close(0)
    waiting = Run()
    waiting.refuse()
    waiting.session.close(0)
    for run in (socket(), socket(said=True)):
        assert run.session.close(0)
        run.expire()
        run.cut()
    run = socket(said=True)
    run.session.close(0)
    run.session.close(0)  # once more
    done = Run()
    done.answer(CHUNKED + chunk(DONE))
    done.session.close(0)


def closed_after_the_end() -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    run = Run("holysheep", "ws://host", json=asked)
    Peer(run).say({"type": "content_delta", "content": "a"}, {"type": "done"})
    assert run.session.ended
    assert run.session.close(0)


def answered_before_it_was_asked() -> None:
    run = Run()
    run.session.start(0)
    run.session.connected(0)
    run.receive(CHUNKED + chunk(text("a") + DONE))


def out_of_time() -> None:
    """While it connects, and while it waits."""
    for wait in (False, True):
        run = Run(policy=BROWSER, timeouts=Timeouts(connect=None, total=2.0))
        if wait:
            run.refuse()
        else:
            run.session.start(0)
        run.expire()
        assert run.session.ended


def never_opened() -> None:
    """A WebSocket that is refused for the moment, and one for good."""
    asked = {"input": "hi"}
    fallback = over_the_other_transport("ws://host", DIALECTS["openai-responses"], json=asked)
    for code, wants in ((503, "wait"), (426, "connect")):
        run = Run("openai-responses", "ws://host", json=asked, fallback=fallback)
        run.answer(status(code))
        assert run.session.wants == wants


def test_each_move_is_made_by_some_conversation_and_none_besides(made: Made) -> None:
    for play in (closed_early, closed_after_the_end, answered_before_it_was_asked, never_opened, out_of_time):
        play()
    for seed in range(300):
        from_seed(seed)
    assert made == TABLE, f"never made: {TABLE - made}"
