"""What a program does to a stream while it goes on, and what a network does while we connect or send: both drivers.

Threads close, send and iterate; tasks are cancelled; addresses are dead; a server answers before it has read all.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import trustme
from scripted import PATIENCE, Peer, ScriptedServer
from test_drivers import CHUNKED, CLOSE, DONE, HELLO, Drive, Outcome, asynchronous, blocking, text

import tokenwire
from tokenwire import (
    End,
    LocalProtocolError,
    Other,
    StatusError,
    TextDelta,
    TimeoutExceeded,
    Timeouts,
)
from tokenwire.drivers import sockets
from tokenwire.drivers.addresses import interleaved
from tokenwire.session import Happening

#: Seconds in which a wait that was ended has to end: far less than any timer here, far more than a busy machine needs.
SOON = 10.0

drives = pytest.mark.parametrize("drive", [blocking, asynchronous], ids=["blocking", "asyncio"])


@contextmanager
def blackhole() -> Iterator[int]:
    """A port on loopback where a connection is neither made nor refused: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        try:
            for _ in range(4):
                filler = socket.socket()
                filler.setblocking(False)
                with suppress(BlockingIOError):
                    filler.connect(listener.getsockname())
                fillers.append(filler)
            time.sleep(0.1)
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    """Every name has these ports of loopback for its addresses, in this order."""

    def getaddrinfo(host: Any, port: Any, *_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if flags & socket.AI_NUMERICHOST and host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        found = ports if host != "127.0.0.1" else (port,)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# Closing.


def nothing(peer: Peer) -> None:
    peer.request()
    peer.wait_for_close()


def a_beginning(peer: Peer) -> None:
    peer.request()
    peer.send(CHUNKED + b"%x\r\n%s\r\n" % (len(text("a")), text("a")))
    peer.wait_for_close()


def unavailable(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 503 Unavailable\r\nRetry-After: 25\r\nContent-Length: 0\r\n\r\n")


def unheard(peer: Peer) -> None:
    """Opens a WebSocket, and reads nothing of what follows."""
    connection = tokenwire.WebSocketConnection.server(compression=False)
    connection.receive_data(peer.connection.recv(65536))
    connection.accept()
    peer.send(connection.data_to_send())
    assert released.wait(PATIENCE)


released = threading.Event()


class Moment:
    """Where a stream is when it is closed, and how one knows.

    :ivar script: what the server does; None for a port that does not answer.
    :ivar happens: what an observer is told before.
    """

    def __init__(self, script: Callable[[Peer], None] | None, happens: str) -> None:
        self.script = script
        self.happens = happens


MOMENTS = {
    "connecting": Moment(None, "connecting"),
    "waiting for the answer": Moment(nothing, "connected"),
    "reading": Moment(a_beginning, "connected"),
    "waiting to try again": Moment(unavailable, "waiting"),
}


@contextmanager
def serving(moment: Moment) -> Iterator[str]:
    if moment.script is None:
        with blackhole() as port:
            yield f"http://127.0.0.1:{port}"
    else:
        with ScriptedServer(moment.script) as server:
            yield server.url


@pytest.mark.parametrize("moment", MOMENTS)
def test_close_from_another_thread_ends_every_wait(moment: str) -> None:
    reached = threading.Event()
    caught: list[BaseException] = []

    def observe(happening: Happening) -> None:
        if happening.kind == MOMENTS[moment].happens:
            reached.set()

    def read() -> None:
        try:
            with stream:
                for _ in stream:
                    pass
        except BaseException as error:
            caught.append(error)

    with serving(MOMENTS[moment]) as url:
        stream = tokenwire.stream(url, observe=observe, timeouts=Timeouts(connect=PATIENCE))
        reader = threading.Thread(target=read)
        reader.start()
        assert reached.wait(PATIENCE)
        time.sleep(0.1)  # so that it waits: were it not there yet, it would have to end as well
        began = time.monotonic()
        stream.close()
        reader.join(PATIENCE)
        assert time.monotonic() - began < SOON
    assert isinstance(caught[0], LocalProtocolError)
    assert "closed" in str(caught[0])


def test_close_from_another_thread_ends_a_search_for_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, given_up = threading.Event(), threading.Event()

    def silent(host: str, *_: Any, flags: int = 0, **__: Any) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            asked.set()
            given_up.wait(PATIENCE)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    stream = tokenwire.stream("http://slow.test")
    caught: list[BaseException] = []

    def read() -> None:
        try:
            next(stream)
        except BaseException as error:
            caught.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert asked.wait(PATIENCE)
    stream.close()
    reader.join(SOON)
    given_up.set()
    assert isinstance(caught[0], LocalProtocolError)


def test_close_from_another_thread_ends_a_message_that_nobody_reads() -> None:
    released.clear()
    caught: list[BaseException] = []

    def send() -> None:
        try:
            websocket.send("x" * 15_000_000)
        except BaseException as error:
            caught.append(error)

    with ScriptedServer(unheard) as server:
        websocket = tokenwire.connect(server.url.replace("http", "ws"), timeouts=Timeouts(close=0.1))
        with websocket:
            sender = threading.Thread(target=send)
            sender.start()
            time.sleep(0.2)
            websocket.close()
            sender.join(SOON)
            assert not sender.is_alive()
        released.set()
    assert isinstance(caught[0], LocalProtocolError)


@pytest.mark.parametrize("moment", MOMENTS)
def test_close_by_another_task_ends_every_wait(moment: str) -> None:
    async def run(url: str) -> None:
        reached = asyncio.Event()

        def observe(happening: Happening) -> None:
            if happening.kind == MOMENTS[moment].happens:
                reached.set()

        async def read() -> None:
            async with stream:
                async for _ in stream:
                    pass

        stream = tokenwire.astream(url, observe=observe, timeouts=Timeouts(connect=PATIENCE))
        reading = asyncio.create_task(read())
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await asyncio.sleep(0.1)
        stream.close()
        with pytest.raises(LocalProtocolError, match="closed"):
            await asyncio.wait_for(reading, SOON)

    with serving(MOMENTS[moment]) as url:
        asyncio.run(run(url))


def test_an_observer_may_close_the_stream() -> None:
    def observe(happening: Happening) -> None:
        if happening.kind == "waiting":
            stream.close()

    with ScriptedServer(unavailable) as server:
        stream = tokenwire.stream(server.url, observe=observe)
        with pytest.raises(LocalProtocolError, match="closed"), stream:
            pass


def test_an_observer_that_waits_for_the_stream_is_told() -> None:
    """It would wait for ever: nobody but the thread that it holds up carries the bytes."""
    with ScriptedServer(hello) as server:
        stream = tokenwire.stream(server.url, observe=lambda _: next(stream))
        with stream:
            assert list(stream) == [*HELLO, End(True)]
    assert stream.mishaps
    assert all("observer" in str(mishap) for mishap in stream.mishaps)


def test_a_signals_handler_may_close_the_stream() -> None:
    def script(peer: Peer) -> None:
        peer.request()
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        stream = tokenwire.stream(server.url)
        before = signal.signal(signal.SIGUSR1, lambda *_: stream.close())
        try:
            with pytest.raises(LocalProtocolError, match="closed"), stream:
                pass
        finally:
            signal.signal(signal.SIGUSR1, before)


@drives
def test_what_had_arrived_before_close_is_still_given(drive: Drive) -> None:
    seen = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + text("Hel") + text("lo"))
        seen.set()
        peer.wait_for_close()

    given: list[tokenwire.StreamEvent] = []

    def take_all(stream: tokenwire.Stream) -> None:
        for event in stream:
            given.append(event)

    async def take_all_of_it(stream: tokenwire.AsyncStream) -> None:
        async for event in stream:
            given.append(event)

    with ScriptedServer(script) as server:
        if drive is blocking:
            with tokenwire.stream(server.url) as stream:
                assert seen.wait(PATIENCE)
                time.sleep(0.2)
                given.append(next(stream))
            with pytest.raises(LocalProtocolError, match="closed"):
                take_all(stream)
        else:

            async def run() -> None:
                async with tokenwire.astream(server.url) as stream:
                    assert await asyncio.to_thread(seen.wait, PATIENCE)
                    await asyncio.sleep(0.2)
                    given.append(await anext(stream))
                with pytest.raises(LocalProtocolError, match="closed"):
                    await take_all_of_it(stream)

            asyncio.run(run())
    assert given == HELLO[:4]


# Cancelling.


def test_a_wait_for_an_event_that_is_cancelled_loses_nothing_and_the_stream_goes_on() -> None:
    wanted = threading.Semaphore(0)
    words = [str(number) for number in range(5)]

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + b": nothing yet\n")
        for word in words:
            assert wanted.acquire(timeout=PATIENCE)
            event = text(word)
            peer.send(event[:20])  # a wait is cancelled with half an event read, too
            assert wanted.acquire(timeout=PATIENCE)
            peer.send(event[20:])
        peer.send(text("", "stop") + DONE)

    async def run(url: str) -> tuple[str, int]:
        timeouts = 0
        said = ""
        async with tokenwire.astream(url) as stream:
            iterator = aiter(stream)
            while True:
                try:
                    event = await asyncio.wait_for(anext(iterator), 0.05)
                except TimeoutError:
                    timeouts += 1
                    wanted.release()
                except StopAsyncIteration:
                    return said, timeouts
                else:
                    said += event.text if isinstance(event, TextDelta) else ""

    with ScriptedServer(script) as server:
        said, timeouts = asyncio.run(run(server.url))
    assert said == "".join(words)
    assert timeouts >= 2 * len(words)


