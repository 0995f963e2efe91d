"""A driver for trio, whole: it does what a session wants and tells what came of it. Every decision is the session's.

async for event in events(build_request(url, dialect, json={...}), dialect): ...
"""

import random
from collections.abc import AsyncIterator
from math import inf
from typing import Any

import trio

from tokenwire import ConnectionFailed, Dialect, DurableSession, StreamEvent
from tokenwire.session import Request


async def events(request: Request, dialect: Dialect, **options: Any) -> AsyncIterator[StreamEvent]:
    """The events of one conversation; `options` are those of `DurableSession`."""
    session = DurableSession(request, dialect, random=random.random, **options)
    stream: trio.abc.Stream | None = None
    try:
        while not session.ended:
            if session.wants == "transfer" and stream is not None:
                happened = await transfer(session, stream)
            else:
                if stream is not None:
                    await trio.aclose_forcefully(stream)
                stream, happened = await (connect(session) if session.wants == "connect" else wait(session))
            for event in happened:
                yield event
        if session.error is not None:
            raise session.error
    finally:
        if stream is not None:
            await trio.aclose_forcefully(stream)


async def connect(session: DurableSession) -> tuple[trio.abc.Stream | None, list[StreamEvent]]:
    target = session.request.http.target
    session.start(trio.current_time())
    dial: Any = trio.open_ssl_over_tcp_stream if target.tls else trio.open_tcp_stream
    try:
        with trio.fail_at(deadline(session)):
            stream: trio.abc.Stream = await dial(target.host, target.port)
            if isinstance(stream, trio.SSLStream):
                await stream.do_handshake()
    except trio.TooSlowError:
        return None, session.handle_deadline(trio.current_time())
    except (OSError, trio.BrokenResourceError) as error:
        failed = ConnectionFailed(f"no connection to {target.authority}: {error}", phase="connect")
        return None, session.connection_failed(failed, trio.current_time())
    session.connected(trio.current_time())
    return stream, []


async def transfer(session: DurableSession, stream: trio.abc.Stream) -> list[StreamEvent]:
    try:
        with trio.fail_at(deadline(session)):
            while data := session.data_to_send():
                await stream.send_all(data)
            received = await stream.receive_some()
    except trio.TooSlowError:
        return session.handle_deadline(trio.current_time())
    except trio.BrokenResourceError:
        return session.receive_eof(trio.current_time(), reset=True)
    if received:
        return session.receive_data(bytes(received), trio.current_time())
    return session.receive_eof(trio.current_time())


async def wait(session: DurableSession) -> tuple[None, list[StreamEvent]]:
    await trio.sleep_until(deadline(session))
    return None, session.handle_deadline(trio.current_time())


def deadline(session: DurableSession) -> float:
    moment = session.next_deadline()
    return inf if moment is None else moment
