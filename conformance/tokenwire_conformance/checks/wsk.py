"""The keepalive of a WebSocket."""
