"""OpenAI Responses, as server-sent events and over WebSocket.

In: messages with a `type` and mostly a `sequence_number`: `response.created`, the output (see `openai_output`), then
one of `response.completed`, `response.incomplete`, `response.failed`, `response.cancelled`, without which the stream
was cut. Out: stream events. The format is that of OpenAI's API description and SDK. An item is known by its
`output_index`, for GitHub Copilot's proxy gives it a new id in every message; llama.cpp has no index, and its ids stay.
An error may stand in `error` or at the top; `response.failed` follows it, unless it refused the request before there
was a response.

Over WebSocket the first message is `response.create`, with the body of the POST. The terminal message ends a response
and never the socket, and so a decoder decodes one response: the first that it hears of. What names another `stream_id`
is `Other`. Whoever has several responses on a socket, in lanes or after one another (the successor of one that was
steered comes by itself), reads its messages as they are and gives each response a decoder of its own.

The deltas of a transcription (`transcript.text.delta`) are of the same form and are read too; its request, which
carries a file, cannot be made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Again, Broken, Dialect, Holes, Message, Prompt
from .events import StreamEvent, Usage
from .openai_names import CALL, COMMAND, RUNS, Run
from .openai_output import OutputDecoder, function_tools
from .values import error_fields, index_of, member, name_of, percent_encoded, value_of, word

__all__ = ["OPENAI_RESPONSES", "ResponsesDecoder"]

_STATUSES = ("completed", "incomplete", "failed", "cancelled")
_TERMINALS = {f"response.{status}": status for status in _STATUSES}

#: Members of these that need no `Other`.
_TERMINAL = ("type", "sequence_number", "response", "stream_id", "event_id", "agent", "copilot_usage")

#: What comes in deltas, by the type of its messages.
_RUNS = {
    **RUNS,
    "response.audio.transcript": Run("text", "content_index", "transcript"),
    "response.code_interpreter_call_code": Run("server_tool", CALL, "code"),
    "response.shell_call_command": Run("tool", COMMAND, "command"),
    "response.apply_patch_call_operation_diff": Run("tool", CALL, "diff"),
    "transcript.text": Run("text", "content_index", "text"),
}


class ResponsesDecoder(OutputDecoder):
    """Decodes one response. The cursor is the `sequence_number`, for `starting_after`.

    A stream that is resumed goes on in the decoder that read its beginning: a new one would take the wholes that
    repeat earlier deltas for text that had none.
    """

    def __init__(self) -> None:
        super().__init__(_RUNS)
        self._lane = ""

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        return super()._object(value if message.event == "error" else _as_told(value), message)

    def _cursor(self, value: dict[str, Any], message: Message) -> str | None:
        number = value.get("sequence_number")
        return str(number) if isinstance(number, int) else message.id or None

    def _place(self, value: dict[str, Any]) -> tuple[int | None, str]:
        known_by = self._odd.name(value.get("item_id"), "item_id") or name_of(member(value, "item", "id"))
        return index_of(value.get("output_index")), known_by or ""

    def _is_of_another(self, value: dict[str, Any]) -> bool:
        return word(value.get("stream_id")) not in ("", self._lane)

    def _start(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if not self._started:
            self._lane = word(value.get("stream_id"))
        return super()._start(value, raw, cursor)

    def _event(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if kind in _TERMINALS:
            self._odd.members(value, _TERMINAL)
            return self._terminal(_TERMINALS[kind], self._odd.object(value.get("response"), "response"), raw, cursor)
        if kind == "transcript.text.done":
            counted = [Usage(value["usage"], True, raw, cursor)] if isinstance(value.get("usage"), dict) else []
            return [*counted, *self._end(raw, cursor, clean=True)]
        if kind == "error" or (not value.get("type") and error_fields(value)):
            error = self._error(error_fields(value) or value, raw, cursor)
            return [error] if self._started else [error, *self._end(raw, cursor, clean=False)]
        return super()._event(kind, value, raw, cursor)

    def _terminal(self, status: str, response: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        """Some servers say `response.completed` of a response whose status is another."""
        own = self._odd.name(response.get("status"), "status")
        if response and "status" not in response:
            self._odd.note("response")
        status = own if own in _STATUSES else status
        why = word(member(response, "incomplete_details", "reason"))
        return self._finish(status, why, error_fields(response), response, raw, cursor)


def _as_told(value: dict[str, Any]) -> dict[str, Any]:
    """A response that does not come as a stream, as the message that ends one."""
    if value.get("object") != "response" or "type" in value:
        return value
    status = word(value.get("status"))
    return {"type": f"response.{status}" if status in _STATUSES else "response.in_progress", "response": value}


def _ask(prompt: Prompt) -> dict[str, Any]:
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    if prompt.system:
        body["instructions"] = prompt.system
    body["input"] = prompt.text
    if prompt.max_tokens is not None:
        body["max_output_tokens"] = prompt.max_tokens
    if prompt.tools:
        body["tools"] = function_tools(prompt.tools)
    return body


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": True, **body}


def _opening(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Over WebSocket everything streams, and nothing runs in the background."""
    asked = {name: value for name, value in body.items() if name not in ("stream", "background")}
    return [{"type": "response.create", **asked}]


def _resuming(broken: Broken) -> Again | None:
    """Only what runs in the background goes on without us, and only what is stored can be asked for. A server that does
    not number its events can only tell them all again."""
    kept = broken.json.get("background") is True and broken.json.get("store") is not False
    if not kept or not broken.id or not broken.cursor:
        return None
    path = f"{broken.path.partition('?')[0].rstrip('/')}/{percent_encoded(broken.id)}"
    return Again(f"{path}?stream=true&starting_after={percent_encoded(broken.cursor)}")


def _cursor_of(message: Message) -> str:
    number = member(value_of(message.data), "sequence_number")
    return str(number) if isinstance(number, int) else message.id


OPENAI_RESPONSES = Dialect(
    name="openai-responses",
    framing="sse",
    path="/v1/responses",
    method="POST",
    content_type="text/event-stream",
    decoder=ResponsesDecoder,
    ask=_ask,
    body=_body,
    error_fields=error_fields,
    holes=Holes(texts=[("delta",)], free=[("obfuscation",)], cursor=("sequence_number",)),
    opening=_opening,
    terminator="response.completed, response.incomplete, response.failed or response.cancelled",
    resume="of a response in the background: GET …/{id}?stream=true&starting_after={cursor}",
    resuming=_resuming,
    cursor=_cursor_of,
    beside="openai-responses",
)
