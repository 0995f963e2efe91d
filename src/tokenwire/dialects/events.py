"""The closed set of stream events, which all dialects share.

A block is a run of one kind of output: text, reasoning, one tool call. Its number is issued by the decoder, unique
within the stream; a delta comes only in an open block. Every event carries `raw`, the message it came from exactly
as received (text; usually JSON), and `cursor`, from which the stream could be resumed, where the dialect has one.
Neither takes part in comparison.

The classes are slotted and not frozen: a frozen one costs four times as much to make, on the path of every token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from ..records import record

__all__ = [
    "BlockKind",
    "BlockStart",
    "BlockStop",
    "End",
    "Error",
    "Finish",
    "FinishReason",
    "Other",
    "ReasoningDelta",
    "Start",
    "StreamEvent",
    "TextDelta",
    "ToolCallDelta",
    "Usage",
]

BlockKind = Literal["text", "reasoning", "tool", "refusal", "server_tool", "media", "other"]
FinishReason = Literal[
    "stop", "length", "tool_calls", "content_filter", "refusal", "pause", "cancelled", "error", "other"
]


@record
class Start:
    """The generation began. Empty strings where the dialect does not say."""

    id: str
    model: str
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class BlockStart:
    """A block opened. `tool_id` and `name` are set for tools; `choice` where several answers were asked for.

    `agent` is the sub-agent that speaks; it is empty for the agent that was asked, and where the provider does not say.
    `phase` is the provider's word for what the block is to the answer: "commentary" on the way or the "final_answer";
    empty where it does not say. `replaces` is the number of an earlier block of a tool call that this one gives anew:
    what the earlier one said is void. A non-fatal `Error` comes before it.
    """

    block: int
    kind: BlockKind
    tool_id: str = ""
    name: str = ""
    choice: int = 0
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)
    agent: str = ""
    phase: str = ""
    replaces: int | None = None


@record
class TextDelta:
    """More of the answer's text (in a block of kind "refusal": of the refusal)."""

    block: int
    text: str
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class ReasoningDelta:
    """More of the reasoning, where the model shows it."""

    block: int
    text: str
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class ToolCallDelta:
    """A piece of the JSON text of a tool call's arguments; joined, the pieces of a block are the arguments."""

    block: int
    arguments: str
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class BlockStop:
    """The block closed."""

    block: int
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class Usage:
    """What was counted, in the provider's own names. Cumulative: the last one wins. `complete` when it is final."""

    counts: Mapping[str, Any]
    complete: bool
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class Finish:
    """The model stopped, and why: in tokenwire's closed set, and in the provider's own word.

    "error" where the server failed, which a fatal `Error` tells as well; and where the model wrote what is of no use,
    such as a function call that cannot be read: then the stream is complete, and no `Error` comes.
    """

    reason: FinishReason
    raw_reason: str
    choice: int = 0
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class Error:
    """The server said that something went wrong. A fatal one makes the `End` unclean."""

    code: str
    message: str
    fatal: bool
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class Other:
    """Everything that has no place in the set; never dropped. `type` is the dialect's name for it."""

    type: str
    raw: str
    cursor: str | None = field(default=None, repr=False, compare=False)


@record
class End:
    """The stream is over: exactly once, always last. `clean` when the dialect's terminator was seen, and no error."""

    clean: bool
    raw: str = field(default="", repr=False, compare=False)
    cursor: str | None = field(default=None, repr=False, compare=False)


StreamEvent = (
    Start | BlockStart | TextDelta | ReasoningDelta | ToolCallDelta | BlockStop | Usage | Finish | Error | Other | End
)
