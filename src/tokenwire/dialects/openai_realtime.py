"""OpenAI Realtime, over WebSocket, and the services that follow it: Azure's with the older names, xAI's.

In: messages with a `type`. `session.created` greets; what the client says is acknowledged; a response is
`response.created`, the output (see `openai_output`), `response.done`. Out: stream events. The format is that of
OpenAI's API description. The transcript of speech is the answer's text; the speech itself, and all that is about the
session, the user's speech and other responses on the socket, is `Other`. An item is known by its id: xAI gives every
item of a response the same `output_index`, and its calls have none.

A decoder decodes one response, from whatever came before it to its `response.done`. The socket stays open; each further
response takes a decoder of its own. An `error` is seldom fatal, for the session goes on; it is when it refuses the
`response.create` that asked, which is known by its `event_id`, or when the session is over.

A session that translates has no responses: its `session.output_transcript.delta` are text until `session.closed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .dialect import Dialect, Prompt
from .events import StreamEvent
from .openai_names import RUNS, Run
from .openai_output import OutputDecoder, function_tools
from .values import error_fields, member, name_of, object_of, word

__all__ = ["OPENAI_REALTIME", "RealtimeDecoder"]

#: The `event_id` of the message that asks for the response: an error that names it means that none will come.
_ASKING = "tokenwire_response"

#: Codes of errors after which the server closes the connection.
_LAST_WORDS = ("session_expired",)

_TEXT = Run("text", "content_index", "text")
_TRANSCRIPT = Run("text", "content_index", "transcript")

_RUNS = {
    **RUNS,
    "response.text": _TEXT,
    "response.output_audio_transcript": _TRANSCRIPT,
    "response.audio_transcript": _TRANSCRIPT,
    "session.output_transcript": _TEXT,
}


class RealtimeDecoder(OutputDecoder):
    """Decodes one response. Nothing can be resumed, so there is no cursor."""

    def __init__(self) -> None:
        super().__init__(_RUNS)
        self._response = ""

    def _place(self, value: dict[str, Any]) -> tuple[int | None, str]:
        known_by = self._odd.name(value.get("item_id"), "item_id") or name_of(member(value, "item", "id"))
        return None, known_by or ""

    def _is_of_another(self, value: dict[str, Any]) -> bool:
        named = word(value.get("response_id")) or word(member(value, "response", "id"))
        return bool(self._response) and named not in ("", self._response)

    def _start(self, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if not self._started:
            self._response = word(member(value, "response", "id"))
        return super()._start(value, raw, cursor)

    def _event(self, kind: str, value: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        match kind:
            case "response.done":
                return self._response_done(self._odd.object(value.get("response"), "response"), raw, cursor)
            case "session.created":
                self._model = word(member(value, "session", "model"))
                return []
            case "session.closed":
                return self._end(raw, cursor, clean=True)
            case "error":
                return self._said_error(error_fields(value) or value, raw, cursor)
            case _:
                return super()._event(kind, value, raw, cursor)

    def _response_done(self, response: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        if "status" not in response:
            self._odd.note("response")
        status = self._odd.name(response.get("status"), "status")
        details = object_of(response.get("status_details"), "error" if status == "failed" else "") or {}
        error = error_fields(details) or error_fields(response)
        return self._finish(status, word(details.get("reason")), error, response, raw, cursor)

    def _said_error(self, fields: dict[str, Any], raw: str, cursor: str | None) -> list[StreamEvent]:
        fatal = fields.get("event_id") == _ASKING or fields.get("code") in _LAST_WORDS
        error = self._error(fields, raw, cursor, fatal=fatal)
        return [error, *self._end(raw, cursor, clean=False)] if fatal else [error]


def _ask(prompt: Prompt) -> dict[str, Any]:
    """What `response.create` takes; its `input` becomes the conversation."""
    content = [{"type": "input_text", "text": prompt.text}]
    body: dict[str, Any] = {"model": prompt.model} if prompt.model else {}
    body["input"] = [{"type": "message", "role": "user", "content": content}]
    body["output_modalities"] = ["text"]
    if prompt.system:
        body["instructions"] = prompt.system
    if prompt.max_tokens is not None:
        body["max_output_tokens"] = prompt.max_tokens
    if prompt.tools:
        body["tools"] = function_tools(prompt.tools)
    return body


def _opening(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The model stands in the URL. Items go into the conversation, so that they are there for the next response too."""
    items = body.get("input")
    said = [{"type": "conversation.item.create", "item": item} for item in (items if isinstance(items, list) else ())]
    response = {name: value for name, value in body.items() if name not in ("model", "input")}
    return [*said, {"type": "response.create", "event_id": _ASKING, "response": response}]


OPENAI_REALTIME = Dialect(
    name="openai-realtime",
    framing="sse",
    path="/v1/realtime?model={model}",
    method="GET",
    content_type="",
    decoder=RealtimeDecoder,
    ask=_ask,
    body=dict,
    error_fields=error_fields,
    opening=_opening,
    websocket_only=True,
    reasoning=False,
    terminator="response.done",
)
