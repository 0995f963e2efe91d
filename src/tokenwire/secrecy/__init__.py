"""What must not be shown: which values are secret, in which forms they come back, and which characters mislead.

The modules load when they are first used (PEP 562): nothing of most requests is shown.
"""

from typing import TYPE_CHECKING

from ..lazily import Lazily

if TYPE_CHECKING:
    from .search import MARK, Needles, Search
    from .secrets import REDACTED_FIELDS, Secrets, redact_headers, redact_url
    from .shown import escaped, harmless, one_line
else:
    _HOMES = {
        "search": ("MARK", "Needles", "Search"),
        "secrets": ("REDACTED_FIELDS", "Secrets", "redact_headers", "redact_url"),
        "shown": ("escaped", "harmless", "one_line"),
    }

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(Lazily(f"{__name__}.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


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
