"""One connection as a state machine, on h11 and wsproto: no I/O and no clock."""
