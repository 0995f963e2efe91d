"""Near misses of chat completion streams."""

from __future__ import annotations

import copy
from collections.abc import Callable
from operator import itemgetter

from tokenwire.endpoint import Seams

from ..faults import all_faults
from ..faults.fault import wants_tools
from .edits import Json, blocks, chunks
from .miss import Undo, near_miss

#: The chunk in which most of them are planted: some tokens after the first.
_PLACE = 4

_CHUNKS, _ENDING, _USAGE, _TOOLS, _CONTENT, _COMMON = (
    f"checks.chat.{name}" for name in ("chunks", "ending", "usage", "tools", "content", "common")
)


def _choice(chunk: Json) -> Json:
    choice: Json = chunk["choices"][0]
    return choice


def _finish(told: list[Json]) -> int:
    """Where the chunk with the reason to stop stands."""
    return next(place for place, chunk in enumerate(told) if chunk["choices"] and _choice(chunk)["finish_reason"])


def _a_chunk(told: list[Json]) -> Json:
    return told[_PLACE]


def _a_choice(told: list[Json]) -> Json:
    return _choice(told[_PLACE])


def _a_delta(told: list[Json]) -> Json:
    delta: Json = _a_choice(told)["delta"]
    return delta


def _the_finish(told: list[Json]) -> Json:
    return _choice(told[_finish(told)])


def _with(members: Json, of: Callable[[list[Json]], Json]) -> type[Seams]:
    """Members of one object of the stream."""

    def edit(told: list[Json]) -> list[Json]:
        of(told).update(members)
        return told

    return chunks(edit)


def _empty_after_finish(told: list[Json]) -> list[Json]:
    place = _finish(told)
    empty = {**_choice(told[place]), "finish_reason": None, "delta": {}}
    return [*told[: place + 1], {**told[place], "choices": [empty]}, *told[place + 1 :]]


def _usage_twice(told: list[Json]) -> list[Json]:
    told[-2]["usage"] = told[-1]["usage"]
    return told


def _laughing(told: list[Json]) -> list[Json]:
    """Every delta is the one before."""
    for chunk in told:
        if chunk["choices"] and _choice(chunk)["delta"].get("content"):
            _choice(chunk)["delta"]["content"] = " ha"
    return told


def _bytes_only(chunk: Json) -> Json:
    """The texts of the log probabilities are no characters; their bytes are."""
    for token in ((_choice(chunk).get("logprobs") or {}).get("content") or []) if chunk["choices"] else []:
        token.update(bytes=list(token["token"].encode()), token="?")  # noqa: S106 - a piece of text
    return chunk


def _tools(edit: Callable[[int, Json], None]) -> type[Seams]:
    """Each delta of a tool call, with its number."""

    def edited(told: list[Json]) -> list[Json]:
        deltas = [delta for chunk in told for delta in _choice(chunk)["delta"].get("tool_calls", [])]
        for number, delta in enumerate(deltas):
            edit(number, delta)
        return told

    return chunks(edited, when=wants_tools)


def _is_custom(number: int, delta: Json) -> None:
    if "type" in delta:
        delta["type"] = "custom"
    delta["custom"] = delta.pop("function")


def _id_each_time() -> Seams:
    ids: dict[int, str] = {}

    def edit(number: int, delta: Json) -> None:
        delta["id"] = ids.setdefault(delta["index"], delta.get("id", ""))

    return _tools(edit)()


def _finished_twice(first: str, second: str, *, numbered: bool = True) -> Callable[[list[Json]], list[Json]]:
    """The reason to stop comes twice, the first time in the chunk before."""

    def edit(told: list[Json]) -> list[Json]:
        place = _finish(told)
        again = copy.deepcopy(told[place])
        _choice(told[place])["finish_reason"] = first
        _choice(again)["finish_reason"] = second
        if not numbered:
            del _choice(again)["index"]
        return [*told[: place + 1], again, *told[place + 1 :]]

    return edit


def _third_choice(told: list[Json]) -> list[Json]:
    more = copy.deepcopy(told[_PLACE])
    _choice(more)["index"] = 2
    return [*told[:_PLACE], more, *told[_PLACE:]]


def _one_call(told: list[Json]) -> list[Json]:
    """Of two calls the first alone."""
    return [chunk for chunk in told if all(not call["index"] for call in _choice(chunk)["delta"].get("tool_calls", []))]


