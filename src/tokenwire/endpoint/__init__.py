"""The reference endpoint."""
