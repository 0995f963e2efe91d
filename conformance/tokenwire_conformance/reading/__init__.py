"""A strict reading of the bytes of a transcript; it knows nothing of probes and of verdicts."""