near_miss(
    "chat.object",
    of="wrong-object",
    what="An object without `object` is an error, and no chunk.",
    seams=blocks(lambda told: [*told[:_PLACE], b'data: {"error":{"message":"failed"}}\n\n']),
    undo=Undo(
        "reading.chat",
        " for payload in self.stream.objects if not _is_error(payload.value)]",
        " for payload in self.stream.objects]",
    ),
)
near_miss(
    "chat.id-constant",
    of="new-id-per-chunk",
    what="The first chunk has an empty id, as Azure's has.",
    seams=_with({"id": ""}, itemgetter(0)),
    undo=Undo(
        _CHUNKS,
        "for payload in chat.chunks if payload.value.get(name)]",
        "for payload in chat.chunks if name in payload.value]",
    ),
)
near_miss(
    "chat.created-model-constant",
    of="drift-created",
    what="The first chunk has an empty model, as Azure's has.",
    seams=_with({"model": ""}, itemgetter(0)),
    undo=Undo(
        _CHUNKS,
        "for payload in chat.chunks if payload.value.get(name)]",
        "for payload in chat.chunks if name in payload.value]",
    ),
)
near_miss(
    "chat.choices-array",
    of="usage-without-choices",
    what="The first chunk has no choice in its array, as Azure's has.",
    seams=_with({"choices": []}, itemgetter(0)),
    undo=Undo(
        _CHUNKS,
        'if not isinstance(payload.value["choices"], list)]',
        'if not payload.value["choices"] and not payload.value["usage"]]',
    ),
)
near_miss(
    "chat.choice-index",
    of="no-choice-index",
    what="The index of a choice is 1, and there is no choice 0 in its chunk.",
    seams=_with({"index": 1}, _a_choice),
    undo=Undo(_CHUNKS, 'type(choice.value.get("index")) is not int', 'choice.value.get("index") != 0'),
)
near_miss(
    "chat.delta-object",
    of="choice-without-delta",
    what="A delta in the middle is empty.",
    seams=_with({"delta": {}}, _a_choice),
    undo=Undo(
        _CHUNKS,
        'if not isinstance(choice.value.get("delta"), dict)]',
        'if not choice.value.get("delta") and not choice.finish]',
    ),
)
near_miss(
    "chat.role-once",
    of="role-each-chunk",
    what="The role of a later delta is null.",
    seams=_with({"role": None}, _a_delta),
    undo=Undo(_CHUNKS, 'if choice.delta.get("role") is not None]', 'if "role" in choice.delta]'),
)
near_miss(
    "chat.required",
    of="no-created",
    what="`created` is 0.",
    seams=_with({"created": 0}, _a_chunk),
    undo=Undo(_CONTENT, "if payload.value.get(name) is None]", "if not payload.value.get(name)]"),
)
near_miss(
    "chat.finish-key",
    of="empty-finish",
    what="The reason is function_call, which is documented and deprecated.",
    seams=_with({"finish_reason": "function_call"}, _the_finish),
    undo=Undo(_ENDING, '"content_filter", "function_call"}', '"content_filter"}'),
)
near_miss(
    "chat.finish-last",
    of="finish-first-chunk",
    what="An empty delta follows the reason.",
    seams=chunks(_empty_after_finish),
    undo=Undo(
        _ENDING,
        "if choice.number in finished and choice.says_something and choice.is_numbered:",
        "if choice.number in finished:",
    ),
)
near_miss(
    "chat.finish-chunk-empty",
    of="finish-with-content",
    what="The delta of the chunk with the reason has an empty content.",
    seams=_with({"delta": {"content": ""}}, _the_finish),
    undo=Undo(_ENDING, "if choice.finish and choice.says_something]", "if choice.finish and choice.delta]"),
)
near_miss(
    "chat.done",
    of="no-done",
    what="Blanks stand around the end mark.",
    seams=blocks(lambda told: [*told[:-1], b"data:  [DONE] \n\n"]),
    undo=Undo("reading.stream", "return self.data.strip() == SENTINEL", "return self.data == SENTINEL"),
)
near_miss(
    "chat.usage-chunk",
    of="usage-ignored",
    what="The chunk with the reason has usage too, besides the one of its own.",
    seams=chunks(_usage_twice),
    undo=Undo(
        _USAGE, 'own = [payload for payload in chat.usages if not payload.value.get("choices")]', "own = chat.usages"
    ),
)
near_miss(
    "chat.usage-null",
    of="usage-everywhere",
    what="The one chunk with usage is the last, but has a choice.",
    seams=all_faults()["usage-on-finish"].seams,
    undo=Undo(_USAGE, "if payload is not last]", 'if payload.value["choices"]]'),
)
near_miss(
    "chat.usage-sums",
    of="usage-delta",
    what="The same usage comes twice: it does not fall.",
    seams=chunks(_usage_twice),
    undo=Undo(_USAGE, "if counts[name] < count]", "if counts[name] <= count]"),
)
near_miss(
    "chat.tool-index",
    of="no-tool-index",
    what="The indexes of the calls do not begin at 0.",
    seams=_tools(lambda number, delta: delta.update(index=delta["index"] + 5)),
    undo=Undo(_TOOLS, 'if type(delta.get("index")) is not int]', 'if delta.get("index") not in range(5)]'),
)
near_miss(
    "chat.tool-index-unique",
    of="tool-index-zero",
    what="The id of a call comes with each of its deltas, so that an index has it again.",
    seams=_id_each_time,
    undo=Undo(_COMMON, "(given and call.id and given != call.id)", "(given and call.id)"),
)
near_miss(
    "chat.tool-id-once",
    of="repeat-tool-name",
    what="The later deltas of a call have an empty id.",
    seams=_tools(lambda number, delta: delta.setdefault("id", "")),
    undo=Undo(_TOOLS, "if text_of(value)][1:]", "if value is not None][1:]"),
)
near_miss(
    "chat.tool-first-delta",
    of="late-tool-name",
    what="The tool is one of the client's own, whose name stands in `custom`.",
    seams=_tools(_is_custom),
    undo=Undo(_TOOLS, 'delta.get("function") or delta.get("custom")', 'delta.get("function")'),
)
near_miss(
    "chat.tool-args-json",
    of="drop-args-tail",
    what="A piece of the arguments is null.",
    seams=_tools(lambda number, delta: delta["function"].update(arguments=None) if "id" in delta else None),
    undo=Undo(_TOOLS, "if piece is not None and not isinstance(piece, str)]", "if not isinstance(piece, str)]"),
)
near_miss(
    "chat.content-type-string",
    of="content-list",
    what="The content of a delta in the middle is null.",
    seams=_with({"content": None}, _a_delta),
    undo=Undo(
        _CONTENT,
        'if not isinstance(choice.delta.get("content"), str | None)]',
        'if not isinstance(choice.delta.get("content", ""), str)]',
    ),
)
near_miss(
    "chat.delta-not-cumulative",
    of="cumulative",
    what="Every delta is the one before: a laugh, and no message that grows.",
    seams=chunks(_laughing),
    undo=Undo(_CONTENT, "if grown >= _CUMULATIVE_DELTAS - 1 and all(", "if all("),
)
near_miss(
    "chat.logprobs-aligned",
    of="logprob-shift",
    what="A token says by its bytes what its text cannot.",
    seams=chunks(lambda told: [_bytes_only(chunk) for chunk in told], when=lambda call: b'"logprobs"' in call.body),
    undo=Undo(_CONTENT, "if isinstance(given, list) and all(", "if not given and all("),
)
near_miss(
    "chat.reasoning-field",
    of="rename-reasoning",
    what="The field for reasoning is there, and empty.",
    seams=_with({"reasoning_content": ""}, _a_delta),
    undo=Undo(_CONTENT, "if choice.delta.get(name)]", "if name in choice.delta]"),
)
near_miss(
    "chat.finish-once",
    of="two-finish",
    what="Of two reasons to stop one has no index: it may be that of another choice.",
    seams=chunks(_finished_twice("stop", "stop", numbered=False)),
    undo=Undo(
        _ENDING, "if len(reasons) > 1 and all(choice.is_numbered for choice in chat.choices):", "if len(reasons) > 1:"
    ),
)
near_miss(
    "chat.finish-length",
    of="always-stop",
    what="The limit is the second of two reasons to stop.",
    seams=chunks(_finished_twice("stop", "length"), when=lambda call: b'"max_tokens": 3,' in call.body),
    undo=Undo(_ENDING, 'if "length" in reasons:', 'if reasons[0] == "length":'),
)
near_miss(
    "chat.finish-tools",
    of="stop-on-tools",
    what="tool_calls is the second of two reasons to stop.",
    seams=chunks(_finished_twice("stop", "tool_calls"), when=wants_tools),
    undo=Undo(_ENDING, 'if "tool_calls" not in reasons:', 'if reasons[0] != "tool_calls":'),
)
near_miss(
    "chat.tools-same-as-nonstream",
    of="tools-only-nonstream",
    what="When streaming one tool is called, otherwise two.",
    seams=chunks(_one_call, when=wants_tools),
    undo=Undo(
        _TOOLS,
        'bool(calls_of(chat)), bool(message.get("tool_calls"))',
        'len(calls_of(chat)), len(message.get("tool_calls") or [])',
    ),
)
near_miss(
    "chat.n-choices",
    of="one-choice-lost",
    what="A third choice comes.",
    seams=chunks(_third_choice, when=lambda call: b'"n": 2' in call.body),
    undo=Undo(_CONTENT, "sorted({*range(wanted)} - said)", "sorted({*range(wanted)} ^ said)"),
)
near_miss(
    "chat.stream-equals-nonstream",
    of="drop-chunk",
    what="A second choice says something else.",
    seams=chunks(_third_choice, when=lambda call: b'"logprobs"' in call.body),
    undo=Undo("reading.chat", "for choice in self.choices if choice.number == number)", "for choice in self.choices)"),
)
