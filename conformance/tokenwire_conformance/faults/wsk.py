"""Faults of the keepalive."""
