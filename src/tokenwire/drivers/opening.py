"""What both drivers do before there is a connection: the key, the request, the way there, the recording."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from time import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args

from .._version import __version__
from ..checking import must_be, must_be_one_of, must_be_texts
from ..dialects import DialectName, dialect_named
from ..dialects.answer import Answer
from ..dialects.dialect import Dialect
from ..dialects.events import End
from ..dialects.guess import Guess, guess_dialect
from ..errors import ConnectionFailed, LocalProtocolError, OnError, StreamFailed, TokenwireError
from ..protocol.http import ResponseHead
from ..protocol.url import Target
from ..secrecy.secrets import Secrets, is_plain_name, redact_headers, redact_url, secrets_in_subprotocols
from ..session import (
    NEVER,
    DurableSession,
    Happening,
    Hosts,
    Observe,
    Policy,
    PolicyName,
    Request,
    Timeouts,
    Want,
    build_request,
    checked_headers,
    checked_key,
    checked_place,
    over_the_other_transport,
    policy_named,
)
from .route import Route, route_to, secrets_in_proxy, secrets_of_proxies

if TYPE_CHECKING:  # each of them loads where it is first needed, for most streams need none
    import ssl
    from pathlib import Path

    from ..recording import RecordingWriter
    from ..recording.beside import FileBeside
    from ..session.websocket import MessageSession

__all__ = [
    "Conversation",
    "Opening",
    "SoFar",
    "check_settings",
    "connection_failed",
    "default_trust",
    "is_our_timeout",
    "key_from_environment",
    "refuses",
    "value_from_environment",
]

_Item = TypeVar("_Item")

_ON_ERROR = get_args(OnError)

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
    def quiet(self) -> bool: ...
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

    Parameters are those of `stream`.

    :param secrets: more of the request that must not be shown.

    :raises LocalProtocolError: for what cannot be sent: see `build_request`; also when `key_env` is not set, and for
        arguments of another kind than is wanted.
    """

    def __init__(
        self,
        url: str,
        *,
        json: Mapping[str, Any] | None,
        dialect: DialectName | Dialect,
        key_env: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts | None = None,
        record: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        policy: PolicyName | Policy = NEVER,
        observe: Observe | None = None,
        hosts: Hosts | None = None,
        proxy: str | None = "env",
        usage: bool = False,
        on_error: OnError = "raise",
        keep_events: bool = False,
        secrets: Secrets | None = None,
    ) -> None:
        _check_options(timeouts, record, ssl_context, observe, hosts, usage, on_error)
        #: With the dialect "auto": what the URL was taken for, and why.
        self.guess: Guess | None = guess_dialect(url) if dialect == "auto" else None
        self.dialect: Dialect = dialect_named(self.guess.dialect if self.guess else dialect)
        self.policy: Policy = policy_named(policy)
        key = _one_key(key, key_env)
        headers = checked_headers(headers)
        if self.policy.idempotency_field:
            headers = {self.policy.idempotency_field: os.urandom(16).hex(), **headers}
        self._proxy = proxy
        self._straight: Target | None = None  # no proxy is on the way to it
        self._secrets = secrets or Secrets()
        self.request: Request = self._behind_proxies(
            build_request(url, self.dialect, json=json, key=key, headers=headers, usage=usage)
        )
        self.timeouts = timeouts
        self.target: Target = self.request.http.target
        self._raises_failures = on_error == "raise"
        self.ssl_context: ssl.SSLContext | None = (ssl_context or default_trust()) if self.target.tls else None
        self._fallback: tuple[Request, Dialect] | None = None
        if self.policy.fallback == "both" or (self.policy.fallback == "to HTTP" and self.request.websocket):
            other = over_the_other_transport(url, self.dialect, json=json, key=key, headers=headers, usage=usage)
            self._fallback = (self._behind_proxies(other[0]), other[1]) if other is not None else None
        self._observe = observe
        self._hosts = hosts
        #: Recordings that are complete.
        self.kept: list[Path] = []
        #: What went wrong beside the stream.
        self.mishaps: list[Exception] = []
        self._keep_events = keep_events
        self.writer: RecordingWriter | None = None
        self._record = record
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
            random=_random,
            fallback=self._fallback,
            wall=time,
            observe=self._tell if self._observe is not None else None,
            hosts=self._hosts,
            keep_events=self._keep_events,
        )

    def messages(self, subprotocols: Sequence[str] = ()) -> MessageSession:
        """The session that gives the messages of a WebSocket as they are."""
        from ..session.websocket import MessageSession

        must_be_texts(subprotocols, "subprotocols")
        secrets = self.request.secrets | secrets_in_subprotocols(subprotocols)
        self.request = replace(self.request, secrets=secrets)
        return MessageSession(self.request, self.dialect, self.timeouts, tuple(subprotocols))

    def _behind_proxies(self, request: Request) -> Request:
        """The request, with what else must not be shown, and what must not of the proxies on its way, which may repeat
        it. A proxy that cannot be used is told of now."""
        known = request.secrets | self._secrets
        more = partial(_secrets_of_proxies, self._proxy)
        if self.route_to(request.http.target).tunnel is not None:
            return replace(request, secrets=known | more())
        self._straight = request.http.target
        return replace(request, secrets=known | more)

    def straight_to(self, target: Target) -> Opening:
        """The parts of the same request to another server, in the clear and through no proxy."""
        other = copy(self)
        other.target = target
        other.request = replace(self.request, http=replace(self.request.http, target=target))
        other.ssl_context = None
        other._proxy = None
        return other

    def route_to(self, target: Target) -> Route:
        """The way to a target, with a tunnel of its own where it is through a proxy."""
        if target is self._straight:
            return Route(target.host, target.port, None)
        return route_to(target, self._proxy)

    def raised(self, error: TokenwireError | None) -> TokenwireError | None:
        """What a driver raises after the last event, of what the session has for its error."""
        return error if self._raises_failures or not isinstance(error, StreamFailed) else None

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

    def _begin_recording(self, place: str | os.PathLike[str], request: Request) -> None:
        from pathlib import Path

        from ..recording import RecordingWriter
        from ..recording.beside import FileBeside

        record = Path(place)
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
        from datetime import UTC, datetime

        http = request.http
        return {
            "transport": "websocket" if request.websocket else "http/1.1",
            "dialect": self.dialect.name,
            "request": {
                "method": http.method,
                "path": redact_url(http.target.path, request.secrets.parameters),
                "headers": dict(redact_headers(http.headers, request.secrets.fields)),
            },
            "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
            "made by": f"tokenwire {__version__}",
        }


