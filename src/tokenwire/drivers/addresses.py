"""Which addresses to try for a host, and in which order (RFC 8305, "happy eyeballs")."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any

__all__ = ["ATTEMPT_DELAY", "Address", "Addresses", "interleaved", "known_addresses"]

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
Addresses = Sequence[Address]

#: Seconds that an address is given before the next one is tried beside it (RFC 8305, 5).
ATTEMPT_DELAY = 0.25


def known_addresses(host: str, port: int) -> Addresses | None:
    """The addresses that need no name service: of a host that is an address itself, and of localhost. None for others.

    :raises OSError: when localhost is not known.
    """
    if host == "localhost":
        return socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    try:
        # As bytes: for text Python loads what the names of other alphabets need.
        numeric = host.encode() if host.isascii() else host
        return socket.getaddrinfo(numeric, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """The same addresses, families in turn, beginning with that of the first (RFC 8305, 4)."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [address for address in chain(*zip_longest(*families.values())) if address is not None]