def test_a_wait_that_is_cancelled_while_the_stream_connects_again_goes_on_with_that() -> None:
    """The wait before the next try takes longer than each wait for an event; the next connection is the second."""

    def script(peer: Peer) -> None:
        asked = peer.request()
        again = b"last-event-id: 1" in asked.lower()
        peer.send(CLOSE + (b"id: 2\ndata: b\n\n" if again else b"id: 1\nretry: 300\ndata: a\n\n"))

    async def run(url: str) -> list[str]:
        seen: list[str] = []
        async with tokenwire.astream(url, dialect="eventsource", policy="browser") as stream:
            while "b" not in seen:
                with suppress(TimeoutError):
                    event = await asyncio.wait_for(anext(stream), 0.02)
                    seen.append(event.raw if isinstance(event, Other) else "")
        return seen

    with ScriptedServer(script) as server:
        assert asyncio.run(run(server.url))[:2] == ["a", "b"]
        assert server.connections == 2


def test_a_task_that_is_cancelled_closes_the_connection_when_its_block_is_left() -> None:
    closed = threading.Event()

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + b": nothing yet\n")
        if peer.wait_for_close():
            closed.set()

    async def run(url: str) -> None:
        begun = asyncio.Event()

        async def read() -> None:
            async with tokenwire.astream(url) as stream:
                begun.set()
                await anext(stream)

        reading = asyncio.create_task(read())
        await asyncio.wait_for(begun.wait(), PATIENCE)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await asyncio.to_thread(closed.wait, SOON)

    with ScriptedServer(script) as server:
        asyncio.run(run(server.url))