def check_settings(
    url: str,
    *,
    dialect: DialectName | Dialect,
    key_env: str | None,
    key: str | None,
    headers: Mapping[str, str] | None,
    timeouts: Timeouts | None,
    ssl_context: ssl.SSLContext | None,
    policy: PolicyName | Policy,
    observe: Observe | None,
    hosts: Hosts | None,
    proxy: str | None,
    usage: bool,
    on_error: OnError,
) -> None:
    """Checks what several streams have in common, before it is known what they ask.

    :raises LocalProtocolError: as `Opening` does.
    """
    _check_options(timeouts, None, ssl_context, observe, hosts, usage, on_error)
    policy_named(policy)
    checked_headers(headers)
    found = _one_key(key, key_env)
    if found is not None:
        checked_key(found)
    route_to(checked_place(url, dialect_named(guess_dialect(url).dialect if dialect == "auto" else dialect)), proxy)


def _secrets_of_proxies(proxy: str | None) -> list[str]:
    """What must not be shown of the proxies that the environment names, and of this one."""
    return [*secrets_of_proxies(), *secrets_in_proxy(proxy or "")]


def _random() -> float:
    """As `random.random`, which only a wait before another attempt needs."""
    from random import random

    return random()  # noqa: S311 - the length of a wait is no secret


def default_trust() -> ssl.SSLContext:
    """Verifies certificates by the system's authorities."""
    import ssl

    return ssl.create_default_context()


def _check_options(
    timeouts: object,
    record: object,
    ssl_context: object,
    observe: object,
    hosts: object,
    usage: object,
    on_error: object,
) -> None:
    """What each option may be, None always being the default."""
    none = type(None)
    must_be(timeouts, (Timeouts, none), "timeouts", "Timeouts", "write Timeouts(total=30), in seconds")
    must_be(record, (str, os.PathLike, none), "record", "the path of a file")
    if ssl_context is not None:
        import ssl

        trust = "to trust another authority, give ssl.create_default_context(cafile=…)"
        must_be(ssl_context, ssl.SSLContext, "ssl_context", "an ssl.SSLContext", trust)
    must_be(hosts, (Hosts, none), "hosts", "tokenwire.Hosts")
    must_be(usage, bool, "usage", "True or False")
    must_be_one_of(on_error, _ON_ERROR, "on_error")
    if observe is not None and not callable(observe):
        must_be(observe, (), "observe", "a function that takes a Happening")


def _one_key(key: str | None, key_env: str | None) -> str | None:
    """The key from where it comes, which is one place at most."""
    must_be(key_env, (str, type(None)), "key_env", "the name of an environment variable")
    if key_env is None:
        return key
    if key is not None:
        raise LocalProtocolError("key and key_env were both given: give one of them")
    return key_from_environment(key_env)


def key_from_environment(name: str) -> str:
    """The key in an environment variable.

    :raises LocalProtocolError: when it is not set, or empty.
    """
    return value_from_environment(name, "the key")


def value_from_environment(name: str, what: str) -> str:
    """What an environment variable holds.

    :param what: it should hold, in words.
    :raises LocalProtocolError: when it is not set, or empty.
    """
    value = os.environ.get(name, "").strip() if name and "=" not in name and "\0" not in name else ""
    if value:
        return value
    if is_plain_name(name):
        raise LocalProtocolError(f"the environment variable {name}, which should hold {what}, is not set")
    raise LocalProtocolError(
        f"no environment variable has the name that was given for {what}. The name is not shown, for it may be the "
        "secret itself: give the name of the variable that holds it, such as OPENAI_API_KEY"
    )


def is_our_timeout(error: OSError) -> bool:
    """Whether the wait that we asked for ran out. The operating system gives up too, and then names its reason."""
    return isinstance(error, TimeoutError) and error.errno is None


def refuses(head: ResponseHead | None) -> bool:
    """Whether the server wants no more of the request: what was not sent yet is not sent then (RFC 9112, 9.5)."""
    return head is not None and head.status >= 300


def connection_failed(error: OSError, host: str, port: int) -> ConnectionFailed:
    """The operating system's error in words that say what to do."""
    import ssl

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
