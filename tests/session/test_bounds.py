"""Whatever a server does, the number of requests and the time are bounded by the policy: see `policy`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf
from random import Random
from typing import Any

import pytest
from hostile import Conversation, Says, Server, converse

from tokenwire.dialects import DIALECTS
from tokenwire.dialects.dialect import Prompt
from tokenwire.endpoint import ReferenceEndpoint
from tokenwire.endpoint.story import MODELS
from tokenwire.errors import ConnectionFailed, StatusError, StreamInterrupted, TimeoutExceeded
from tokenwire.framing.websocket import FrameWriter
from tokenwire.protocol.websocket import WebSocketConnection
from tokenwire.session import (
    BROWSER,
    DEFAULT,
    PATIENT,
    DurableSession,
    Happening,
    Hosts,
    Policy,
    Timeouts,
    build_request,
    over_the_other_transport,
)
from tokenwire.session.hosts import MAX_HOSTS, MAX_USES
from tokenwire.session.policy import retry_after

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream(*events: str) -> bytes:
    return CHUNKED + b"".join(chunk(f"{event}\n\n".encode()) for event in events)


def text(content: str) -> str:
    return "data: " + json.dumps({"id": "c", "choices": [{"delta": {"content": content}}]})


def response(kind: str, number: int | None, **more: Any) -> str:
    said = {"type": f"response.{kind}", "sequence_number": number, **more}
    return "data: " + json.dumps({name: value for name, value in said.items() if value is not None})


def status(code: int, *fields: str) -> bytes:
    lines = "".join(f"{field}\r\n" for field in fields).encode()
    return b"HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n" % (code, lines)


def saying(*pieces: bytes) -> Server:
    """The same on every connection, which is cut then."""
    return lambda number, asked: Says([(0.01, piece) for piece in pieces])


ASKED: dict[str, dict[str, Any]] = {
    "openai-responses": {"input": "go", "background": True},
    "a2a": {"method": "SendStreamingMessage", "params": {"message": {"role": "ROLE_USER", "parts": [{"text": "go"}]}}},
}


def session_of(name: str, scheme: str = "http", **options: Any) -> DurableSession:
    dialect = DIALECTS[name]
    asked = ASKED.get(name) or dialect.ask(Prompt("go", "m"))
    options.setdefault("random", lambda: 0.5)
    return DurableSession(build_request(f"{scheme}://host", dialect, json=asked), dialect, **options)


def most_connections(policy: Policy) -> float:
    """The bound that `policy` states."""
    if policy.attempts is None or policy.resumptions is None:
        return inf
    return policy.attempts * (1 + policy.generations + policy.resumptions) + 1


# A gateway that always cuts after the same number of bytes.

#: Dialects that the reference endpoint speaks over HTTP, and that a policy may have it begin anew.
TOLD = ["openai-chat", "openai-completions", "anthropic-messages", "openai-responses", "gemini", "ollama", "cohere-v2"]


def cutting_after(share: float, name: str) -> Server:
    """The endpoint behind a gateway that cuts after a share of the first answer's bytes."""
    endpoint = ReferenceEndpoint(clock=lambda: 0.0)
    sizes: list[int] = []

    def server(number: int, asked: bytes) -> Says:
        if not asked:
            return Says()
        connection = endpoint.connection()
        connection.receive_data(asked, 0.0)
        said = connection.data_to_send(1e9)
        sizes.append(int(len(said) * share))
        return Says([(0.01, said[: sizes[0]])])

    return server


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("interrupted", ["restart", "continue"])
@pytest.mark.parametrize("name", TOLD)
def test_a_gateway_that_always_cuts_at_the_same_place_is_not_paid_for_ever(
    name: str, interrupted: Any, share: float
) -> None:
    dialect = DIALECTS[name]
    asked = dialect.ask(Prompt("go", MODELS[0]))
    for attempts in (1, 3, 100):
        policy = replace(DEFAULT, interrupted=interrupted, attempts=attempts)
        request = build_request("http://host", dialect, json=asked, headers={"accept-encoding": "identity"})
        session = DurableSession(request, dialect, policy=policy, random=lambda: 0.0)
        said = converse(session, cutting_after(share, name))
        assert isinstance(session.error, StreamInterrupted)
        assert said.posts <= 1 + policy.generations
        if interrupted == "restart" or attempts == 1:
            assert said.posts == min(attempts, 1 + policy.generations), "a second time the same is no progress"


