"""What OpenAI's Responses and Realtime APIs call things: runs of deltas, calls, parts, reasons and members.

Tables alone; `openai_output` reads by them. They are those of OpenAI's API description and SDK, and what services that
follow it were seen to add.
"""

from __future__ import annotations

from typing import NamedTuple

from .events import BlockKind, FinishReason

__all__ = [
    "CALL", "CALLS", "COMMAND", "ITEM", "MESSAGE", "PARTS", "PART_ENDS", "RANKS", "REASONS", "RESPONSE", "RUNS",
    "TOOLS", "Call", "Run",
]  # fmt: skip


class Run(NamedTuple):
    """What comes in deltas: the kind of its block, the index that counts it within its item, where a whole has it."""

    kind: BlockKind
    counter: str
    member: str


#: A call is one run, so nothing counts it within its item.
CALL = ""

#: The commands of a shell's call are told in one block, a line feed between each two.
COMMAND = "command_index"

#: In which order the runs of an item follow each other, by what counts them.
RANKS = {CALL: 0, COMMAND: 0, "summary_index": 1, "content_index": 2}

REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "failed": "error",
    "cancelled": "cancelled",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}


class Call(NamedTuple):
    """An item that is a call: who runs it, what it is called where it has no name, and where its input is."""

    kind: BlockKind
    name: str
    path: tuple[str, ...]


#: What comes in deltas of either API, by the type of its messages.
RUNS = {
    "response.output_text": Run("text", "content_index", "text"),
    "response.refusal": Run("refusal", "content_index", "refusal"),
    "response.reasoning_text": Run("reasoning", "content_index", "text"),
    "response.reasoning_summary_text": Run("reasoning", "summary_index", "text"),
    "response.function_call_arguments": Run("tool", CALL, "arguments"),
    "response.custom_tool_call_input": Run("tool", CALL, "input"),
    "response.mcp_call_arguments": Run("server_tool", CALL, "arguments"),
}

#: Items that are calls. The input of a custom tool, code, commands and patches are text, and no JSON.
CALLS: dict[str, Call] = {
    "function_call": Call("tool", "", ("arguments",)),
    "custom_tool_call": Call("tool", "", ("input",)),
    "mcp_call": Call("server_tool", "", ("arguments",)),
    "code_interpreter_call": Call("server_tool", "code_interpreter", ("code",)),
    "shell_call": Call("tool", "shell", ("action", "commands")),
    "local_shell_call": Call("tool", "local_shell", ("action",)),
    "apply_patch_call": Call("tool", "apply_patch", ("operation", "diff")),
}

#: Those that the client is to run.
TOOLS = ("function_call", "custom_tool_call")

#: The parts of the other items.
PARTS: dict[str, Run] = {
    "": Run("text", "content_index", "text"),
    "output_text": Run("text", "content_index", "text"),
    "text": Run("text", "content_index", "text"),
    "output_audio": Run("text", "content_index", "transcript"),
    "audio": Run("text", "content_index", "transcript"),
    "refusal": Run("refusal", "content_index", "refusal"),
    "reasoning_text": Run("reasoning", "content_index", "text"),
    "summary_text": Run("reasoning", "summary_index", "text"),
}

#: Messages that repeat a part, and what counts it.
PART_ENDS = {
    "response.content_part.done": "content_index",
    "response.reasoning_part.done": "content_index",
    "response.reasoning_summary_part.done": "summary_index",
}


#: Members of messages and of items that need no `Other`.
MESSAGE = frozenset({
    "agent", "annotation", "annotation_index", "arguments", "audio_duration_ms", "audio_end_ms", "audio_start_ms",
    "background", "call_id", "channels", "code", "command", "command_index", "content", "content_index", "conversation",
    "copilot_usage", "delta", "diff", "elapsed_ms", "error", "event_id", "format", "input", "item", "item_id",
    "latency", "logprobs", "message", "name", "obfuscation", "output", "output_format", "output_index", "param", "part",
    "partial_image_b64", "partial_image_index", "previous_item_id", "quality", "rate_limits", "refusal", "response",
    "response_id", "rid", "sample_rate", "sequence_number", "session", "size", "start_time", "status", "steer",
    "stream_id", "summary_index", "text", "timestamp", "transcript", "ts", "type", "usage",
})  # fmt: skip
ITEM = frozenset({
    "acknowledged_safety_checks", "action", "actions", "agent", "approval_request_id", "approve", "arguments", "async",
    "author", "background", "call_id", "caller", "code", "container_id", "content", "created_by", "encrypted_content",
    "environment", "error", "execution", "fingerprint", "id", "input", "max_output_length", "name", "namespace",
    "object", "operation", "output", "output_format", "outputs", "pending_safety_checks", "phase", "quality", "queries",
    "reason", "recipient", "result", "results", "revised_prompt", "role", "server_label", "size", "status", "summary",
    "svg_usage", "tools", "type",
})  # fmt: skip

#: The same of a response that is over.
RESPONSE = frozenset({
    "audio", "background", "billing", "completed_at", "content_filters", "conversation", "conversation_id",
    "created_at", "error", "frequency_penalty", "id", "incomplete_details", "instructions", "max_output_tokens",
    "max_tool_calls", "metadata", "modalities", "model", "moderation", "object", "output", "output_audio_format",
    "output_modalities", "output_text", "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier",
    "service_tier", "status", "status_details", "store", "temperature", "text", "tool_choice", "tool_usage", "tools",
    "top_logprobs", "top_p", "truncation", "usage", "user", "voice",
})  # fmt: skip
