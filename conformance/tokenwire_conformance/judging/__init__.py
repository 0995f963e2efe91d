"""What a check is, what it is given, and what becomes of its findings."""
