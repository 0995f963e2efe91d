"""What every chunk has."""

from __future__ import annotations

from collections.abc import Iterator

from ...judging.case import brief, gathered, offsets_of
from ...judging.registry import passive
from ...judging.verdict import Finding, Level
from ...reading.chat import ChatStream
from .common import DESCRIPTION, has_choices, kind_of

MUST, SHOULD = Level.MUST, Level.SHOULD


@passive(
    "chat.object",
    MUST,
    DESCRIPTION,
    "Every chunk has object: chat.completion.chunk.",
    on="chats",
    breaks="the stream helper of openai 3.54.0 passes over every other chunk, and with it over its content",
)
def object_(chat: ChatStream) -> Iterator[Finding]:
    wrong = [payload for payload in chat.chunks if payload.value.get("object") != "chat.completion.chunk"]
    if wrong:
        said = f"is {brief(wrong[0].value['object'])}" if "object" in wrong[0].value else "is absent"
        yield from gathered(chat.response, offsets_of(wrong), f"`object` of a chunk {said}")


@passive(
    "chat.id-constant",
    MUST,
    DESCRIPTION,
    "All chunks of a stream have the same id.",
    on="chats",
)
def id_constant(chat: ChatStream) -> Iterator[Finding]:
    return _constant(chat, "id")


@passive(
    "chat.created-model-constant",
    SHOULD,
    DESCRIPTION,
    "All chunks of a stream have the same created and the same model.",
    on="chats",
)
def created_model_constant(chat: ChatStream) -> Iterator[Finding]:
    yield from _constant(chat, "created")
    yield from _constant(chat, "model")


def _constant(chat: ChatStream, name: str) -> Iterator[Finding]:
    """Whether a member stays the same. An empty one says nothing: Azure opens a stream so."""
    given = [payload for payload in chat.chunks if payload.value.get(name)]
    changed = [payload for payload in given if payload.value[name] != given[0].value[name]]
    yield from gathered(chat.response, offsets_of(changed), f"`{name}` of a chunk is not that of the first")


@passive(
    "chat.choices-array",
    MUST,
    DESCRIPTION,
    "Every chunk has choices, an array of objects; that of usage has an empty one.",
    on="chats",
    breaks="openai 3.54.0 gives None for them: TypeError in every loop over choices, and in its own stream helper",
)
def choices_array(chat: ChatStream) -> Iterator[Finding]:
    absent = [payload for payload in chat.chunks if "choices" not in payload.value]
    yield from gathered(chat.response, offsets_of(absent), "a chunk has no `choices`")
    present = [payload for payload in chat.chunks if "choices" in payload.value]
    no_array = [payload for payload in present if not isinstance(payload.value["choices"], list)]
    if no_array:
        message = f"`choices` of a chunk is {kind_of(no_array[0].value['choices'])}"
        yield from gathered(chat.response, offsets_of(no_array), message)
    arrays = [payload for payload in present if isinstance(payload.value["choices"], list)]
    odd = [payload for payload in arrays if not all(isinstance(choice, dict) for choice in payload.value["choices"])]
    yield from gathered(chat.response, offsets_of(odd), "a member of `choices` is no object")


@passive(
    "chat.choice-index",
    MUST,
    DESCRIPTION,
    "Every choice has an integer index.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
    breaks="the stream helper of openai 3.54.0 raises TypeError",
)
def choice_index(chat: ChatStream) -> Iterator[Finding]:
    wrong = [choice for choice in chat.choices if type(choice.value.get("index")) is not int]
    yield from gathered(chat.response, offsets_of(wrong), "a choice has no integer `index`")


@passive(
    "chat.delta-object",
    MUST,
    DESCRIPTION,
    "Every choice has a delta, an object, be it empty.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
    breaks="openai 3.54.0 gives None for it: AttributeError at choice.delta.content, and in its own stream helper",
)
def delta_object(chat: ChatStream) -> Iterator[Finding]:
    wrong = [choice for choice in chat.choices if not isinstance(choice.value.get("delta"), dict)]
    if wrong:
        said = f"is {kind_of(wrong[0].value['delta'])}" if "delta" in wrong[0].value else "is absent"
        yield from gathered(chat.response, offsets_of(wrong), f"`delta` of a choice {said}")


@passive(
    "chat.role-once",
    SHOULD,
    DESCRIPTION,
    "The role comes at most once in a choice, and is assistant.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
    breaks="the stream helper of openai 3.54.0 joins repeated roles to 'assistantassistant'",
)
def role_once(chat: ChatStream) -> Iterator[Finding]:
    given = [choice for choice in chat.choices if choice.delta.get("role") is not None]
    wrong = [choice for choice in given if choice.delta["role"] != "assistant"]
    if wrong:
        message = f"the role of a delta is {brief(wrong[0].delta['role'])}, not assistant"
        yield from gathered(chat.response, offsets_of(wrong), message)
    for number in chat.finishes:
        repeated = [choice for choice in given if choice.number == number and choice.is_numbered][1:]
        message = f"the role comes again in a later delta of choice {number}"
        yield from gathered(chat.response, offsets_of(repeated), message)
