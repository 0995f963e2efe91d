"""Entries in, a recording out: redacted before anything is kept, in memory or on disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from ..secrecy.secrets import Secrets
from .format import Entry, Recording, entry_line, header_line
from .redaction import Redactor

__all__ = ["RecordingWriter"]


class RecordingWriter:
    """Keeps one connection's wire. Times are monotonic seconds; the first entry counts as zero.

    A recording is a side product: where its file cannot be written, `failure` says why, nothing is raised, and nothing
    more is kept.

    :param header: what the file says of itself: transport, server, how it was made.
    :param secrets: what is known of the request, or values alone, which must not be kept, wherever they stand.
    :param file: where the lines go as they come; without it they stay in `recording`.
    """

    def __init__(
        self, header: dict[str, Any], *, secrets: Secrets | Sequence[str] = (), file: IO[str] | None = None
    ) -> None:
        self._redactor = Redactor(secrets)
        self.recording: Recording = Recording(self._redactor.header(header))
        #: When the first entry came; None before it.
        self.zero: float | None = None
        #: Why the file could not be written.
        self.failure: OSError | None = None
        self._file = file
        if file is not None:
            self._write(file, [header_line(self.recording.header)])

    def read(self, now: float, data: bytes) -> None:
        """Bytes came in."""
        self._add(Entry(self._since_zero(now), "<", data))

    def wrote(self, now: float, data: bytes) -> None:
        """Bytes went out."""
        self._add(Entry(self._since_zero(now), ">", data))

    def happened(self, now: float, event: str) -> None:
        """Something else: "connected", "eof", "reset", "closed by us", "reset by us", "left open", "timeout"."""
        self._add(Entry(self._since_zero(now), event))

    def close(self) -> None:
        """No more will come."""
        self._keep(self._redactor.flush())

    def _since_zero(self, now: float) -> float:
        if self.zero is None:
            self.zero = now
        return now - self.zero

    def _add(self, entry: Entry) -> None:
        if self.failure is None:
            self._keep(self._redactor.feed(entry))

    def _keep(self, entries: Sequence[Entry]) -> None:
        if self._file is None:
            self.recording.entries += entries
        elif entries and self.failure is None:
            self._write(self._file, list(map(entry_line, entries)))

    def _write(self, file: IO[str], lines: Sequence[str]) -> None:
        """Writes and flushes: what has come stays, whatever becomes of the program."""
        try:
            file.writelines(lines)
            file.flush()
        except OSError as error:
            self.failure = error
