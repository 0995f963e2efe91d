"""What is said on a WebSocket, and its limits."""
