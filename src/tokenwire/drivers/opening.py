"""What both drivers do before there is a connection: the key, the request, the way there, the recording."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import random
from time import time
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass
from uuid import uuid4

from .._version import __version__
from ..dialects import dialect_named
from ..dialects.answer import Answer
from ..dialects.dialect import Dialect
from ..dialects.events import End
from ..dialects.guess import guess_dialect
from ..errors import ConnectionFailed, LocalProtocolError, TokenwireError
from ..protocol.http import ResponseHead
from ..protocol.proxy import ConnectTunnel
from ..protocol.url import Target
from ..recording import RecordingWriter
from ..recording.beside import FileBeside
from ..secrecy.secrets import is_plain_name, redact_headers, redact_url, secrets_in_subprotocols, secrets_in_url
from ..session import (
    NEVER,
    DurableSession,
    Happening,
    Hosts,
    MessageSession,
    Observe,
    Policy,
    Request,
    Timeouts,
    Want,
    build_request,
    over_the_other_transport,
    policy_named,
)

__all__ = [
    "Conversation",
    "Opening",
    "Route",
    "SoFar",
    "connection_failed",
    "is_our_timeout",
    "key_from_environment",
    "refuses",
    "route_to",
]

_Item = TypeVar("_Item")

#: Bytes asked of the socket at once.
READ_SIZE = 64 * 1024


class SoFar:
    """What a stream has said so far."""

    _conversation: DurableSession
    _opening: Opening

    @property
    def mishaps(self) -> Sequence[Exception]:
        """What went wrong beside the stream, and did not stop it: a recording that could not be written, an `observe`
        that raised."""
        return self._opening.mishaps

    @property
    def answer(self) -> Answer:
        """What has arrived so far."""
        return self._conversation.answer

    @property
    def text(self) -> str:
        """The text that has arrived so far."""
        return self._conversation.answer.text

    @property
    def usage(self) -> dict[str, Any] | None:
        """The last usage that was reported, in the provider's names."""
        return self._conversation.answer.usage

    @property
    def hosts(self) -> Hosts:
        """What was learned about hosts."""
        return self._conversation.hosts

    @property
    def end(self) -> End | None:
        """The `End`, once it has come."""
        return self._conversation.answer.end


@dataclass(frozen=True, slots=True)
class Route:
    """Where to connect, and the tunnel to ask for there, if any."""

    host: str
    port: int
    tunnel: ConnectTunnel | None

    @property
    def peer(self) -> tuple[str, int]:
        """Host and port of whom we speak with by now: once the tunnel is open it is not the proxy."""
        tunnel = self.tunnel
        return (tunnel.host, tunnel.port) if tunnel is not None and tunnel.open else (self.host, self.port)


class Conversation(Protocol[_Item]):
    """What a driver drives, giving stream events or messages: see `DurableSession`."""

    @property
    def request(self) -> Request: ...
    @property
    def wants(self) -> Want: ...
    @property
    def head(self) -> ResponseHead | None: ...
    @property
    def streaming(self) -> bool: ...
    @property
    def ended(self) -> bool: ...
    @property
    def error(self) -> TokenwireError | None: ...
    @property
    def reusable(self) -> bool: ...
    def start(self, now: float) -> None: ...
    def connected(self, now: float) -> None: ...
    def connection_failed(self, error: ConnectionFailed, now: float) -> list[_Item]: ...
    def data_to_send(self) -> bytes: ...
    def receive_data(self, data: bytes, now: float) -> list[_Item]: ...
    def receive_eof(self, now: float, *, reset: bool = False) -> list[_Item]: ...
    def next_deadline(self) -> float | None: ...
    def handle_deadline(self, now: float) -> list[_Item]: ...
    def send(self, message: str | bytes) -> None: ...
    def close(self, now: float) -> bool: ...


