"""Amazon Bedrock's InvokeModelWithResponseStream: what the vendor of the model sends, wrapped.

In: messages of an event stream named `chunk`, whose data is `{"bytes": base64 of the vendor's JSON}`. Out: stream
events, with the vendor's JSON as `raw`. Whose it is shows in the first chunk: Anthropic's messages, chat completions,
Cohere's chat and Nova's (which are those of Converse) go to their own decoders; Llama's, Titan's, Mistral's, Cohere's
and Anthropic's older completions, which are text and a reason, are read here. The last chunk has what Bedrock counted.
A guardrail that intervened says so in any vendor's chunk, and what it gives instead of an answer is complete: it was
seen without the vendor's own end.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..framing.sse import ServerSentEvent
from .anthropic import ANTHROPIC_MESSAGES, AnthropicDecoder
from .bedrock import CONVERSE_EVENTS, BedrockDecoder, bedrock_error_fields
from .cohere import CohereV1Decoder
from .dialect import Dialect, DialectDecoder, Message, Prompt, chat_body
from .events import End, Error, Finish, FinishReason, Other, StreamEvent, Usage
from .json_decoder import GARBLED, JSONDecoder, incomplete
from .odd import Odd
from .openai_chat import ChatDecoder
from .values import index_of, items_of, json_text, member, parse, value_of

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

#: Lists of completions: Mistral's, and those of Titan and Cohere where the answer is no stream.
_OUTPUTS = ("outputs", "results", "generations")

#: What Bedrock counted, in the last chunk of any vendor, and whether a guardrail did something: INTERVENED or NONE.
_METRICS = "amazon-bedrock-invocationMetrics"
_GUARDRAIL = "amazon-bedrock-guardrailAction"

#: Members of a completion that need no `Other`: read here, or counted in `_METRICS` too.
_MEMBERS = (
    *_TEXTS, *_STOPS, *_OUTPUTS, "id", "index", "prompt", "type", "stop", "is_finished", "error", _METRICS, _GUARDRAIL,
    "tokenCount", "prompt_token_count", "generation_token_count", "inputTextTokenCount", "totalOutputTextTokenCount",
)  # fmt: skip


class BedrockInvokeDecoder:
    """Decodes one stream, by way of the decoder of the model's vendor."""

    def __init__(self) -> None:
        self._vendors: DialectDecoder | None = None
        self._odd = Odd()
        self._intervened = False
        self._filtered = False  # a `Finish` has said so
        self._failed = False
        self._lost = False  # a chunk could not be read, and what it said is missing

    def receive_message(self, message: Message) -> list[StreamEvent]:
        if message.event == "error" or message.event.endswith("Exception"):
            return self._read(ServerSentEvent("error", message.data, message.id))
        if _is_whole_answer(message):
            return self._read(message)
        inner = _unwrapped(message)
        if inner is None:
            self._lost = self._lost or _says_something(message.data)
            return [Other(message.event or "message", message.data)]
        chunk = parse(message.data)
        if "bytes" in chunk:
            self._odd.members(chunk, ("bytes", "p"))
        others: list[StreamEvent] = [Other(name, message.data) for name in self._odd.take()]
        return [*others, *self._read(inner)]

    def _read(self, message: Message) -> list[StreamEvent]:
        if self._vendors is None:
            self._vendors = _decoder_for(message)
        if _GUARDRAIL in message.data and member(value_of(message.data), _GUARDRAIL) == "INTERVENED":
            self._intervened = True
        return self._note(self._vendors.receive_message(message))

    def finished(self) -> bool:
        return self._intervened or (self._vendors is not None and self._vendors.finished())

    def receive_eof(self) -> list[StreamEvent]:
        return [End(clean=False)] if self._vendors is None else self._note(self._vendors.receive_eof())

    def _note(self, events: list[StreamEvent]) -> list[StreamEvent]:
        """The events of the vendor's decoder, with what the guardrail changes in them."""
        for event in events:
            if isinstance(event, Error):
                self._failed = self._failed or event.fatal
            elif isinstance(event, Finish) and self._intervened:
                event.reason = "content_filter"
                self._filtered = True
        if self._lost and events and isinstance(events[-1], End) and events[-1].clean:
            fields, end = incomplete(GARBLED), events[-1]
            self._failed = True
            return [*events[:-1], Error(fields["code"], fields["message"], True, end.raw), End(False, end.raw)]
        if not self._intervened or self._failed or not events or not isinstance(events[-1], End):
            return events
        told: list[StreamEvent] = [] if self._filtered else [Finish("content_filter", "INTERVENED", raw=events[-1].raw)]
        return [*events[:-1], *told, End(clean=True, raw=events[-1].raw)]


