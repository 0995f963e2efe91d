"""TLS without I/O, for both drivers: bytes of the socket in, bytes of the program out, and the other way round.

Driven like the tunnel through a proxy: send `data_to_send()`, hand `receive_data` what comes, until `open` is true.
"""

from __future__ import annotations

import ssl

__all__ = ["TLS"]

#: Bytes of one record at the most (RFC 8446, 5.1).
_RECORD = 16 * 1024


class TLS:
    """One TLS connection, from the client's side.

    :param host: the name that the certificate must be for.
    :param session: of an earlier connection to the same server, to go on with (RFC 8446, 2.2).
    """

    def __init__(self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        #: The handshake is done.
        self.open: bool = False
        #: The peer has said that it will send no more. An end without that may be made by anybody (RFC 8446, 6.1).
        self.ended: bool = False
        self._failure: ssl.SSLError | None = None
        self._shake_hands()

    @property
    def session(self) -> ssl.SSLSession | None:
        """For another connection to the same server; None before there is one."""
        return self._object.session

    def data_to_send(self) -> bytes:
        """Drains what must go out."""
        return self._outgoing.read()

    def receive_data(self, data: bytes) -> bytes:
        """Takes bytes from the socket, empty for its end; returns the program's bytes in them.

        :raises ssl.SSLError: when the handshake fails, or the peer breaks the protocol and nothing came before that.
        """
        if self._failure is not None:
            raise self._failure
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        if not self.open:
            self._shake_hands()
        return self._read() if self.open else b""

    def encrypt(self, data: bytes) -> bytes:
        """The program's bytes in, bytes for the socket out.

        :raises ssl.SSLError: when nothing can be sent any more.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[self._object.write(rest) :]
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        self.open = True

    def _read(self) -> bytes:
        """All records that are whole."""
        pieces: list[bytes] = []
        try:
            while piece := self._object.read(_RECORD):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            if not pieces:
                raise
            self._failure = error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
