"""Amazon Bedrock's InvokeModelWithResponseStream: what the vendor of the model sends, wrapped.

In: messages of an event stream named `chunk`, whose data is `{"bytes": base64 of the vendor's JSON}`. Out: stream
events, with the vendor's JSON as `raw`. Whose it is shows in the first chunk: Anthropic's messages, chat completions,
Cohere's chat and Nova's (which are those of Converse) go to their own decoders; Llama's, Titan's, Mistral's, Cohere's
and Anthropic's older completions, which are text and a reason, are read here. The last chunk has what Bedrock counted.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..framing.sse import ServerSentEvent
from .anthropic import ANTHROPIC_MESSAGES, AnthropicDecoder
from .bedrock import BedrockDecoder, bedrock_error_fields
from .cohere import CohereV1Decoder
from .dialect import Dialect, DialectDecoder, Message, Prompt, chat_body
from .events import End, Finish, FinishReason, Other, StreamEvent, Usage
from .json_decoder import JSONDecoder
from .openai_chat import ChatDecoder
from .values import error_fields, listed, member, parse, piece, word

__all__ = ["BEDROCK_INVOKE", "BedrockInvokeDecoder"]

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "FINISH": "stop",
    "FINISHED": "stop",
    "COMPLETE": "stop",
    "length": "length",
    "max_tokens": "length",
    "LENGTH": "length",
    "MAX_TOKENS": "length",
    "CONTENT_FILTERED": "content_filter",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
}

#: Where the text of a completion is, and its reason, by vendor: Meta, Amazon, Anthropic, Cohere and Mistral.
_TEXTS = ("generation", "outputText", "completion", "text")
_STOPS = ("stop_reason", "completionReason", "finish_reason")

#: What Bedrock counted, in the last chunk of any vendor.
_METRICS = "amazon-bedrock-invocationMetrics"


class BedrockInvokeDecoder:
    """Decodes one stream, by way of the decoder of the model's vendor."""

    def __init__(self) -> None:
        self._vendors: DialectDecoder | None = None

    def receive_message(self, message: Message) -> list[StreamEvent]:
        inner = message if message.event == "error" else _unwrapped(message)
        if inner is None:
            return [Other(message.event or "message", message.data)]
        if self._vendors is None:
            self._vendors = _decoder_for(inner)
        return self._vendors.receive_message(inner)

    def finished(self) -> bool:
        return self._vendors is not None and self._vendors.finished()

    def receive_eof(self) -> list[StreamEvent]:
        return [End(clean=False)] if self._vendors is None else self._vendors.receive_eof()


def _unwrapped(message: Message) -> Message | None:
    """The vendor's JSON as a message of its own; None for what is no chunk, or one that cannot be read."""
    if message.event != "chunk":
        return None
    try:
        data = base64.b64decode(word(member(parse(message.data), "bytes")), validate=True)
        text = data.decode()
        return ServerSentEvent("", text, "") if isinstance(parse(text), dict) else None
    except ValueError:
        return None


def _decoder_for(message: Message) -> DialectDecoder:
    """By what its first message has: that is where the vendors differ."""
    value = {} if message.event == "error" else parse(message.data)
    if "choices" in value or "object" in value:
        return ChatDecoder()
    if "event_type" in value:
        return CohereV1Decoder()
    if "messageStart" in value:
        return BedrockDecoder()
    return AnthropicDecoder() if "type" in value else _CompletionDecoder()


class _CompletionDecoder(JSONDecoder):
    """Decodes a stream of objects with text and, at its end, a reason. A block is a choice's text."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False

    def finished(self) -> bool:
        return self._stopped

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw = message.data
        if message.event == "error":
            return [self._error(error_fields(value) or value, raw)]
        events = [event for output in listed(value.get("outputs")) or [value] for event in self._output(output, raw)]
        if isinstance(value.get(_METRICS), dict):
            events.append(Usage(value[_METRICS], complete=True, raw=raw))
        known = ("outputs", _METRICS, *_TEXTS, *_STOPS)
        return events if any(name in value for name in known) else None

    def _output(self, output: dict[str, Any], raw: str) -> list[StreamEvent]:
        index = output.get("index")
        choice = index if isinstance(index, int) else 0
        text = "".join(piece(output.get(name)) for name in _TEXTS)
        events = self._blocks.run(choice, "text", text, raw, choice=choice)
        for reason in filter(None, (word(output.get(name)) for name in _STOPS)):
            self._stopped = True
            events += self._blocks.close(choice, raw)
            events.append(Finish(_REASONS.get(reason, "other"), reason, choice, raw))
        return events


def _ask(prompt: Prompt) -> dict[str, Any]:
    """Anthropic's models are asked in their own way, all others by a chat completion, which most that are newer take;
    for the rest the body has to be given."""
    if "anthropic." not in prompt.model:
        return chat_body(prompt)
    return {"anthropic_version": "bedrock-2023-05-31", **ANTHROPIC_MESSAGES.ask(prompt)}


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The model is in the path, and that the answer is a stream as well."""
    return {name: value for name, value in body.items() if name not in ("model", "stream")}


BEDROCK_INVOKE = Dialect(
    name="bedrock-invoke",
    framing="eventstream",
    path="/model/{model}/invoke-with-response-stream",
    method="POST",
    content_type="application/vnd.amazon.eventstream",
    decoder=BedrockInvokeDecoder,
    ask=_ask,
    body=_body,
    error_fields=bedrock_error_fields,
    terminator="the end that the model's vendor has",
)