def _unwrapped(message: Message) -> Message | None:
    """The vendor's JSON as a message of its own; None for what is no chunk, or one that cannot be read. It may stand in
    the chunk as it is, or in the place of the chunk."""
    chunk = value_of(message.data)
    if message.event != "chunk" or not isinstance(chunk, dict):
        return None
    held = chunk.get("bytes", {name: it for name, it in chunk.items() if name != "p"})
    text = _decoded(held) if isinstance(held, str) else json_text(held)
    return ServerSentEvent("", text, "") if _objects(value_of(text)) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a message, which is one, or a list of them; none for anything else."""
    items = items_of(value)
    return items if all(isinstance(item, dict) and item for item in items) else []


def _is_whole_answer(message: Message) -> bool:
    """Whether it is no event of a stream, which has a name, but what InvokeModel answers: the vendor's JSON."""
    value = value_of(message.data) if message.event == "message" else None
    return isinstance(value, dict) and bool(value) and "bytes" not in value


def _says_something(payload: str) -> bool:
    """Whether there is something in a message that could not be read, beside padding."""
    value = value_of(payload)
    return member(value, "bytes") not in (None, "") if isinstance(value, dict) else bool(payload.strip())


def _decoded(text: str) -> str:
    """The text in base64; empty where it is none."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return ""


def _decoder_for(message: Message) -> DialectDecoder:
    """By what its first message has: that is where the vendors differ."""
    value = {} if message.event == "error" else _objects(parse(message.data))[0]
    if "completion" in value:
        return _CompletionDecoder()
    if "choices" in value or "object" in value:
        return ChatDecoder()
    if "event_type" in value:
        return CohereV1Decoder()
    if value.keys() & {*CONVERSE_EVENTS, "stopReason"}:
        return BedrockDecoder()
    return AnthropicDecoder() if "type" in value else _CompletionDecoder()


class _CompletionDecoder(JSONDecoder):
    """Decodes a stream of objects with text and, at its end, a reason. A block is a choice's text."""

    def __init__(self) -> None:
        super().__init__()
        self._stopped: set[int] = set()  # the choices that gave a reason and have not gone on since

    def finished(self) -> bool:
        return bool(self._stopped)

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw = message.data
        if message.event == "error":
            return None
        outputs = [output for name in _OUTPUTS for output in self._odd.objects(value.get(name), name, "text")]
        stops = {name: value[name] for name in _STOPS if value.get(name)}  # they may stand beside the outputs
        events = [event for output in outputs or [value] for event in self._output({**stops, **output}, raw)]
        for name in (it for it in _TEXTS if outputs and value.get(it)):
            self._odd.note(name)
        if isinstance(value.get(_METRICS), dict):
            events.append(Usage(value[_METRICS], complete=True, raw=raw))
        self._odd.members(value, _MEMBERS)
        return events if any(name in value for name in (*_OUTPUTS, _METRICS, *_TEXTS, *_STOPS)) else None

    def _output(self, output: dict[str, Any], raw: str) -> list[StreamEvent]:
        choice = index_of(output.get("index")) or 0
        said = {name: text for name in _TEXTS if (text := self._odd.text(output.get(name), name))}
        text = next(iter(said.values()), "")
        for name in (it for it in said if said[it] != text):
            self._odd.note(name)
        self._odd.members(output, _MEMBERS)
        events = self._blocks.run(choice, "text", text, raw, choice=choice)
        if events:
            self._stopped.discard(choice)
        for reason in filter(None, (self._odd.name(output.get(name), name) for name in _STOPS)):
            self._stopped.add(choice)
            events += self._blocks.close(choice, raw)
            events.append(self._noted(Finish(self._reason_of(reason, _REASONS), reason, choice, raw)))
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
