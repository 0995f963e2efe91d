"""The cut test: streams cut at every byte offset of the response, under every ready-made policy.

What must come out is in `judge`: the answer is whole, each token once; or `StreamInterrupted` carries exactly what had
arrived; and no second POST follows a first byte sent. The streams are those of the reference endpoint in every dialect
that can be resumed, and the recordings of real servers, of which those that a dialect can resume are served so that
they can be: the server has the rest of the recording for whoever names a cursor in it.

Each stream comes over a new connection, and over one that an earlier conversation gave back. There it is cut also
before it was asked for, in what was left of the earlier response: that costs nothing but a new connection.

A test run takes a sample of the offsets. All of them, over all cores, with the number of scenarios; first the streams
that can be resumed, then those that cannot:

    python tests/session/test_every_cut.py
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from typing import Any, Literal

import pytest
from kept import Kept, Line

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.dialect import Dialect
from tokenwire.dialects.events import Other, StreamEvent
from tokenwire.endpoint import ReferenceEndpoint, ServerConnection
from tokenwire.endpoint.story import MODELS, STORY
from tokenwire.errors import BodyTruncated, StreamFailed, StreamInterrupted
from tokenwire.framing.sse import SSEParser
from tokenwire.protocol.http import Body, HTTPExchange
from tokenwire.recording import load
from tokenwire.session import NEVER, POLICIES, DurableSession, Policy, Request, Session, build_request

TEXT = "".join(STORY)
FIXTURES = Path(__file__).parent.parent.parent / "fixtures"

#: Of how many offsets a test run takes one. It has no divisor in common with the lengths of chunks.
SAMPLE = 61

#: The same over a connection that was used before, where the session does nothing else, only the driver.
SAMPLE_KEPT = 307

#: Of one session: the first, one that goes on, one that is told to stop; any more are for ever.
MAX_CONNECTIONS = 10

Answer = Callable[[bytes], bytes]


class NotWhole(Exception):
    """What should be a whole stream is none."""


@dataclass
class Stream:
    """A stream that is cut.

    :ivar answer: what the server says to a request: its whole response.
    :ivar before: the response to an earlier request over the same connection; empty where the connection is new.
    :ivar told: of that, the bytes after which the earlier conversation has ended; then comes the end of the body.
    :ivar arrived: how many events there are after each byte.
    """

    name: str
    request: Request
    dialect: Dialect
    answer: Answer
    response: bytes = b""
    before: bytes = b""
    told: int = 0
    events: list[StreamEvent] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    alone: dict[tuple[int, bool], list[StreamEvent]] = field(default_factory=dict)

    def cut_alone(self, cut: int, *, reset: bool) -> list[StreamEvent]:
        """What one connection gives that is cut there, and that nothing follows."""
        if (cut, reset) not in self.alone:
            self.alone.clear()  # the policies come one after the other for each cut
            session = Session(self.request, self.dialect)
            session.connected(0.0)
            session.data_to_send()
            events = session.receive_data(self.response[:cut], 0.0)
            self.alone[cut, reset] = events + session.receive_eof(0.0, reset=reset)
        return self.alone[cut, reset]

    def prepare(self) -> Stream:
        """Reads it once, byte by byte, with no policy at all."""
        session = Session(self.request, self.dialect)
        session.connected(0.0)
        self.response = self.answer(session.data_to_send())
        for place in range(len(self.response)):
            self.events += session.receive_data(self.response[place : place + 1], 0.0)
            self.arrived.append(len(self.events))
        self.events += session.receive_eof(0.0)
        if session.error is not None and not isinstance(session.error, StreamFailed):  # an error is an end, too
            raise NotWhole(self.name, session.error)
        return self

    def after(self, before: bytes) -> Stream:
        """The same stream, over a connection over which another response came before."""
        session = self.earlier()
        told = next(place for place in range(1, len(before) + 1) if _ends(session, before[place - 1 : place]))
        return replace(self, before=before, told=told, alone={})

    def earlier(self) -> DurableSession:
        """The conversation before, as it waits for its response."""
        session = DurableSession(self.request, self.dialect, policy=NEVER, random=_no_jitter)
        session.start(0.0)
        session.connected(0.0)
        session.data_to_send()
        return session

    def is_taken(self, left: int, *, end: Literal["", "fin", "reset"]) -> bool:
        """Whether the connection of the earlier conversation is taken for this one.

        :param left: bytes of the earlier response that have not come.
        :param end: of the connection, which has come by then.
        """
        kept, line, session = Kept(), Line(), self.earlier()
        session.receive_data(self.before[: self.told], 0.0)
        kept.give(line, session)
        line.coming, line.end = self.before[self.told : len(self.before) - left], end
        taken = kept.take() is line
        assert taken is not line.closed, "it is taken or closed"
        return taken


def _ends(session: DurableSession, data: bytes) -> bool:
    session.receive_data(data, 0.0)
    return session.ended


def play(stream: Stream, policy: Policy, cut: int, *, reset: bool) -> tuple[DurableSession, list[StreamEvent], int]:
    """The first connection is cut after so many bytes, all others stay whole; the number of POSTs.

    Where the connection was used before, -1 cuts it after the whole of the earlier response, -2 a byte earlier.
    """
    in_time = cut < 0  # the end came before the request
    if stream.before:
        taken = stream.is_taken(max(-1 - cut, 0), end=("reset" if reset else "fin") if in_time else "")
        assert taken is not in_time, f"{stream.name} cut at {cut}: {'taken' if taken else 'not taken'}"
    session = DurableSession(stream.request, stream.dialect, policy=policy, random=_no_jitter, keep_events=True)
    events: list[StreamEvent] = []
    now, posts, connections = 0.0, 0, 0
    while not session.ended:
        assert connections < MAX_CONNECTIONS, f"{stream.name} cut at {cut}, {policy.name}: it never ends"
        if session.wants == "wait":
            now = session.next_deadline() or now
            events += session.handle_deadline(now)
            continue
        session.start(now)
        session.connected(now)
        connections += 1
        asked = session.data_to_send()
        posts += asked.startswith(b"POST") and b"SubscribeToTask" not in asked
        is_cut = connections == 1 and not in_time
        said = stream.response[:cut] if is_cut else stream.answer(asked)
        if said:
            events += session.receive_data(said, now)
        if session.wants == "transfer" and not session.ended:
            events += session.receive_eof(now, reset=reset and is_cut)
    return session, events, posts


def _no_jitter() -> float:
    return 0.0


def judge(stream: Stream, policy: Policy, cut: int, *, reset: bool) -> str:
    """What went wrong; empty for nothing."""
    session, events, posts = play(stream, policy, cut, reset=reset)
    method = stream.request.http.method
    if posts > (method == "POST"):
        return f"{posts} POSTs"
    told = [event for event in events if not _is_ours(event)]
    if session.answer.events != events:
        return "the answer has other events than were given"
    gaps = sum(isinstance(event, Other) and event.type == "tokenwire.gap" for event in events)
    resumed = session.request is not stream.request
    if gaps != (resumed and stream.name == "a2a"):
        return f"{gaps} gaps were told"
    if session.error is None or isinstance(session.error, StreamFailed):
        same = (told[-1] == stream.events[-1] and _artifact(told) == TEXT) if gaps else told == stream.events
        return "" if same else f"it is said to be whole, and is {told}"
    if cut < 0:
        return f"a connection that had ended before was asked: {session.error!r}"
    if policy.interrupted != "raise" and stream.request.http.method == "GET":
        return f"a GET is lost: {session.error!r}"
    if not isinstance(session.error, StreamInterrupted | BodyTruncated):
        return f"raised {session.error!r}"
    alone = stream.cut_alone(cut, reset=reset)
    if told != alone:
        return f"{told} instead of {alone}"
    if isinstance(session.error, StreamInterrupted) and session.error.events != told:
        return "the error has other events"
    arrived = _texts(told).removesuffix("\ufffd")  # half of a surrogate pair may have arrived
    return "" if _texts(stream.events).startswith(arrived) else f"{arrived!r} is no beginning"


def _is_ours(event: StreamEvent) -> bool:
    return isinstance(event, Other) and event.type.startswith("tokenwire.")


def _artifact(events: list[StreamEvent]) -> str:
    """What the updates of A2A come to: a task stands for all that came before."""
    text = ""
    for event in events:
        if isinstance(event, Other) and event.type == "task":
            artifacts = json.loads(event.raw)["result"]["task"].get("artifacts", [])
            text = "".join(part["text"] for artifact in artifacts for part in artifact["parts"])
        elif isinstance(event, Other) and event.type == "artifactUpdate":
            update = json.loads(event.raw)["result"]["artifactUpdate"]
            text = text * update["append"] + "".join(part["text"] for part in update["artifact"]["parts"])
    return text


def _texts(events: list[StreamEvent]) -> str:
    return "".join(getattr(event, "text", "") or getattr(event, "arguments", "") for event in events)


# The reference endpoint's streams.

ASKED: dict[str, dict[str, Any]] = {
    "eventsource": {"model": MODELS[0]},
    "holysheep": {"model": MODELS[0]},
    "openai-responses": {"model": MODELS[0], "input": "go", "background": True},
    "gemini-interactions": {"model": MODELS[0], "input": "go", "background": True, "store": True},
    "mcp": {"method": "tools/call", "params": {"name": "tell", "arguments": {}, "_meta": {"progressToken": "p"}}},
    "a2a": {"method": "SendStreamingMessage", "params": {"message": {"role": "ROLE_USER", "parts": [{"text": "go"}]}}},
    "openai-chat": {"model": MODELS[0], "messages": [{"role": "user", "content": "go"}]},
    "anthropic-messages": {"model": MODELS[0], "max_tokens": 99, "messages": [{"role": "user", "content": "go"}]},
}


def endpoints_stream(name: str, *, coding: str = "identity", kept: bool = False) -> Stream:
    """A stream of the reference endpoint; what it said to a request it says again, for it would.

    :param kept: it is the second one over its connection.
    """
    endpoint = ReferenceEndpoint(clock=lambda: 0.0)
    said: dict[bytes, bytes] = {}

    def says(connection: ServerConnection, asked: bytes) -> bytes:
        connection.receive_data(asked, 0.0)
        return connection.data_to_send(0.0)

    def answer(asked: bytes) -> bytes:
        if asked not in said:
            said[asked] = says(endpoint.connection(), asked)
        return said[asked]

    dialect = DIALECTS[name]
    headers = {"accept-encoding": coding}
    url = "http://host/a2a" if name == "a2a" else "http://host"
    request = build_request(url, dialect, json=ASKED[name], headers=headers)
    stream = Stream(name, request, dialect, answer)
    if not kept:
        return stream.prepare()
    asked, connection = HTTPExchange(request.http).data_to_send(), endpoint.connection()
    before = says(connection, asked)
    said[asked] = says(connection, asked)
    return stream.prepare().after(before)


# The recordings.

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def recorded_stream(path: Path, *, kept: bool = False) -> Stream:
    """What is in a recording, which must be a stream that came whole.

    :param kept: it comes twice over its connection.
    """
    wire = load(path)
    dialect = DIALECTS[wire.header.get("dialect", "openai-chat")]
    response = wire.received
    json_asked: dict[str, Any] = {"model": "m", "input": "go", "background": True, "messages": []}
    request = build_request("http://host", dialect, json=json_asked)
    name = name_of(path)
    rest = _resumable(response, dialect) if dialect.resuming is not None else None

    def answer(asked: bytes) -> bytes:
        return (
            response
            if rest is None or (b"starting_after=" not in asked and b"last_event_id=" not in asked)
            else rest(asked)
        )

    stream = Stream(name, request, dialect, answer).prepare()
    return stream.after(response) if kept else stream


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix('.wire.jsonl')}"


def _resumable(response: bytes, dialect: Dialect) -> Answer:
    """What a server would say that keeps the events of the recording."""
    exchange = HTTPExchange(build_request("http://host", dialect, json={"model": "m"}).http)
    exchange.data_to_send()
    happened = exchange.receive_data(response)
    parser = SSEParser()
    events = parser.receive_data(b"".join(event.data for event in happened if isinstance(event, Body)))
    cursors = [dialect.cursor(event) for event in events]

    def rest(asked: bytes) -> bytes:
        cursor = asked.partition(b" HTTP")[0].rpartition(b"=")[2].decode()
        after = len(cursors) - cursors[::-1].index(cursor)
        body = "".join(f"event: {event.event}\ndata: {event.data}\n\n" for event in events[after:]).encode()
        return HEAD + (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"

    return rest


#: Questions that are refused, and the one that asks for no stream: the last word of a recording's name.
_REFUSED = ("bad_json", "no_key", "no_messages", "nonstream", "rate_limited", "wrong_key")

#: Recordings of streams that broke off. litellm completes what broke off behind it.
BROKEN = {
    "aimock/break_off",
    "aimock/hang_up",
    *(f"aimock/{dialect}_break_off" for dialect in ("anthropic-messages", "bedrock-converse", "cohere-v2", "gemini")),
    *(f"aimock/{dialect}_break_off" for dialect in ("gemini-interactions", "ollama", "openai-responses")),
    "llama-server/hang_up",
}


def over_http(path: Path) -> bool:
    wire = load(path)
    return wire.header.get("transport") != "websocket" and wire.header.get("dialect") != "openai-realtime"


#: Those that were asked over HTTP.
RECORDINGS = [path for path in sorted(FIXTURES.glob("*/*.wire.jsonl")) if over_http(path)]

#: Those of them in which a stream came whole.
WHOLE = [path for path in RECORDINGS if not name_of(path).endswith(_REFUSED) and name_of(path) not in BROKEN]

#: Recordings whose server closes the connection after the response.
CLOSED = {"aimock/http10", "llama-server/connection_close"}

#: Those whose connection can be used again.
KEPT = [path for path in WHOLE if name_of(path) not in CLOSED]

#: How many there are of each server.
STREAMS = {"aimock": 32, "litellm": 9, "llama-server": 16, "transformers": 4}


def offsets(stream: Stream, step: int) -> Iterator[int]:
    """Of the whole response, from nothing of it to all but the last byte; the places where events end are near to all
    that may go wrong, so a sample has them too. Before it come those after the end of an earlier stream, if any: below
    zero, as `play` has them."""
    early = range(stream.told - len(stream.before) - 1, 0) if stream.before else ()
    if step == 1:
        return chain(early, range(len(stream.response)))
    ends = {bisect_right(stream.arrived, count) for count in range(0, len(stream.events), 7)}
    places = {*range(0, len(stream.response), step), *(end for end in ends if end < len(stream.response))}
    return chain(early, sorted(places))


def failures(stream: Stream, step: int) -> tuple[int, list[str]]:
    """How many scenarios there were, and what went wrong in which."""
    wrong: list[str] = []
    count = 0
    for cut, reset, policy in product(offsets(stream, step), (False, True), POLICIES.values()):
        count += 1
        problem = judge(stream, policy, cut, reset=reset)
        if problem:
            where = f"{stream.name} cut at {cut} of {len(stream.response)}"
            wrong.append(f"{where}, {policy.name}, reset={reset}: {problem}")
    return count, wrong


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize("name", ASKED)
def test_a_stream_of_the_endpoint_may_be_cut_anywhere(name: str, coding: str, kept: bool) -> None:
    stream = endpoints_stream(name, coding=coding, kept=kept)
    _, wrong = failures(stream, SAMPLE_KEPT if kept else SAMPLE)
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("server", STREAMS)
def test_a_recorded_stream_may_be_cut_anywhere(server: str, kept: bool) -> None:
    paths = [path for path in (KEPT if kept else WHOLE) if path.parent.name == server]
    streams = [recorded_stream(path, kept=kept) for path in paths]
    wrong = [problem for stream in streams for problem in failures(stream, 5 * (SAMPLE_KEPT if kept else SAMPLE))[1]]
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.parametrize("path", WHOLE, ids=name_of)
def test_a_recorded_connection_is_kept_once_all_of_the_response_has_come(path: Path) -> None:
    stream = recorded_stream(path, kept=True)
    rest = len(stream.before) - stream.told
    taken = [stream.is_taken(left, end="") for left in range(rest, -1, -1)]
    assert taken == [False] * rest + [path in KEPT]


def test_no_more_recordings_are_left_out_than_those_in_which_no_stream_came_whole() -> None:
    assert {name_of(path) for path in RECORDINGS} >= BROKEN
    assert Counter(path.parent.name for path in WHOLE) == STREAMS
    for path in set(RECORDINGS) - set(WHOLE):
        with pytest.raises(NotWhole):
            recorded_stream(path)


#: A stream, by what it takes to make it: the endpoint's by dialect and coding, a recording by its file; and whether it
#: is the second one over its connection.
Known = tuple[tuple[str, str] | Path, bool]


def made(known: Known) -> Stream:
    which, kept = known
    if isinstance(which, Path):
        return recorded_stream(which, kept=kept)
    return endpoints_stream(which[0], coding=which[1], kept=kept)


def all_failures(known: Known, step: int) -> tuple[str, bool, int, list[str]]:
    """Of one stream: its name and size, whether it can be resumed, and as `failures`."""
    stream = made(known)
    count, wrong = failures(stream, step)
    over = "a connection that was used before" if stream.before else "a new connection"
    return f"{stream.name}, {len(stream.response):,} bytes over {over}", _can_be_resumed(stream), count, wrong


def _can_be_resumed(stream: Stream) -> bool:
    return stream.dialect.resuming is not None


def main() -> int:
    """Every offset of every stream, or one of so many as the argument says."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    asked = list(product(ASKED, ("identity", "gzip")))
    streams: list[Known] = [*product([*asked, *WHOLE], [False]), *product([*asked, *KEPT], [True])]
    known = sorted(streams, key=lambda each: not _can_be_resumed(made(each)))
    totals: Counter[bool] = Counter()
    found = 0
    with ProcessPoolExecutor() as processes:
        begun = [processes.submit(all_failures, each, step) for each in known]
        for name, resumable, count, wrong in (each.result() for each in as_completed(begun)):
            totals[resumable] += count
            found += len(wrong)
            what = "can be resumed" if resumable else "cannot be resumed"
            print(f"{count:9,} scenarios, {len(wrong)} wrong: {name}, {what}", flush=True)
            for problem in wrong[:3]:
                print("   ", problem[:600])
    print(f"{totals[True]:9,} scenarios of streams that can be resumed, {totals[False]:,} of others, {found} wrong")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
