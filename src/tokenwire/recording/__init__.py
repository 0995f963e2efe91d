"""Wire recordings: what went over a connection, every read and write with its time and bytes, nothing interpreted."""

from ..secrecy.secrets import REDACTED_FIELDS, Secrets, redact_headers, redact_url
from .format import Entry, Recording, dump, load, loads
from .redaction import Redactor
from .writer import RecordingWriter

__all__ = [
    "REDACTED_FIELDS",
    "Entry",
    "Recording",
    "RecordingWriter",
    "Redactor",
    "Secrets",
    "dump",
    "load",
    "loads",
    "redact_headers",
    "redact_url",
]
