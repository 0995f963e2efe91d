"""What several streams to one endpoint share: settings, what was learned about hosts, TLS, and idle connections.

    with tokenwire.Client("https://api.example.com/v1", key_env="API_KEY") as client:
        with client.stream(json={"model": "m"}) as stream:
            for event in stream: ...

A connection whose response was read to its end serves the next stream (RFC 9112, 9.3). One that was cut, refused in
the middle of a request or left early is closed, and so is that of a WebSocket.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ..checking import must_be_number
from ..dialects import DialectName
from ..dialects.dialect import Dialect
from ..errors import LocalProtocolError, OnError
from ..lazily import Lazily
from ..session import DEFAULT, Hosts, Observe, Policy, PolicyName, Timeouts
from .blocking import Stream
from .opening import Opening, check_settings, default_trust
from .pool import IDLE_CONNECTIONS, IDLE_TIME, Connection, Pool
from .sockets import Link

if TYPE_CHECKING:
    import ssl
else:
    ssl = Lazily("ssl")

__all__ = ["Client", "Shared"]

_Link = TypeVar("_Link", bound=Connection)


class Shared(Generic[_Link]):
    """What `Client` and `AsyncClient` have in common.

    :param base_url: of the endpoint, as in `tokenwire.stream`.
    :param hosts: what was learned about hosts before; each client has its own by default.
    :param idle_connections: how many are kept at the most, to one origin.
    :param idle_time: seconds after which an idle connection is closed.

    The other parameters, and the errors, are those of `tokenwire.stream`. The client checks them when it is made.
    """

    def __init__(
        self,
        base_url: str,
        *,
        dialect: DialectName | Dialect = "openai-chat",
        key_env: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        ssl_context: ssl.SSLContext | None = None,
        policy: PolicyName | Policy = DEFAULT,
        observe: Observe | None = None,
        hosts: Hosts | None = None,
        keep_events: bool = False,
        idle_connections: int = IDLE_CONNECTIONS,
        idle_time: float = IDLE_TIME,
        proxy: str | None = "env",
        usage: bool = False,
        on_error: OnError = "raise",
    ) -> None:
        check_settings(  # so that a mistake is told now, and not by the first stream
            base_url,
            dialect=dialect,
            key_env=key_env,
            key=key,
            headers=headers,
            timeouts=timeouts,
            ssl_context=ssl_context,
            policy=policy,
            observe=observe,
            hosts=hosts,
            proxy=proxy,
            usage=usage,
            on_error=on_error,
        )
        #: What was learned about hosts.
        self.hosts: Hosts = hosts or Hosts()
        self._base_url = base_url
        self._dialect: DialectName | Dialect = dialect
        self._key_env = key_env
        self._key = key
        self._headers = dict(headers or {})
        self._timeouts = timeouts
        secure = str(base_url).lower().startswith(("https:", "wss:"))
        # One for all: it takes long to make, and a TLS session goes on only within the context that it began in.
        self._ssl_context = ssl_context or (default_trust() if secure else None)
        self._policy: PolicyName | Policy = policy
        self._observe = observe
        self._keep_events = keep_events
        self._proxy = proxy
        self._usage = usage
        self._on_error: OnError = on_error
        must_be_number(idle_connections, "idle_connections", whole=True)
        must_be_number(idle_time, "idle_time")
        self._pool: Pool[_Link] = Pool(idle_connections, idle_time)

    def close(self) -> None:
        """Closes the idle connections. Streams that are open go on, and are the last."""
        self._pool.close()

    def _opening(
        self,
        json: Mapping[str, Any] | None,
        dialect: DialectName | Dialect | None,
        headers: Mapping[str, str] | None,
        timeouts: Timeouts | None,
        record: str | os.PathLike[str] | None,
        policy: PolicyName | Policy | None,
        observe: Observe | None,
    ) -> Opening:
        """The parts of one stream; what is None is as the client has it."""
        if self._pool.closed:
            raise LocalProtocolError("the client is closed: make another one")
        return Opening(
            self._base_url,
            json=json,
            dialect=self._dialect if dialect is None else dialect,
            key_env=self._key_env,
            key=self._key,
            headers={**self._headers, **(headers or {})},
            timeouts=timeouts or self._timeouts,
            record=record,
            ssl_context=self._ssl_context,
            policy=self._policy if policy is None else policy,
            observe=observe or self._observe,
            hosts=self.hosts,
            keep_events=self._keep_events,
            proxy=self._proxy,
            usage=self._usage,
            on_error=self._on_error,
        )


class Client(Shared[Link]):
    """Asks one endpoint for streams. Threads may share it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def stream(
        self,
        *,
        json: Mapping[str, Any] | None = None,
        dialect: DialectName | Dialect | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        record: str | os.PathLike[str] | None = None,
        policy: PolicyName | Policy | None = None,
        observe: Observe | None = None,
    ) -> Stream:
        """Asks for a stream; use it in a `with` statement and iterate.

        Parameters and errors are those of `tokenwire.stream`. What is not given is as the client has it; `headers` are
        added to the client's.

        :raises LocalProtocolError: also when the client is closed.
        """
        return Stream(self._opening(json, dialect, headers, timeouts, record, policy, observe), self._pool)
