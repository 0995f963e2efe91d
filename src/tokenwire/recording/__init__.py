"""Wire recordings: what went over a connection, every read and write with its time and bytes, nothing interpreted."""

from .format import Entry, Recording, dump, load, loads
from .redaction import REDACTED_FIELDS, Redactor, redact_headers
from .writer import RecordingWriter

__all__ = [
    "REDACTED_FIELDS",
    "Entry",
    "Recording",
    "RecordingWriter",
    "Redactor",
    "dump",
    "load",
    "loads",
    "redact_headers",
]