# Misuse.


@drives
def test_misuse_of_a_stream_gets_words_that_say_what_to_do(drive: Drive) -> None:
    with ScriptedServer(lambda peer: (peer.request(), peer.send(CLOSE + text("a", "stop") + DONE))[1]) as server:
        if drive is blocking:
            stream = tokenwire.stream(server.url)
            with pytest.raises(LocalProtocolError, match=r"there is no response yet: .* `with`"):
                _ = stream.response
            with stream:
                assert stream.response.status == 200
                with pytest.raises(LocalProtocolError, match="entered once: ask for another one"), stream:
                    pass
                assert len(list(stream)) > 3
                assert list(stream) == []
            with pytest.raises(LocalProtocolError, match="entered once: ask for another one"), stream:
                pass
            unused = tokenwire.stream(server.url)
            unused.close()
            with pytest.raises(LocalProtocolError, match="entered once"), unused:
                pass
        else:

            async def run() -> None:
                stream = tokenwire.astream(server.url)
                with pytest.raises(LocalProtocolError, match=r"there is no response yet: .* `async with`"):
                    _ = stream.response
                async with stream:
                    assert stream.response.status == 200
                    with pytest.raises(LocalProtocolError, match="entered once: ask for another one"):
                        await stream.__aenter__()
                    assert len([event async for event in stream]) > 3
                    assert [event async for event in stream] == []
                with pytest.raises(LocalProtocolError, match="entered once: ask for another one"):
                    await stream.__aenter__()
                unused = tokenwire.astream(server.url)
                unused.close()
                with pytest.raises(LocalProtocolError, match="entered once"):
                    await unused.__aenter__()

            asyncio.run(run())


