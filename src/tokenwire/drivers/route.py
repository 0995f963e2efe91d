"""The way to a server: straight, or through a proxy.

Through a proxy everything goes in a tunnel (CONNECT, RFC 9110 9.3.6), http and ws URLs too: a proxy that only forwards
bytes can neither hold a stream back nor change it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from ..checking import must_be
from ..errors import LocalProtocolError
from ..protocol.url import Target, ascii_host
from ..records import record
from ..secrecy.secrets import secrets_in_url

if TYPE_CHECKING:  # what takes long to load, and is needed where there is a proxy
    from ipaddress import IPv4Address, IPv6Address

    from ..protocol.proxy import ConnectTunnel

__all__ = ["Route", "proxies_from_environment", "route_to", "secrets_in_proxy", "secrets_of_proxies"]

#: How the names of variables end that name a proxy, and of NO_PROXY.
_SUFFIX = "_proxy"

#: Whose variable is asked first, by the scheme of the target. RFC 6455 4.1 has a WebSocket prefer the proxy for https.
_ASKED: Mapping[str, Sequence[str]] = {
    "https": ("https", "all"),
    "wss": ("https", "all"),
    "http": ("http", "all"),
    "ws": ("https", "http", "all"),
}


@record(frozen=True)
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


def route_to(target: Target, proxy: str | None = "env") -> Route:
    """The way to a target.

    :param proxy: the URL of a proxy, http://HOST:PORT; None for none; "env" for the one that HTTPS_PROXY, HTTP_PROXY or
        ALL_PROXY names for the scheme of the target, unless NO_PROXY excludes it or it is on loopback.
    :raises LocalProtocolError: for a proxy that is no HTTP proxy.
    """
    must_be(proxy, (str, type(None)), "proxy", "the URL of a proxy as text, 'env', or None for none")
    name, url = _from_environment(target) if proxy == "env" else ("proxy", proxy)
    if url is None:
        return Route(target.host, target.port, None)
    from ..protocol.proxy import ConnectTunnel

    server = _parsed(name, url)
    userinfo = f"{unquote(server.username)}:{unquote(server.password or '')}" if server.username else ""
    return Route(server.hostname or "", server.port or 80, ConnectTunnel(target.host, target.port, userinfo))


def proxies_from_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the variables named …_PROXY hold that hold something, by the first part of the name in lower case.

    The rules are those of `urllib.request.getproxies_environment`: the case of a name does not matter, but one that
    ends in lower case goes first, and an empty one hides the others. Under CGI, where a client's field Proxy becomes
    HTTP_PROXY, only a name in lower case counts for http; where the system has names in upper case alone, as Windows
    does, none is asked for by its name, for it would be found.
    """
    under_cgi = "REQUEST_METHOD" in environment
    proxies: dict[str, str] = {}
    for name in sorted(_names_of_proxies(environment), key=_is_lower):
        kind = name[: -len(_SUFFIX)].lower()
        if environment[name] and not (under_cgi and kind == "http" and not _is_lower(name)):
            proxies[kind] = environment[name]
        elif _is_lower(name):
            proxies.pop(kind, None)
    return proxies


def secrets_of_proxies(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The passwords in all variables named …_PROXY, whichever of them is used."""
    urls = [environment[name] for name in _names_of_proxies(environment)]
    return [secret for url in urls for secret in secrets_in_proxy(url)]


def secrets_in_proxy(url: str) -> list[str]:
    """The userinfo in the URL of a proxy, which may be without its scheme."""
    return list(secrets_in_url(url if "//" in url else f"//{url}"))


def _names_of_proxies(environment: Mapping[str, str]) -> list[str]:
    return [name for name in environment if name.lower().endswith(_SUFFIX)]


def _is_lower(name: str) -> bool:
    return name.endswith(_SUFFIX)


def _from_environment(target: Target) -> tuple[str, str | None]:
    """The variable that holds for the target, and its value; None for none."""
    if _is_loopback(target.host):
        return "", None
    proxies = proxies_from_environment()
    kind = next((kind for kind in _ASKED[target.scheme] if proxies.get(kind)), None)
    if kind is None or _is_excluded(target, proxies.get("no", "")):
        return "", None
    return f"{kind.upper()}_PROXY", proxies[kind]


def _parsed(name: str, url: str) -> SplitResult:
    """The URL of a proxy. No message repeats it, for it may hold a password.

    :param name: of what it comes from.
    """
    try:
        server = urlsplit(url if "://" in url else f"http://{url}")
        server.port  # noqa: B018 - reading it checks it
    except ValueError:
        raise LocalProtocolError(f"{name} cannot be read: is its host or port mistyped?") from None
    if server.scheme.startswith("socks"):
        raise LocalProtocolError(
            f"{name} names a SOCKS proxy, and only HTTP proxies are spoken with: name one as http://HOST:PORT, "
            "or go without, by proxy=None or NO_PROXY"
        )
    if server.scheme != "http" or not server.hostname or ascii_host(server.hostname) is None:
        raise LocalProtocolError(f"{name} must be a URL that begins with http:// and names a host")
    return server


def _address(host: str) -> IPv4Address | IPv6Address | None:
    if not (host[-1:].isdigit() or ":" in host):  # as names, which are many, never are
        return None
    from ipaddress import IPv6Address, ip_address

    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_loopback(host: str) -> bool:
    """Whether the host is this machine, by its name (RFC 6761 6.3) or its address."""
    if host in ("localhost", "127.0.0.1", "::1"):
        return True
    address = _address(host)
    name = host.lower().rstrip(".")
    return address.is_loopback if address is not None else name == "localhost" or name.endswith(".localhost")


def _is_excluded(target: Target, no_proxy: str) -> bool:
    """Whether NO_PROXY has the target: "*", a host, a domain with all below it, an address, a network; each but the
    first may have a port, and then excludes that port alone."""
    entries = no_proxy.replace(",", " ").lower().split()
    return "*" in entries or any(_excludes(entry, target) for entry in entries)


def _excludes(entry: str, target: Target) -> bool:
    address = _address(target.host)
    if address is not None and "/" in entry:
        return _is_within(address, entry)
    name, _, port = entry.rpartition(":")
    if not name or not port.isdecimal() or (":" in name and not name.endswith("]")):
        name, port = entry, ""
    if port and int(port) != target.port:
        return False
    name = name.strip("[]")
    if address is not None:
        return _address(name) == address
    name, host = name.removeprefix("*").strip("."), target.host.lower().rstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _is_within(address: IPv4Address | IPv6Address, network: str) -> bool:
    from ipaddress import ip_network

    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False