def test_a_generation_that_goes_further_than_any_before_begins_a_new_row() -> None:
    """By characters, and not by pieces: here the second is in three and goes further by one."""
    policy = replace(DEFAULT, interrupted="restart", attempts=2, generations=10)
    answers = [["abc", "def"], ["a", "b", "cdefg"], ["abcdefg"]]
    session = session_of("openai-chat", policy=policy)
    said = converse(session, lambda number, asked: Says([(0, stream(*map(text, answers[min(number, 3) - 1])))]))
    assert said.posts == 3
    policy = replace(policy, attempts=3)
    said = converse(
        session_of("openai-chat", policy=policy),
        lambda number, asked: Says([(0, stream(*map(text, answers[min(number, 3) - 1])))]),
    )
    assert said.posts == 4, "the second went further: two more that do not are allowed after it"


@pytest.mark.parametrize(("generations", "posts"), [(0, 1), (1, 2), (2, 3), (3, 4)])
@pytest.mark.parametrize("interrupted", ["restart", "continue"])
def test_so_many_generations_are_asked_for_and_none_more(interrupted: Any, generations: int, posts: int) -> None:
    """Each goes further than the last one, which by `attempts` might go on for ever."""
    happened: list[Happening] = []
    policy = replace(PATIENT, interrupted=interrupted, generations=generations)
    session = session_of("openai-chat", policy=policy, observe=happened.append)
    said = converse(session, lambda number, asked: Says([(0, stream(text("a" * number)))]))
    assert said.posts == posts
    assert happened[-1].detail == f"the model was asked anew {generations} times, and no more than that are allowed"


def test_a_continuation_that_only_thinks_makes_no_progress() -> None:
    think = "data: " + json.dumps({"id": "c", "choices": [{"delta": {"reasoning_content": "hm" * 99}}]})
    policy = replace(DEFAULT, interrupted="continue", attempts=2, generations=50)
    answers = [stream(text("a")), stream(think)]
    said = converse(
        session_of("openai-chat", policy=policy), lambda number, asked: Says([(0, answers[min(number, 2) - 1])])
    )
    assert said.posts == 2


def test_the_time_without_progress_counts_over_generations_that_only_catch_up() -> None:
    policy = replace(DEFAULT, interrupted="restart", attempts=None, elapsed=30, generations=50)
    session = session_of("openai-chat", policy=policy, timeouts=Timeouts(idle=12))
    said = converse(session, lambda number, asked: Says([(0, stream(text("abc")))], end="silence"))
    assert said.posts == 4
    assert all(began - 12 <= policy.elapsed for began in said.began if policy.elapsed is not None)


# Resumed for ever.

PICTURE = "data: " + json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {"task": {"id": "t", "contextId": "c", "status": {"state": "TASK_STATE_WORKING"}}},
    }
)
CREATED = response("created", 0, response={"id": "r", "model": "m"})

