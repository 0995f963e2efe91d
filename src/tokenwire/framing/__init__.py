"""Bytes to frames, with the standard library alone: each module reads one framing and can stand by itself."""
