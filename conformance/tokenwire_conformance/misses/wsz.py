"""Near misses of compression."""
