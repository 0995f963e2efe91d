"""The conformance suite: transcripts, probes, checks, planted faults, verdicts."""
