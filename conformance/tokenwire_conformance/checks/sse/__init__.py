"""Framing of server-sent events: what every reader of WHATWG HTML 9.2 may rely on, and what many trip over."""

# In the order of the catalogue.
# isort: off
from . import head, lines, payloads, fields
# isort: on

__all__ = ["fields", "head", "lines", "payloads"]