#: (what happens, the dialect, the policy, the first answer, and all further ones)
NOTHING_NEW: list[tuple[str, str, Policy, bytes, bytes]] = [
    ("no byte", "eventsource", DEFAULT, stream("id: 1\ndata: a"), b""),
    ("a head", "eventsource", DEFAULT, stream("id: 1\ndata: a"), CHUNKED),
    ("a comment", "eventsource", DEFAULT, stream("id: 1\ndata: a"), stream(": alive")),
    ("an id alone", "eventsource", DEFAULT, stream("id: 1\ndata: a"), stream("id: 2")),
    ("the field retry alone", "eventsource", DEFAULT, stream("id: 1\ndata: a"), stream("retry: 1")),
    ("half an event", "eventsource", DEFAULT, stream("id: 1\ndata: a"), CHUNKED + chunk(b"id: 2\nda")),
    ("a duplicate", "eventsource", DEFAULT, stream("id: 1\ndata: a"), stream("id: 1\ndata: a")),
    ("other data with the last id", "eventsource", DEFAULT, stream("id: 1\ndata: a"), stream("id: 1\ndata: b")),
    ("data without an id", "eventsource", DEFAULT, stream("id: 1\ndata: a"), stream("data: b")),
    ("a duplicate", "openai-responses", DEFAULT, stream(CREATED), stream(CREATED)),
    ("what has no number", "openai-responses", DEFAULT, stream(CREATED), stream(response("odd", None))),
    ("the same picture", "a2a", DEFAULT, stream(PICTURE), stream(PICTURE)),
    (
        "the same events without ids",
        "eventsource",
        replace(BROWSER, attempts=3),
        stream("data: a", "data: b"),
        stream("data: a", "data: b"),
    ),
]


@pytest.mark.parametrize(
    ("name", "policy", "first", "further"),
    [row[1:] for row in NOTHING_NEW],
    ids=[f"{row[1]}, {row[0]}" for row in NOTHING_NEW],
)
def test_a_resumed_stream_that_brings_nothing_new_is_given_up(
    name: str, policy: Policy, first: bytes, further: bytes
) -> None:
    session = session_of(name, policy=policy)
    answers = [[(0.0, said)] if said else [] for said in (first, further)]
    said = converse(session, lambda number, asked: Says(answers[number > 1]))
    assert len(said.asked) == policy.attempts
    assert isinstance(session.error, StreamInterrupted)


NEW: list[tuple[str, str, Callable[[int], str]]] = [
    ("eventsource", "an event", lambda number: f"id: {number}\ndata: a"),
    ("eventsource", "an empty event", lambda number: f"id: {number}\ndata:"),
    ("openai-responses", "an event", lambda number: CREATED if number == 1 else response("odd", number)),
]


@pytest.mark.parametrize(
    ("name", "event"), [(row[0], row[2]) for row in NEW], ids=[f"{row[0]}, {row[1]}" for row in NEW]
)
def test_one_new_event_a_connection_is_progress_and_is_bounded_all_the_same(
    name: str, event: Callable[[int], str]
) -> None:
    happened: list[Happening] = []
    session = session_of(name, policy=PATIENT, observe=happened.append)
    said = converse(session, lambda number, asked: Says([(0, stream(event(number)))]))
    assert PATIENT.resumptions == 1000
    assert len(said.asked) == 1 + PATIENT.resumptions
    assert happened[-1].detail == "it was resumed 1000 times, and no more than that are allowed"
    few = session_of(name, policy=replace(PATIENT, resumptions=2))
    assert len(converse(few, lambda number, asked: Says([(0, stream(event(number)))])).asked) == 3


def test_the_total_timer_bounds_a_browser_which_nothing_else_does() -> None:
    session = session_of("eventsource", policy=BROWSER, timeouts=Timeouts(total=100))
    said = converse(session, saying(stream("retry: 0\nid: 1\ndata: a")))
    assert isinstance(session.error, TimeoutExceeded)
    assert said.now == 100
    assert len(said.asked) <= 1 + 100 / 0.5, "and a stream that says `retry: 0` is not asked for as fast as it ends"


# Waiting, as the server asks.

