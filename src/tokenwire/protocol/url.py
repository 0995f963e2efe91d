"""A URL in, what a connection needs to know out: transport security, host, port, request target (RFC 3986)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, urlsplit

from ..checking import must_be
from ..errors import InvalidURL
from ..records import record

__all__ = ["Target", "ascii_host", "parse_url"]

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

_HTTP = ("http", "https")
_WEBSOCKET = ("ws", "wss")

#: What may stand in a request target as it is; the rest is percent-encoded as UTF-8 (RFC 3986, 2).
_TARGET_CHARACTERS = "/?:@!$&'()*+,;=-._~%[]"

#: Longest URL that is kept parsed, so that a cache of 64 stays small.
_MAX_KEPT_URL = 2048

_VISIBLE = re.compile(r"[!-~]+")
_USERINFO = r"(?s)(?:(?<=//)|^(?!\w*://)).*@"


@record(frozen=True)
class Target:
    """Where a request goes.

    :ivar host: ASCII; an IPv6 address without its brackets.
    :ivar path: the request target: path and query, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def tls(self) -> bool:
        return self.scheme in ("https", "wss")

    @property
    def authority(self) -> str:
        """The value of the Host field: the port only where it is not the scheme's own (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL without its path and query, which may hold what is secret."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path}"


_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")


def parse_url(url: str, *, websocket: bool = False) -> Target:
    """Takes an absolute URL apart: http or https, or with `websocket` ws or wss.

    :raises InvalidURL: with what is wrong and what to write instead.
    """
    must_be(url, str, "url", "the URL as text")
    return (_kept if len(url) <= _MAX_KEPT_URL else _parsed)(url, _WEBSOCKET if websocket else _HTTP)


def _parsed(url: str, schemes: tuple[str, ...]) -> Target:
    if _BLANK_OR_CONTROL.search(url):
        raise InvalidURL(f"the URL {_shown(url)} holds blanks or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
        path = _target(parts.path, parts.query)
    except ValueError:
        raise InvalidURL(f"the URL {_shown(url)} cannot be read: is its host or port mistyped?") from None
    if parts.scheme not in schemes:
        raise InvalidURL(f"the URL {_shown(url)} must begin with {' or '.join(f'{s}://' for s in schemes)}")
    if not host:
        raise InvalidURL(f"the URL {_shown(url)} names no host")
    if parts.username is not None or parts.password is not None:
        raise InvalidURL("the URL holds a user name or password: give the key by environment variable instead")
    name = ascii_host(host)
    if name is None:
        raise InvalidURL(f"the host of the URL {_shown(url)} is no valid name")
    return Target(parts.scheme, name, _PORTS[parts.scheme] if port is None else port, path)


#: The last few, for many streams ask the same URL. A key in one stays in memory with it.
_kept = lru_cache(maxsize=64)(_parsed)


def _target(path: str, query: str) -> str:
    target = quote(path or "/", safe=_TARGET_CHARACTERS)
    return f"{target}?{quote(query, safe=_TARGET_CHARACTERS)}" if query else target


def ascii_host(host: str) -> str | None:
    """The host as the name service knows it, or None. The mapping of IDNA makes a blank of some characters."""
    if host.isascii() and all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
        return host if _VISIBLE.fullmatch(host) else None  # as the codec has it, which takes long to load
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return name if _VISIBLE.fullmatch(name) else None


def _shown(url: str) -> str:
    """The URL for a message: without user name, password and query, which may hold a key.

    All before the last "@" is left out, for a key that is not encoded may hold "/", "?" and "#", and for want of "//".
    """
    return repr(re.sub(_USERINFO, "…@", url, count=1).partition("?")[0])