class Opening:
    """The parts of one stream, ready to be driven.

    :raises LocalProtocolError: for what cannot be sent: see `build_request`; also when `key_env` is not set.
    """

    def __init__(
        self,
        url: str,
        *,
        json: Mapping[str, Any] | None,
        dialect: str | Dialect,
        key_env: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        record: str | Path | None = None,
        ssl_context: ssl.SSLContext | None = None,
        policy: str | Policy = NEVER,
        observe: Observe | None = None,
        hosts: Hosts | None = None,
        keep_events: bool = False,
    ) -> None:
        #: With the dialect "auto": what the URL was taken for, and why.
        self.guess = guess_dialect(url) if dialect == "auto" else None
        dialect = self.guess.dialect if self.guess else dialect
        self.dialect = dialect_named(dialect) if isinstance(dialect, str) else dialect
        self.policy = policy_named(policy) if isinstance(policy, str) else policy
        key = key_from_environment(key_env) if key_env else key
        if self.policy.idempotency_field:
            headers = {self.policy.idempotency_field: uuid4().hex, **(headers or {})}
        self.request: Request = _behind_proxies(build_request(url, self.dialect, json=json, key=key, headers=headers))
        self.timeouts = timeouts
        self.target: Target = self.request.http.target
        self.ssl_context = (ssl_context or ssl.create_default_context()) if self.target.tls else None
        self._fallback: tuple[Request, Dialect] | None = None
        if self.policy.fallback == "both" or (self.policy.fallback == "to HTTP" and self.request.websocket):
            other = over_the_other_transport(url, self.dialect, json=json, key=key, headers=headers)
            self._fallback = (_behind_proxies(other[0]), other[1]) if other is not None else None
        self._observe = observe
        self._hosts = hosts
        #: Recordings that are complete.
        self.kept: list[Path] = []
        #: What went wrong beside the stream.
        self.mishaps: list[Exception] = []
        self._keep_events = keep_events
        self.writer: RecordingWriter | None = None
        self._record = Path(record) if record is not None else None
        self._recorded = 0
        self._file: FileBeside | None = None

    def conversation(self) -> DurableSession:
        """The session that reads the dialect's stream events, over the transport that the URL names."""
        return DurableSession(
            self.request,
            self.dialect,
            self.timeouts,
            self.guess,
            policy=self.policy,
            random=random,
            fallback=self._fallback,
            wall=time,
            observe=self._tell if self._observe is not None else None,
            hosts=self._hosts,
            keep_events=self._keep_events,
        )

    def messages(self, subprotocols: Sequence[str] = ()) -> MessageSession:
        """The session that gives the messages of a WebSocket as they are."""
        secrets = self.request.secrets | secrets_in_subprotocols(subprotocols)
        self.request = replace(self.request, secrets=secrets)
        return MessageSession(self.request, self.dialect, self.timeouts, tuple(subprotocols))

    def connecting(self, request: Request) -> None:
        """A connection is about to be made. Each is recorded in a file of its own: `capture.wire.jsonl`, then
        `capture-2.wire.jsonl`, … Where that cannot be, it is not recorded, and `mishaps` says why."""
        if self._record is None:
            return
        if self.writer is None or self.writer.zero is not None:
            self.close()
            self._begin_recording(self._record, request)

    def close(self) -> None:
        """The connection is gone: its recording gets its name. One without an entry replaces nothing."""
        writer, self.writer = self.writer, None
        file, self._file = self._file, None
        if writer is not None:
            writer.close()
        if writer is None or file is None:
            return
        try:
            if writer.failure is not None:
                file.leave()
                raise writer.failure
            if writer.zero is None and file.path.exists():
                file.discard()
            else:
                file.keep()
                self.kept.append(file.path)
        except OSError as error:
            words = f"the recording stopped: {error.strerror or error}; what was kept is in {file.part}"
            self.mishaps.append(OSError(error.errno, words, str(file.path)))

    def _tell(self, happening: Happening) -> None:
        """An observer hears no secret, and is a side product too: what it raises does not stop the stream."""
        assert self._observe is not None
        try:
            self._observe(replace(happening, detail=self.request.secrets.clean(happening.detail)))
        except Exception as error:
            self.mishaps.append(error)

    def _begin_recording(self, record: Path, request: Request) -> None:
        self._recorded += 1
        name, dot, kinds = record.name.partition(".")
        path = record if self._recorded == 1 else record.with_name(f"{name}-{self._recorded}{dot}{kinds}")
        try:
            self._file = FileBeside(path)
        except OSError as error:
            self.mishaps.append(error)
            return
        self.writer = RecordingWriter(self._header(request), secrets=request.secrets, file=self._file.stream)

    def _header(self, request: Request) -> dict[str, Any]:
        http = request.http
        return {
            "transport": "websocket" if request.websocket else "http/1.1",
            "dialect": self.dialect.name,
            "request": {
                "method": http.method,
                "path": redact_url(http.target.path),
                "headers": dict(redact_headers(http.headers, request.secrets.fields)),
            },
            "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
            "made by": f"tokenwire {__version__}",
        }


