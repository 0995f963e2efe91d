"""OpenAI chat completions as a stream: the chunks, their end, usage, tool calls."""

# In the order of the catalogue.
# isort: off
from . import chunks, ending, usage, tools, content
# isort: on

__all__ = ["chunks", "content", "ending", "tools", "usage"]
