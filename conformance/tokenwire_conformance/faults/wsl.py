"""Faults of what is said on a WebSocket."""
