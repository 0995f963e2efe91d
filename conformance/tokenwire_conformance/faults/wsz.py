"""Faults of permessage-deflate."""
