"""Near misses: transcripts one edit away from a fault, on which the check must stay silent."""

from .miss import NEAR_MISSES, NearMiss, Undo, all_near_misses

__all__ = ["NEAR_MISSES", "NearMiss", "Undo", "all_near_misses"]
