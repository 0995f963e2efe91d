"""What chunks say, and that it is the same without streaming."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from ...judging.case import Case, at, brief, gathered, offsets_of
from ...judging.registry import active, passive
from ...judging.verdict import Finding, Inconclusive, Level
from ...reading.chat import ChatStream, Choice
from .common import DESCRIPTION, at_end, has_choices, kind_of, message_of, text_of, whole_chat

MUST, SHOULD, INFO = Level.MUST, Level.SHOULD, Level.INFO


#: Where servers put what a model thinks. OpenAI's description has no field for it.
_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking", "thought")


#: Deltas that must repeat all that came before until they are called cumulative. Fewer may be chance.
_CUMULATIVE_DELTAS = 4


#: Choices that OpenAI gives at most (n).
_MOST_CHOICES = 128


@passive(
    "chat.content-type-string",
    MUST,
    DESCRIPTION,
    "The content of a delta is a string, or null.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
)
def content_type_string(chat: ChatStream) -> Iterator[Finding]:
    wrong = [choice for choice in chat.choices if not isinstance(choice.delta.get("content"), str | None)]
    if wrong:
        message = f"`content` of a delta is {kind_of(wrong[0].delta['content'])}"
        yield from gathered(chat.response, offsets_of(wrong), message)


@passive(
    "chat.delta-not-cumulative",
    MUST,
    DESCRIPTION,
    "Deltas add to each other; the message as it stands is not repeated.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
    breaks="openai 3.54.0 shows the beginning over and over again",
)
def delta_not_cumulative(chat: ChatStream) -> Iterator[Finding]:
    copies = [choice for choice in chat.choices if isinstance(choice.value.get("message"), dict)]
    yield from gathered(chat.response, offsets_of(copies), "a choice has a `message` beside its delta")
    for number in chat.finishes:
        said = [choice for choice in chat.choices if choice.number == number and choice.content.strip()]
        pairs = [(before.content, after.content) for before, after in pairwise(said)]
        grown = sum(len(after) > len(before) for before, after in pairs)
        if grown >= _CUMULATIVE_DELTAS - 1 and all(after.startswith(before) for before, after in pairs):
            message = f"every delta of choice {number} repeats what came before"
            yield Finding(message, at(chat.response, content=said[1].offset))


def _wanted(chat: ChatStream) -> int:
    """How many choices were asked for."""
    n = chat.stream.request.get("n")
    return n if type(n) is int and 0 < n <= _MOST_CHOICES else 1


@passive(
    "chat.n-choices",
    SHOULD,
    DESCRIPTION,
    "With n = 2, two choices come.",
    on="chats",
    when=lambda chat: _wanted(chat) > 1 and chat.judged_to_the_end,
    absent="no stream was asked for with n = 2 or more, or none was given",
    shown_by=("choices",),
)
def n_choices(chat: ChatStream) -> Iterator[Finding]:
    wanted = _wanted(chat)
    said = {choice.number for choice in chat.choices if choice.says_something}
    missing = sorted({*range(wanted)} - said)
    if not said:
        raise Inconclusive("no choice says anything")
    if missing:
        yield Finding(f"n = {wanted} was asked for, and nothing came for choice {missing[0]}", at_end(chat))


@passive(
    "chat.logprobs-aligned",
    SHOULD,
    DESCRIPTION,
    "The tokens of logprobs, joined, are the content.",
    on="chats",
    when=lambda chat: chat.judged_to_the_end and bool(_tokens(chat)),
    absent="no log probabilities came",
    shown_by=("logprobs",),
)
def logprobs_aligned(chat: ChatStream) -> Iterator[Finding]:
    # A limit may cut the last token in the middle of a character, which then is in no content.
    joined = b"".join(map(_token_bytes, _tokens(chat))).decode("utf-8", "ignore")
    content = chat.text().replace("\ufffd", "").encode("utf-8", "ignore").decode()
    if joined.replace("\ufffd", "") != content:
        message = f"the tokens make {brief(joined)}, the content is {brief(content)}"
        yield Finding(message, at_end(chat))


def _tokens(chat: ChatStream) -> list[dict[str, Any]]:
    """Those of the first choice."""
    return [token for choice in chat.choices if choice.number == 0 for token in _logprob_tokens(choice)]


def _logprob_tokens(choice: Choice) -> list[dict[str, Any]]:
    logprobs = choice.value.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return [token for token in content if isinstance(token, dict)] if isinstance(content, list) else []


def _token_bytes(token: dict[str, Any]) -> bytes:
    """The bytes of a token. They are given beside its text because a token may hold a part of a character."""
    given = token.get("bytes")
    if isinstance(given, list) and all(type(byte) is int and 0 <= byte < 256 for byte in given):
        return bytes(given)
    return text_of(token.get("token")).encode("utf-8", "ignore")


@active(
    "chat.stream-equals-nonstream",
    INFO,
    DESCRIPTION,
    "With temperature 0 and a seed, the streamed text is that of the whole answer.",
    probes=("logprobs", "whole"),
)
def stream_equals_nonstream(case: Case) -> Iterator[Finding]:
    chat = whole_chat(case, "logprobs")
    streamed, whole = chat.text(), text_of(message_of(case.accepted("whole")).get("content"))
    if not streamed or not whole:
        raise Inconclusive("one of the two answers has no text")
    if streamed != whole:
        place = next(
            (place for place, (a, b) in enumerate(zip(streamed, whole, strict=False)) if a != b),
            min(len(streamed), len(whole)),
        )
        parts = f"{brief(streamed[place : place + 20])} and {brief(whole[place : place + 20])}"
        yield Finding(f"the streamed text and the whole one part after {place} characters: {parts}", at_end(chat))


@passive(
    "chat.reasoning-field",
    INFO,
    "interoperability",
    "No reasoning travels in fields that OpenAI's description does not have.",
    on="chats",
    when=has_choices,
    absent="no choice was seen",
)
def reasoning_field(chat: ChatStream) -> Iterator[Finding]:
    for name in _REASONING_FIELDS:
        used = [choice for choice in chat.choices if choice.delta.get(name)]
        yield from gathered(chat.response, offsets_of(used), f"reasoning travels in delta.{name}")


@passive(
    "chat.required",
    MUST,
    DESCRIPTION,
    "Every chunk has id, created and model.",
    on="chats",
    breaks="openai 3.54.0 gives None",
)
def required(chat: ChatStream) -> Iterator[Finding]:
    for name in ("id", "created", "model"):
        absent = [payload for payload in chat.chunks if payload.value.get(name) is None]
        yield from gathered(chat.response, offsets_of(absent), f"a chunk has no `{name}`")
