"""Random faults against random policies: a state machine that plays network and driver at once.

What must hold at every moment is in `Faults.invariants`, one sentence each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.events import BlockStart, BlockStop, End, Other, StreamEvent, TextDelta
from tokenwire.endpoint import ReferenceEndpoint, ServerConnection
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.errors import ConnectionFailed
from tokenwire.session import DurableSession, Happening, Policy, Timeouts, build_request, over_the_other_transport
from tokenwire.session.policy import Interrupted

TEXT = "".join(STORY)
CHAT: dict[str, Any] = {"model": MODELS[0], "messages": [{"role": "user", "content": "go"}]}

#: (dialect, URL, what is asked)
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("openai-chat", "http://host", CHAT),
    ("anthropic-messages", "http://host", {**CHAT, "max_tokens": 99}),
    ("holysheep", "http://host", {"model": MODELS[0]}),
    ("holysheep", "ws://host", CHAT),
    ("openai-responses", "http://host", {"model": MODELS[0], "input": "go", "background": True}),
    ("openai-responses", "ws://host", {"model": MODELS[0], "input": "go"}),
    ("gemini-interactions", "http://host", {"model": MODELS[0], "input": "go", "background": True, "store": True}),
    ("openai-chat", "http://host", {**CHAT, "model": MODELS[1]}),
]

#: Dialects in which a model can be asked to go on with a text, which are drawn twice where that is the policy.
CONTINUED = ("openai-chat", "anthropic-messages")

policies = st.builds(
    Policy,
    name=st.just("random"),
    attempts=st.sampled_from([5, None, 3, 2, 1]),
    elapsed=st.none() | st.sampled_from([100.0, 10.0, 1.0]),
    generations=st.sampled_from([3, 2, 1, 0]),
    resumptions=st.none() | st.integers(0, 5),
    jitter=st.booleans(),
    statuses=st.sampled_from([frozenset[int](), frozenset({503})]),
    fallback=st.sampled_from(["never", "to HTTP", "both"]),
)

timeouts = st.builds(
    Timeouts, idle=st.none() | st.sampled_from([50.0, 10.0, 1.0]), total=st.none() | st.sampled_from([500.0, 50.0])
)

#: Statuses with which a server refuses; mostly it does not.
refusals = st.sampled_from([0] * 16 + [204, 404, 426, 503])

#: What tells of a resumed stream, and is none of its events.
TOLD = ("tokenwire.duplicate", "tokenwire.gap")

#: How often each kind of happening was reached.
REACHED: Counter[str] = Counter()

#: Of what is on its way, how much arrives in one read.
shares = st.sampled_from([0.2, 0.5, 0.9, 0.01, 1.0])


class Faults(RuleBasedStateMachine):
    """One conversation, and what a network, a server or a clock does to it."""

    session: DurableSession
    interrupted: Interrupted

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """One conversation; when it is over the next one begins."""
        able = [asked for asked in ASKED if self.interrupted != "continue" or asked[0] in CONTINUED] + ASKED
        name, url, json = data.draw(st.sampled_from(able))
        dialect = DIALECTS[name]
        jitter = data.draw(st.floats(0, 0.999))
        self.policy = policy = replace(data.draw(policies), interrupted=self.interrupted)
        self.now = 0.0
        self.events: list[StreamEvent] = []
        self.happened: list[Happening] = []
        self.endpoint = ReferenceEndpoint(clock=lambda: 0.0)
        self.server: ServerConnection | None = None
        self.spoken = False  # by the server, on this WebSocket
        self.waiting = b""  # bytes on their way to the client
        self.row = 0  # of failures
        self.row_began: float | None = None
        self.furthest = self.here = 0  # events of the longest generation, and of this one
        self.longest = 0  # characters of text
        self.paid = 0  # generations that were asked for, and not refused
        self.session = DurableSession(
            build_request(url, dialect, json=json, headers={"accept-encoding": "identity"}),
            dialect,
            data.draw(timeouts),
            policy=policy,
            random=lambda: jitter,
            observe=self.observe,
            keep_events=True,
            fallback=over_the_other_transport(url, dialect, json=json, headers={"accept-encoding": "identity"}),
        )

    def observe(self, happening: Happening) -> None:
        self.happened.append(happening)
        self.row += (happening.kind == "failed") - (happening.kind == "falling back")  # which is no other try
        if happening.kind == "failed" and self.row_began is None:
            self.row_began = happening.at
        if happening.kind in ("restarting", "continuing"):
            self.here = 0
        if happening.seconds is not None and self.row_began is not None and self.policy.elapsed is not None:
            ends = happening.at + happening.seconds - self.row_began
            assert ends <= self.policy.elapsed, "no wait is longer than the time of its row"
        REACHED[happening.kind] += 1

    # What may happen.

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        """One rule, and not one for each: most of them end a conversation, and few would come as far as a second
        connection. What goes on is more likely here than what ends."""
        session = self.session
        may: list[str] = []
        if session.wants == "connect":
            may += ["connects"] * 12 + ["is_refused"]
        if session.wants == "transfer":
            may += ["data_arrives"] * (4 if session.answer.text else 12) * bool(self.waiting)
            may += ["the_connection_ends"] * (4 if session.answer.text else 1)
        if session.next_deadline() is not None:
            may += ["nothing_happens_until_the_deadline"] * (6 if session.wants == "wait" else 1)
        if session.wants == "over":
            may += ["begin"] * 4
        may += ["time_passes"]
        getattr(self, data.draw(st.sampled_from(may)))(data)

    def connects(self, data: st.DataObject) -> None:
        refusal = data.draw(refusals)
        self.session.start(self.now)
        self.session.connected(self.now)
        self.server, self.waiting, self.spoken = self.endpoint.connection(), b"", False
        if refusal:
            self.session.data_to_send()
            self.waiting = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % refusal
        else:
            self._send()

    def is_refused(self, data: st.DataObject) -> None:
        phase = data.draw(st.sampled_from(["connect", "resolve", "tls"]))
        self.session.start(self.now)
        self.events += self.session.connection_failed(ConnectionFailed("no", phase=phase), self.now)

    def data_arrives(self, data: st.DataObject) -> None:
        size = int(len(self.waiting) * data.draw(shares)) + data.draw(st.integers(1, 60))
        piece, self.waiting = self.waiting[:size], self.waiting[size:]
        events = self.session.receive_data(piece, self.now)
        self.events += events
        self.here += sum(not (isinstance(event, Other) and event.type in TOLD) for event in events)
        text = self.session.answer.text
        if self.here > self.furthest or len(text) > self.longest:
            self.row, self.row_began = 0, None
        self.furthest, self.longest = max(self.furthest, self.here), max(self.longest, len(text))
        if self.session.wants == "transfer" and not self.session.ended:
            self._send()

    def the_connection_ends(self, data: st.DataObject) -> None:
        self.waiting = b""
        self.events += self.session.receive_eof(self.now, reset=data.draw(st.booleans()))

    def nothing_happens_until_the_deadline(self, data: st.DataObject) -> None:
        self.now = max(self.now, self.session.next_deadline() or 0.0)
        self.events += self.session.handle_deadline(self.now)

    def time_passes(self, data: st.DataObject) -> None:
        seconds = data.draw(st.floats(0, 5))
        deadline = self.session.next_deadline()
        self.now = self.now + seconds if deadline is None else max(self.now, min(self.now + seconds, deadline - 1e-6))

    def _send(self) -> None:
        """To the server, which answers at once; what it says is on its way."""
        assert self.server is not None
        while data := self.session.data_to_send():
            self.server.receive_data(data, self.now)
        said = self.server.data_to_send(self.now)
        answered = said.startswith(b"HTTP/1.1 200") and self.session.request.http.method == "POST"
        spoken = self.session.request.websocket and said and not said.startswith(b"HTTP/1.1")
        self.paid += bool(answered or (spoken and not self.spoken))  # after the first answer there are pongs
        self.spoken = self.spoken or bool(spoken)
        self.waiting += said

    # What must hold.

    @invariant()
    def invariants(self) -> None:
        if not hasattr(self, "session"):
            return
        session, policy, events = self.session, self.policy, self.events
        asks_again = policy.interrupted in ("restart", "continue")
        ends = [event for event in events if isinstance(event, End)]
        text = session.answer.text

        assert session.answer.events == events, "what was given is what the answer has"
        assert len(ends) <= 1, "there is one End at most"
        assert not ends or events[-1] is ends[0], "and it is the last event"
        assert not ends or session.ended, "after which there is nothing more"
        assert _deltas_are_in_open_blocks(events), "a delta comes in an open block"
        if policy.interrupted != "continue":
            assert TEXT.startswith(text), "the text is the beginning of what was said, each token once"
        if session.ended and session.error is None and not asks_again and session.answer.error is None:
            assert text == TEXT, "what is said to be whole is whole"
            assert ends, "and has its End"
        if session.ended and session.error is None:
            assert ends, "what ends without an error ends with an End"
        if not asks_again:
            assert self.paid <= 1, "nothing is paid twice"
        assert self.paid <= 1 + policy.generations, "whatever happens, no more is paid for than the policy says"
        if policy.attempts is not None:
            assert self.row <= policy.attempts, "no row of failures is longer than the policy says"
        if policy.attempts is not None and policy.resumptions is not None:
            most = policy.attempts * (1 + policy.generations + policy.resumptions) + 1
            connections = sum(each.kind == "connecting" for each in self.happened)
            assert connections <= most, "there are no more connections than the policy allows"
        assert (session.wants == "over") or not (session.ended and session.wants in ("connect", "wait")), (
            "after the end no connection is asked for"
        )
        if session.wants == "wait":
            deadline = session.next_deadline()
            assert deadline is not None, "whoever waits knows until when"
            assert deadline - self.now <= max(policy.cap, policy.longest), "and it is not for long"
        if session.ended:
            assert sum(each.kind == "done" for each in self.happened) == 1, "the end is told once"


def _deltas_are_in_open_blocks(events: list[StreamEvent]) -> bool:
    opened: set[int] = set()
    for event in events:
        match event:
            case BlockStart(block):
                opened.add(block)
            case BlockStop(block):
                opened.discard(block)
            case TextDelta(block) if block not in opened:
                return False
            case Other("tokenwire.restart" | "tokenwire.continuation") if opened:
                return False
    return True


#: Runs of the machine that may be unlucky and never come so far; one in sixty is.
RUNS = 5

#: What a policy does about a stream that broke off, and what a run must have come to then, lest it prove nothing.
INTERRUPTED: list[tuple[Interrupted, str]] = [
    ("raise", "waiting"),
    ("resume", "resuming"),
    ("restart", "restarting"),
    ("continue", "continuing"),
    ("reconnect", "resuming"),
]


@pytest.mark.parametrize(("interrupted", "kind"), INTERRUPTED)
def test_whatever_happens_the_invariants_hold(interrupted: Interrupted, kind: str) -> None:
    REACHED.clear()
    machine = type("Faults", (Faults,), {"interrupted": interrupted})
    for _ in range(RUNS):
        run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=40, deadline=None))
        if REACHED[kind]:
            return
    pytest.fail(f"the machine never came as far: {REACHED}")
