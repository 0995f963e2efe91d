"""What must not be shown: which values are secret, in which forms they come back, and which characters mislead."""

from .search import MARK, Needles, Search
from .secrets import REDACTED_FIELDS, Secrets, redact_headers, redact_url
from .shown import escaped, harmless, one_line

__all__ = [
    "MARK",
    "REDACTED_FIELDS",
    "Needles",
    "Search",
    "Secrets",
    "escaped",
    "harmless",
    "one_line",
    "redact_headers",
    "redact_url",
]
