"""The only I/O of the library: loops that carry bytes between a socket and a session."""
