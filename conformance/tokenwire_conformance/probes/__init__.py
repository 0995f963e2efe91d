"""Asking an endpoint: the wire, the talk, and the probes over HTTP and WebSocket."""
