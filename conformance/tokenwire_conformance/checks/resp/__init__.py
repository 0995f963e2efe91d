"""OpenAI's Responses as a stream: its events, the items of the output and their parts, the end.

What Open Responses demands and OpenAI's own description does not is a SHOULD here, or only told."""

# In the order of the catalogue.
# isort: off
from . import events, lifecycle, items, parts, errors
# isort: on

__all__ = ["errors", "events", "items", "lifecycle", "parts"]