def test_two_threads_that_iterate_at_once_are_told() -> None:
    with ScriptedServer(a_beginning) as server, tokenwire.stream(server.url) as stream:
        for event in stream:
            if isinstance(event, TextDelta):
                break
        caught: list[BaseException] = []

        def read() -> None:
            try:
                next(stream)
            except BaseException as error:
                caught.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.2)
        with pytest.raises(LocalProtocolError, match="two threads iterate"):
            next(stream)
        stream.close()
        reader.join(SOON)
    assert [str(error) for error in caught] == ["the stream is closed"]


def test_two_tasks_that_iterate_at_once_are_told() -> None:
    async def run(url: str) -> None:
        async with tokenwire.astream(url) as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
            first = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.1)
            with pytest.raises(LocalProtocolError, match="two tasks iterate"):
                await anext(stream)
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first

    with ScriptedServer(a_beginning) as server:
        asyncio.run(run(server.url))


@drives
def test_iterating_may_begin_with_next_and_go_on_with_for(drive: Drive) -> None:
    wire = CLOSE + text("Hel") + text("lo", "stop") + DONE
    with ScriptedServer(lambda peer: (peer.request(), peer.send(wire))[1]) as server:
        if drive is blocking:
            with tokenwire.stream(server.url) as stream:
                given = [next(stream)]
                for event in stream:
                    given.append(event)
                    if len(given) == 3:
                        break
                given += [next(stream), *stream]
        else:

            async def run() -> list[Any]:
                async with tokenwire.astream(server.url) as stream:
                    given = [await anext(stream)]
                    async for event in stream:
                        given.append(event)
                        if len(given) == 3:
                            break
                    return [*given, await anext(stream), *[event async for event in stream]]

            given = asyncio.run(run())
    assert given == [*HELLO, End(True)]


# Sending from another thread, or task, and much at once.


def echoing(peer: Peer) -> None:
    """Echoes each message before it reads on: who does not read while it writes waits for ever."""
    connection = tokenwire.WebSocketConnection.server(compression=False)
    while data := peer.connection.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, str | bytes):
                connection.send(event)
            elif not isinstance(event, tuple) and type(event).__name__ == "Asked":
                connection.accept()
        peer.send(connection.data_to_send())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> ssl.SSLContext | None:
    """The server's side of it, or none."""
    if request.param == "http":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


#: More than both sockets' buffers hold in both directions.
MUCH = [bytes([number]) * 1_000_000 for number in range(24)]


