"""Planted faults: the reference endpoint with one thing wrong, to prove that a check can fail."""

from .fault import FAULTS, Fault, all_faults

__all__ = ["FAULTS", "Fault", "all_faults"]
