"""How often something happened, in words."""

from __future__ import annotations

from math import sqrt

__all__ = ["often"]

#: Of a 95 % interval.
_Z = 1.96


def often(count: int, of: int) -> str:
    """How often, with the 95 % interval of Wilson (1927), which holds for rare things and small numbers too."""
    share, square = count / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = _Z / (1 + square / of) * sqrt(share * (1 - share) / of + square / (4 * of * of))
    low, high = max(middle - reach, 0.0), min(middle + reach, 1.0)
    return f"{count} of {of} answers ({share:.1%}; 95 %: {low:.1%} to {high:.1%})"