def _behind_proxies(request: Request) -> Request:
    """The request, with what must not be shown of the proxies on its way, which may repeat it."""
    proxies = getproxies_environment().values()
    found = [secret for proxy in proxies for secret in secrets_in_url(proxy if "//" in proxy else f"//{proxy}")]
    return replace(request, secrets=request.secrets | found)


def key_from_environment(name: str) -> str:
    """The key in an environment variable.

    :raises LocalProtocolError: when it is not set, or empty.
    """
    key = os.environ.get(name, "").strip() if name and "=" not in name and "\0" not in name else ""
    if key:
        return key
    if is_plain_name(name):
        raise LocalProtocolError(f"the environment variable {name}, which should hold the key, is not set")
    raise LocalProtocolError(
        "no environment variable has the name that was given for the key's. It is not shown, for it may be the key "
        "itself: give the name of the variable that holds it, such as OPENAI_API_KEY"
    )


def route_to(target: Target) -> Route:
    """Straight there, or through the proxy that HTTPS_PROXY names, unless NO_PROXY excludes the host or it is http.

    A WebSocket goes through that proxy in the clear too: RFC 6455 4.1 prefers it to the one for http.

    :raises LocalProtocolError: when HTTPS_PROXY is no http URL.
    """
    proxies = getproxies_environment()
    if target.scheme == "http" or "https" not in proxies or proxy_bypass(target.host):
        return Route(target.host, target.port, None)
    try:
        proxy = urlsplit(proxies["https"] if "://" in proxies["https"] else f"http://{proxies['https']}")
        port = proxy.port or 80
    except ValueError:
        raise LocalProtocolError("HTTPS_PROXY cannot be read: is its host or port mistyped?") from None
    if proxy.scheme != "http" or not proxy.hostname:
        raise LocalProtocolError("HTTPS_PROXY must be a URL that begins with http://")
    userinfo = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
    return Route(proxy.hostname, port, ConnectTunnel(target.host, target.port, userinfo))


def is_our_timeout(error: OSError) -> bool:
    """Whether the wait that we asked for ran out. The operating system gives up too, and then names its reason."""
    return isinstance(error, TimeoutError) and error.errno is None


def refuses(head: ResponseHead | None) -> bool:
    """Whether the server wants no more of the request: what was not sent yet is not sent then (RFC 9112, 9.5)."""
    return head is not None and head.status >= 300


def connection_failed(error: OSError, host: str, port: int) -> ConnectionFailed:
    """The operating system's error in words that say what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectionFailed(
            f"the certificate of {host} is not trusted: {error.verify_message}. "
            "If it is signed by your own authority, name its file in the environment variable SSL_CERT_FILE.",
            phase="tls",
        )
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError):
        return ConnectionFailed(f"{host}:{port} broke the connection off before it stood", phase="connect")
    if isinstance(error, ssl.SSLError):
        return ConnectionFailed(
            f"no TLS with {host}:{port}: {error.reason or error}. Does that port speak TLS?", phase="tls"
        )
    if isinstance(error, ConnectionRefusedError):
        return ConnectionFailed(f"{host}:{port} refused the connection: does a server listen there?", phase="connect")
    if error.__class__.__name__ == "gaierror":
        return ConnectionFailed(f"the name {host} is not known: {error.strerror}", phase="resolve")
    return ConnectionFailed(f"no connection to {host}:{port}: {error}", phase="connect")
