"""Whose certificates are accepted, said so that another process can be told it too: an `ssl.SSLContext` cannot be."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from ..errors import LocalProtocolError

__all__ = ["Trust"]

_WANTED = (
    "Name a file in PEM with the certificates of the authorities to trust: it has lines -----BEGIN CERTIFICATE-----"
)


@dataclass(frozen=True, slots=True)
class Trust:
    """By default the system's authorities are trusted.

    :ivar ca_file: a file in PEM with the authorities to trust instead; empty for those of the system.
    :ivar insecure: no certificate is verified.
    """

    ca_file: str = ""
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """What TLS is begun with.

        :raises LocalProtocolError: when the file cannot be read, or holds no certificate.
        """
        if self.ca_file:
            return _trusting(self.ca_file)
        context = ssl.create_default_context()
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _trusting(name: str) -> ssl.SSLContext:
    """Trusts the authorities of a file alone."""
    try:
        text = Path(name).read_text(encoding="ascii", errors="ignore")  # people comment their certificates
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no name of a file"
        raise LocalProtocolError(f"the file of authorities, {name}, cannot be read: {reason}. {_WANTED}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise LocalProtocolError(f"the file of authorities, {name}, holds no certificate. {_WANTED}") from None
    return context