@drives
def test_much_that_is_sent_to_an_echo_comes_back(
    drive: Drive, tls: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> None:
    with ScriptedServer(echoing, tls=tls) as server:
        url = server.url.replace("http", "ws")
        if drive is blocking:
            with tokenwire.connect(url, ssl_context=trusting) as websocket:
                for message in MUCH:
                    websocket.send(message)
                back = [next(websocket) for _ in MUCH]
        else:

            async def run() -> list[str | bytes]:
                async with tokenwire.aconnect(url, ssl_context=trusting) as websocket:
                    for message in MUCH:
                        await websocket.send(message)
                    return [await anext(websocket) for _ in MUCH]

            back = asyncio.run(run())
    assert back == MUCH


def test_one_thread_sends_while_another_iterates() -> None:
    messages = [f"message {number} " + "x" * (number * 997 % 200_000) for number in range(200)]
    with ScriptedServer(echoing) as server, tokenwire.connect(server.url.replace("http", "ws")) as websocket:

        def say(part: list[str]) -> None:
            for message in part:
                websocket.send(message)

        senders = [threading.Thread(target=say, args=(messages[start::2],)) for start in range(2)]
        for sender in senders:
            sender.start()
        back = [next(websocket) for _ in messages]
        for sender in senders:
            sender.join(SOON)
    assert sorted(map(str, back)) == sorted(messages)
    assert [message for message in back if message in messages[::2]] == messages[::2]


def test_one_task_sends_while_another_iterates() -> None:
    messages = [f"message {number} " + "x" * (number * 997 % 200_000) for number in range(200)]

    async def run(url: str) -> list[str | bytes]:
        async with tokenwire.aconnect(url) as websocket:

            async def say() -> None:
                for message in messages:
                    await websocket.send(message)

            sending = asyncio.create_task(say())
            back = [await anext(websocket) for _ in messages]
            await sending
            return back

    with ScriptedServer(echoing) as server:
        assert asyncio.run(run(server.url.replace("http", "ws"))) == messages


# A refusal while the request is being sent (RFC 9112, 9.5).

PROMPT = {"messages": [{"role": "user", "content": "x" * 10_000_000}]}
REFUSAL = json.dumps({"error": {"message": "Too large"}}).encode()
REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\n"
WHOLE = REFUSED + b"Content-Length: %d\r\n\r\n" % len(REFUSAL) + REFUSAL


@drives
@pytest.mark.parametrize("how", ["whole", "the body later", "and closes", "and resets"])
def test_a_refusal_of_a_large_prompt_is_seen_and_the_rest_is_not_sent(
    drive: Drive, how: str, tls: ssl.SSLContext | None, trusting: ssl.SSLContext
) -> None:
    heard: list[int] = []

    def script(peer: Peer) -> None:
        # A refusal that Nagle's algorithm holds back would be lost when the server closes.
        peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        count = len(peer.connection.recv(1000))
        if how == "the body later":
            peer.send(WHOLE[: -len(REFUSAL)])
            time.sleep(0.3)
            peer.send(REFUSAL)
        else:
            peer.send(WHOLE)
        if how == "and closes":
            return
        if how == "and resets":
            time.sleep(0.3)
            peer.reset()
            return
        with suppress(OSError):
            while data := peer.connection.recv(65536):
                count += len(data)
        heard.append(count)

    with ScriptedServer(script, tls=tls) as server:
        outcome = drive(server.url, json=PROMPT, ssl_context=trusting, policy="never")
    assert isinstance(outcome.error, StatusError), repr(outcome.error)
    assert (outcome.error.status, outcome.error.message) == (413, "Too large")
    assert all(count < 9_000_000 for count in heard), heard


@drives
def test_a_stream_that_begins_before_the_prompt_is_read_gets_all_of_the_prompt(drive: Drive) -> None:
    requests: list[bytes] = []

    def script(peer: Peer) -> None:
        peer.send(CLOSE + text("Hel"))
        requests.append(peer.request())
        peer.send(text("lo", "stop") + DONE)

    with ScriptedServer(script) as server:
        outcome = drive(server.url, json=PROMPT)
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)
    assert len(requests[0]) > 10_000_000


# Addresses (RFC 8305).


def hello(peer: Peer) -> None:
    peer.request()
    peer.send(CLOSE + text("Hel") + text("lo", "stop") + DONE)