#: (fields of the response, seconds)
ASKED_TO_WAIT: list[tuple[list[tuple[str, str]], float | None]] = [
    ([("retry-after", "0")], 0.0),
    ([("retry-after", "60")], 60.0),
    ([("retry-after", "9" * 13)], float("9" * 13)),
    ([("retry-after", "9" * 400)], inf),
    ([("retry-after-ms", "9" * 400)], inf),
    *(([("retry-after", odd)], None) for odd in ("-1", "-0", "nan", "inf", "1e9", "٣", "0x10", "", " ", "1_000")),
    ([("retry-after", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT")], None),
    ([("retry-after", "Wed, 99999999999999999999 Oct 2026 07:28:00 GMT")], None),
    ([("retry-after", "Wed, 21 Oct 2026 07:28:00 +99999")], None),
    ([("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), ("date", "Wed, 21 Oct 2026 99:28:00 GMT")], None),
]


@pytest.mark.parametrize(("fields", "seconds"), ASKED_TO_WAIT)
def test_whatever_retry_after_says_it_is_read_or_ignored(fields: list[tuple[str, str]], seconds: float | None) -> None:
    assert retry_after(fields) == seconds


@pytest.mark.parametrize("asked", ["0", "-5", "nan", "9" * 400, "9" * 13, "61", "60.0001"])
def test_a_server_that_refuses_for_ever_is_asked_as_often_as_the_policy_says(asked: str) -> None:
    too_long = asked not in ("0", "-5", "nan")
    for attempts in (1, 2, 3, 10):
        session = session_of("openai-chat", policy=replace(DEFAULT, attempts=attempts))
        said = converse(session, saying(status(429, f"Retry-After: {asked}")))
        assert isinstance(session.error, StatusError)
        assert said.posts == (1 if too_long else attempts)


@pytest.mark.parametrize(("seconds", "waits"), [(59, True), (60, True), (61, False)])
def test_as_long_as_the_longest_wait_is_waited_and_no_longer(seconds: int, waits: bool) -> None:
    session = session_of("openai-chat", policy=replace(DEFAULT, longest=60, attempts=2))
    said = converse(session, lambda number, asked: Says([(0, status(503, f"Retry-After: {seconds}"))]))
    assert (said.posts, said.now) == ((2, seconds) if waits else (1, 0))


@pytest.mark.parametrize(("retry", "seconds"), [("0", 0.5), ("1", 0.5), ("499", 0.5), ("500", 0.5), ("501", 0.501)])
def test_the_field_retry_is_half_a_second_at_least(retry: str, seconds: float) -> None:
    session = session_of("eventsource", policy=replace(BROWSER, attempts=2))
    said = converse(session, lambda number, asked: Says([(0, stream(f"retry: {retry}\ndata: a"))]))
    assert said.began == [0, seconds]


@pytest.mark.parametrize(("elapsed", "posts"), [(2.9, 3), (3.0, 4), (3.1, 4)])
def test_a_row_lasts_exactly_as_long_as_the_policy_says(elapsed: float, posts: int) -> None:
    policy = Policy("steady", attempts=None, elapsed=elapsed, base=1.0, factor=1.0, jitter=False)
    said = converse(session_of("openai-chat", policy=policy), lambda number, asked: Says([(0, status(503))]))
    assert said.posts == posts


# Kept alive for ever.

PONG, PING = (FrameWriter(client=False).frame(opcode, b"") for opcode in (0xA, 0x9))

ALIVE: list[tuple[str, str, list[tuple[float, bytes]], str]] = [
    ("1xx before the head", "http", [(5, b"HTTP/1.1 102 Processing\r\n\r\n")], "first byte"),
    ("half a 1xx before the head", "http", [(5, b"HTTP/1.1 1"), (5, b"02 Processing\r\n\r\nHTTP/1.1 1")], "first byte"),
    ("comments", "http", [(0, CHUNKED), (5, chunk(b": alive\n\n"))], "first event"),
    ("empty lines", "http", [(0, CHUNKED), (5, chunk(b"\n"))], "first event"),
    ("comments after an event", "http", [(0, stream(text("a"))), (5, chunk(b": alive\n\n"))], "event idle"),
    ("pongs", "ws", [(5, PONG)], "first event"),
    ("pings", "ws", [(5, PING)], "first event"),
]


@pytest.mark.parametrize(("scheme", "pieces", "timer"), [row[1:] for row in ALIVE], ids=[row[0] for row in ALIVE])
def test_a_server_that_keeps_a_connection_alive_and_says_nothing_runs_into_a_timer(
    scheme: str, pieces: list[tuple[float, bytes]], timer: str
) -> None:
    name = "holysheep" if scheme == "ws" else "openai-chat"
    timeouts = Timeouts(first_byte=60, idle=10, first_event=90, event_idle=90, keepalive=10)
    session = session_of(name, scheme, timeouts=timeouts)
    said = converse(session, lambda number, asked: Says(pieces, end="drip"))
    error: Any = session.error
    assert (error.timer, said.now) == (timer, 60 if timer == "first byte" else 90)
    assert len(said.asked) == 1


# Whatever it does.

#: Servers that a test run draws.
SEEDS = 2000

#: (the dialect, over WebSocket)
SPOKEN = [
    ("openai-chat", False),
    ("eventsource", False),
    ("openai-responses", False),
    ("openai-responses", True),
    ("a2a", False),
]


def draw_policy(random: Random) -> Policy:
    return Policy(
        "random",
        attempts=random.randint(1, 4),
        elapsed=random.choice([None, 5.0, 60.0]),
        generations=random.randint(0, 4),
        resumptions=random.randint(0, 4),
        base=random.choice([0.0, 0.5]),
        jitter=random.choice([True, False]),
        longest=20.0,
        interrupted=random.choice(["raise", "resume", "restart", "continue", "reconnect"]),
        idempotency_field=random.choice(["", "user-agent"]),  # the latter stands in every request
        fallback=random.choice(["never", "to HTTP", "both"]),
    )


def told(name: str, number: int) -> str:
    """The event of that number, in the words of the dialect."""
    match name:
        case "eventsource":
            return f"id: {number}\ndata: {number}"
        case "openai-responses":
            more = {"delta": "x", "output_index": 0, "content_index": 0, "item_id": "i"}
            return CREATED if not number else response("output_text.delta", number, **more)
        case "a2a":
            return PICTURE.replace('"c"', f'"c{number}"')
        case _:
            return text("x")


def frame(name: str, number: int) -> bytes:
    return FrameWriter(client=False).frame(0x1, told(name, number).removeprefix("data: ").encode())


def close(code: int) -> bytes:
    return FrameWriter(client=False).frame(0x8, code.to_bytes(2, "big"))


#: What a server may do on a connection, given the dialect, whether it is a WebSocket, and the number of the connection.
DOES: list[Callable[[str, bool, int], Says]] = [
    lambda name, ws, number: Says(end="refused"),
    lambda name, ws, number: Says(end="cut"),
    lambda name, ws, number: Says(end="silence"),
    *(
        lambda name, ws, number, after=after: Says([(0, frame(name, after) if ws else stream(told(name, after)))])  # type: ignore[misc]
        for after in range(3)
    ),
    lambda name, ws, number: Says([(1, frame(name, number) if ws else stream(told(name, number)))], "reset"),
    lambda name, ws, number: Says(
        [(1, frame(name, number) * number if ws else stream(*[told(name, number)] * number))]
    ),
    lambda name, ws, number: Says([(1, frame(name, number) if ws else stream(told(name, number)))], "silence"),
    lambda name, ws, number: Says([(1, PONG if ws else b"HTTP/1.1 102 X\r\n\r\n")], "drip"),
    lambda name, ws, number: Says([(1, PING)] if ws else [(0, CHUNKED), (1, chunk(b":\n"))], "drip"),
    lambda name, ws, number: Says([(0, status(426))], upgrades=False),
    lambda name, ws, number: Says([(0, close(1001) if ws else stream("retry: 0"))]),
    lambda name, ws, number: Says(
        [(0, frame(name, 0) + close(1012) if ws else stream("retry: 0", told(name, number)))]
    ),
    *(
        lambda name, ws, number, code=code: Says([(0, close(1013) if ws else status(code, "Retry-After: 0"))])  # type: ignore[misc]
        for code in (204, 404, 429, 529)
    ),
]


def from_seed(seed: int) -> Counter[str]:
    """A server does what is drawn, in turn, and the last of it for ever. What happened, by kind."""
    random = Random(seed)
    policy = draw_policy(random)
    name, websocket = random.choice(SPOKEN)
    does = random.choices(DOES, k=random.randint(1, 4))
    total = random.choice([None, 200.0])
    dialect = DIALECTS[name]
    happened: list[Happening] = []
    session = session_of(
        name,
        "ws" if websocket else "http",
        policy=policy,
        timeouts=Timeouts(connect=10, first_byte=10, idle=10, first_event=10, event_idle=10, keepalive=4, total=total),
        random=random.random,
        observe=happened.append,
        fallback=over_the_other_transport(
            "ws://host" if websocket else "http://host", dialect, json=ASKED.get(name) or dialect.ask(Prompt("go", "m"))
        ),
    )
    said = converse(
        session, lambda number, asked: does[min(number, len(does)) - 1](name, session.request.websocket, number)
    )
    kinds = Counter(happening.kind for happening in happened)
    anew = kinds["restarting"] + kinds["continuing"]
    longest_connection = 10 + 10 + 10  # connect, first byte, first event: it says something then, or no more
    assert anew <= (policy.generations if policy.interrupted in ("restart", "continue") else 0), seed
    assert kinds["resuming"] <= (policy.resumptions or 0), seed
    assert kinds["falling back"] <= 1, seed
    assert len(said.began) <= most_connections(policy), seed
    assert said.now <= (inf if total is None else total), seed
    assert said.now <= len(said.began) * (longest_connection + max(policy.cap, policy.longest)), seed
    assert _longest_row(said, happened) <= (inf if policy.elapsed is None else policy.elapsed), seed
    return Counter(kinds)


def _longest_row(said: Conversation, happened: list[Happening]) -> float:
    """Seconds from the first failure of a row, as far as it can be told without the session, to its last connection:
    connections on which no event came are of one row."""
    longest, began = 0.0, None
    for happening in happened:
        if happening.kind == "failed":
            began = happening.at if began is None else began
        elif happening.kind == "connecting" and began is not None:
            longest = max(longest, happening.at - began)
    return longest if not said.events else 0.0


def test_whatever_a_server_does_the_policy_bounds_requests_and_time() -> None:
    reached: Counter[str] = Counter()
    for seed in range(SEEDS):
        reached.update(from_seed(seed))
    counts = {kind: reached[kind] for kind in ("resuming", "restarting", "continuing", "falling back", "duplicate")}
    assert min(counts.values()) >= 20, f"it comes as far as all of these: {counts}"


def calls_from_seed(seed: int) -> None:
    """A driver that tells what it likes, in any order, also when it is over."""
    random = Random(seed)
    name, websocket = random.choice(SPOKEN)
    dialect = DIALECTS[name]
    asked = ASKED.get(name) or dialect.ask(Prompt("go", "m"))
    url = "ws://host" if websocket else "http://host"
    session = session_of(
        name,
        "ws" if websocket else "http",
        policy=draw_policy(random),
        timeouts=Timeouts(total=random.choice([None, 5.0])),
        fallback=over_the_other_transport(url, dialect, json=asked),
    )
    now, events, given = 0.0, [], None
    refused = ConnectionFailed("refused", phase="connect")
    calls: list[Callable[[], Any]] = [
        lambda: session.start(now),
        lambda: session.connected(now),
        lambda: session.connection_failed(refused, now),
        lambda: session.receive_data(status(random.choice([204, 426, 503])), now),
        lambda: session.receive_data(stream(told(name, 0), told(name, 1)), now),
        lambda: session.receive_data(chunk(told(name, 2).encode() + b"\n\n"), now),
        lambda: session.receive_eof(now, reset=random.choice([True, False])),
        lambda: session.handle_deadline(now),
        lambda: session.handle_deadline(session.next_deadline() or now),
        lambda: session.close(now) and None,
    ]
    for _ in range(30):
        now += random.random()
        data = session.data_to_send()
        if data.startswith(b"GET") and session.request.websocket and random.random() < 0.7:
            peer = WebSocketConnection.server(compression=False)
            peer.receive_data(data)
            peer.accept()
            events += session.receive_data(peer.data_to_send() + frame(name, 0), now)
        events += random.choice(calls[:6] if random.random() < 0.8 else calls)() or []
        assert session.answer.events == events, seed
        if given is not None:
            assert (session.error, session.ended) == given, "an end is for ever"
        if session.ended:
            given = session.error, session.ended


def test_a_driver_that_tells_things_in_any_order_breaks_nothing() -> None:
    for seed in range(SEEDS // 4):
        calls_from_seed(seed)


# Falling back, and what is learned from it.


def chat_over_websocket(hosts: Hosts, policy: Policy = DEFAULT) -> DurableSession:
    dialect, asked = DIALECTS["holysheep"], {"model": "m", "messages": []}
    fallback = over_the_other_transport("ws://host", dialect, json=asked)
    request = build_request("ws://host", dialect, json=asked)
    return DurableSession(request, dialect, policy=policy, random=lambda: 0.0, fallback=fallback, hosts=hosts)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_fallback_costs_one_connection_more_and_only_once(attempts: int) -> None:
    policy = replace(DEFAULT, attempts=attempts)
    session = chat_over_websocket(Hosts(), policy)
    said = 0
    while not session.ended:
        if session.wants == "wait":
            session.handle_deadline(session.next_deadline() or 0.0)
        session.start(0.0)
        session.connected(0.0)
        said += 1
        session.data_to_send()
        session.receive_data(status(502), 0.0)
    assert said == attempts + 1


def learned(hosts: Hosts, times: int) -> None:
    target = build_request("ws://host", DIALECTS["holysheep"], json={}).http.target
    hosts.learn(target, "426")
    for _ in range(times):
        hosts.lacks(target)


@pytest.mark.parametrize(("uses", "skips"), [(0, True), (MAX_USES - 1, True), (MAX_USES, False), (MAX_USES + 1, False)])
def test_a_lesson_about_a_host_is_not_for_ever(uses: int, skips: bool) -> None:
    hosts = Hosts()
    learned(hosts, uses)
    assert chat_over_websocket(hosts).request.websocket is not skips


def test_where_the_other_transport_fails_too_the_lesson_is_dropped() -> None:
    hosts = Hosts()
    learned(hosts, 0)
    session = chat_over_websocket(hosts)
    assert not session.request.websocket
    converse(session, saying(status(404)))
    assert hosts.without == {}
    learned(hosts, 0)
    converse(chat_over_websocket(hosts), saying(stream(text("a"))))
    assert list(hosts.without) == ["host:80 over WebSocket"], "it was had, though it broke off"


def test_no_more_lessons_are_kept_than_so_many_and_the_oldest_gives_way() -> None:
    hosts = Hosts()
    target = build_request("ws://host", DIALECTS["holysheep"], json={}).http.target
    for number in range(MAX_HOSTS):
        hosts.learn(replace(target, host=f"h{number}"), "426")
    assert len(hosts.without) == MAX_HOSTS
    assert hosts.lacks(replace(target, host="h0"))
    hosts.learn(replace(target, host="one more"), "426")
    assert len(hosts.without) == MAX_HOSTS
    assert not hosts.lacks(replace(target, host="h0"))
    assert hosts.lacks(replace(target, host="h1"))
