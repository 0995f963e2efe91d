"""HTTP framing: what any reader of HTTP/1.1 may rely on, and what a stream needs of it."""

# In the order of the catalogue.
# isort: off
from . import answers, requests
# isort: on

__all__ = ["answers", "requests"]