def refusing() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@drives
@pytest.mark.parametrize("dead", ["silent", "refusing", "both"])
def test_a_dead_address_does_not_eat_the_connect_timer(
    drive: Drive, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it waited for to the end, there would be no time for the next."""
    with blackhole() as silent, ScriptedServer(hello) as server:
        before = {"silent": [silent], "refusing": [refusing()], "both": [silent, refusing(), silent]}[dead]
        resolving(monkeypatch, *before, server.port)
        began = time.monotonic()
        outcome = drive("http://some.test", timeouts=Timeouts(connect=5.0), policy="never")
        took = time.monotonic() - began
    assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)
    assert took >= 0.25 * before.count(silent)  # each is given its time


@drives
def test_an_address_that_answers_is_not_left_for_a_later_one(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(hello) as first, ScriptedServer(hello) as second:
        resolving(monkeypatch, first.port, second.port)
        assert drive("http://some.test").error is None
        assert (first.connections, second.connections) == (1, 0)


@drives
def test_when_no_address_answers_the_connect_timer_ends_it(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    with blackhole() as silent:
        resolving(monkeypatch, silent, silent)
        outcome = drive("http://some.test", timeouts=Timeouts(connect=0.6), policy="never")
    assert isinstance(outcome.error, TimeoutExceeded)
    assert outcome.error.timer == "connect"


@drives
def test_when_all_addresses_refuse_that_is_told_at_once(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, refusing(), refusing(), refusing())
    outcome = drive("http://some.test", policy="never", timeouts=Timeouts(connect=60.0))
    assert isinstance(outcome.error, tokenwire.ConnectionFailed)
    assert "refused" in str(outcome.error)


def test_families_take_turns_and_the_first_of_the_first_comes_first() -> None:
    four, six = socket.AF_INET, socket.AF_INET6
    found: list[Any] = [(six, "a"), (six, "b"), (six, "c"), (four, "d"), (four, "e")]
    assert interleaved(found) == [(six, "a"), (four, "d"), (six, "b"), (four, "e"), (six, "c")]
    assert interleaved(reversed(found)) == [(four, "e"), (six, "c"), (four, "d"), (six, "b"), (six, "a")]
    assert interleaved([]) == []


def test_where_there_is_no_poll_select_does_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setattr(sockets, "_poller", sockets._Select)
    with blackhole() as silent, ScriptedServer(hello) as server:
        resolving(monkeypatch, refusing(), silent, server.port)
        outcome = blocking("http://some.test", policy="never")
        assert (outcome.events, outcome.error) == ([*HELLO, End(True)], None)
    with ScriptedServer(echoing) as server, tokenwire.connect(f"ws://127.0.0.1:{server.port}") as websocket:
        for message in MUCH:
            websocket.send(message)
        assert [next(websocket) for _ in MUCH] == MUCH


# Timers of a program that takes its time.


@drives
def test_a_program_that_is_slow_is_not_taken_for_a_server_that_is_silent(drive: Drive) -> None:
    """What has arrived when the program asks counts, however late that is."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.send(CLOSE + text("a"))
        assert taken.wait(PATIENCE)
        peer.send(text("b", "stop") + DONE)
        sent.set()

    taken, sent = threading.Event(), threading.Event()
    outcome = Outcome()

    def think() -> None:
        taken.set()
        assert sent.wait(PATIENCE)
        time.sleep(0.6)

    timeouts = Timeouts(idle=0.3)
    with ScriptedServer(script) as server:
        if drive is blocking:
            with tokenwire.stream(server.url, timeouts=timeouts, policy="never") as stream:
                for event in stream:
                    outcome.events.append(event)
                    if isinstance(event, TextDelta) and event.text == "a":
                        think()
        else:

            async def run() -> None:
                async with tokenwire.astream(server.url, timeouts=timeouts, policy="never") as stream:
                    async for event in stream:
                        outcome.events.append(event)
                        if isinstance(event, TextDelta) and event.text == "a":
                            think()  # the event loop stands still too

            asyncio.run(run())
    assert outcome.events[-1] == End(True)


def thinking(peer: Peer) -> None:
    """Says 1xx until the client goes."""
    peer.request()
    with suppress(OSError):
        while True:
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            time.sleep(0.05)


def silent(peer: Peer) -> None:
    peer.request()
    peer.wait_for_close()


def refusing_in_part(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    peer.wait_for_close()


def commenting(peer: Peer) -> None:
    """Streams comments, which are no events, until the client goes."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    with suppress(OSError):
        while True:
            peer.send(b": wait\n\n")
            time.sleep(0.05)


#: What the server does, a timer that runs out, and those before it, which are longer.
SHORTER = [
    (thinking, Timeouts(connect=60.0, first_byte=0.3)),
    (silent, Timeouts(connect=60.0, first_byte=0.3)),
    (refusing_in_part, Timeouts(connect=60.0, first_byte=50.0, idle=0.3)),
    (commenting, Timeouts(connect=60.0, first_byte=50.0, first_event=0.3)),
    (silent, Timeouts(connect=60.0, first_byte=50.0, total=0.3)),
]


@drives
@pytest.mark.parametrize(("script", "timeouts"), SHORTER)
def test_a_timer_that_is_shorter_than_the_one_before_it_is_kept(
    drive: Drive, script: Callable[[Peer], None], timeouts: Timeouts
) -> None:
    with ScriptedServer(script) as server:
        begun = time.monotonic()
        outcome = drive(server.url, policy="never", timeouts=timeouts)
        assert time.monotonic() - begun < SOON
    assert isinstance(outcome.error, TimeoutExceeded | StatusError), outcome.error
