"""What Gemini's dialects share: the parts of a content, function calls whole and in patches, and how to ask.

A part is text, a thought, or a function call; anything else that it has becomes an `Other` of the member's name
(signatures, inline data, executable code and its result). Arguments of a function call come as one object, or, where
the request asks for it, as patches: each has a JSON path (RFC 9535) and a value, strings in several pieces. Patches are
no pieces of a JSON text, so they are put together and given as one `ToolCallDelta` when the call is complete.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from .blocks import Blocks
from .dialect import Prompt
from .events import BlockKind, Error, Other, StreamEvent
from .odd import Odd
from .values import arguments_of, is_true, items_of, name_of, object_of, text_of, word

__all__ = ["Content", "goog_key", "others", "setting", "user_turn"]

#: Members that need no `Other`.
_CONTENT = ("parts", "role")
_PART = ("text", "thought", "functionCall")
_CALL = ("id", "name", "args", "partialArgs", "willContinue")

#: One step of a JSON path: a name after a dot or in quotes, or an index. Names with escapes are not read.
_STEP = re.compile(r"""\.([^.\[\]'"\\]+)|\[(\d{1,9})\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]""")


def others(value: dict[str, Any], known: tuple[str, ...], raw: str) -> list[StreamEvent]:
    """An `Other` for each member that is there, holds something, and is not known."""
    return [Other(word(name), raw) for name, held in value.items() if held and name not in known]


class Content:
    """Reads the parts of one candidate, or of one turn, into one block after the other."""

    def __init__(self, blocks: Blocks, odd: Odd, choice: int = 0) -> None:
        #: Functions were called.
        self.called: bool = False
        self._blocks = blocks
        self._odd = odd
        self._choice = choice
        self._coming: dict[str, _Call] = {}  # by their ids, those whose arguments are still coming
        self._known: dict[str, _Call] = {}  # those that are whole, by their ids

    def receive(self, content: Any, raw: str) -> list[StreamEvent]:
        """Takes a content; what is none is odd. A text stands for a part of text, and parts may stand there alone."""
        events: list[StreamEvent] = []
        for read in self._odd.objects(content, "content", "parts"):
            parts = self._odd.objects(read.get("parts"), "parts", "text")
            events += [event for part in parts for event in self._part(part, raw)]
            aside = {name: held for name, held in read.items() if name not in _CONTENT}
            events += self._part(aside, raw) if aside and not parts else others(aside, (), raw)
        return events

    def _part(self, part: dict[str, Any], raw: str) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        text = self._odd.text(part.get("text"), "text")
        if text:
            kind: BlockKind = "reasoning" if is_true(part.get("thought")) else "text"
            events = self.settle(raw)
            events += self._blocks.run(self._choice, kind, text, raw, choice=self._choice)
        if part.get("thought") and not (is_true(part["thought"]) or word(part["thought"]).lower() == "false"):
            self._odd.note("thought")
        called = part.get("functionCall")
        calls = self._odd.objects(called, "functionCall") or ([{}] if called == {} else [])
        events += [event for call in calls for event in self.receive_call(call, raw)]
        return events + others(part, _PART, raw)

    def receive_call(self, call: dict[str, Any], raw: str) -> list[StreamEvent]:
        """Takes a function call, or more of one. One that comes a second time, as it does in a part and in a `toolCall`
        of Gemini Live, is told as what it is, and not given."""
        is_whole = not (is_true(call.get("willContinue")) or "partialArgs" in call)
        earlier = self._known.get(name_of(call.get("id")) or "")
        if is_whole and earlier is not None and earlier.is_same(call):
            return [Other("functionCall", raw)]
        current = self._more_of(call)
        events: list[StreamEvent] = []
        if current is None:
            if not call:
                return [Other("functionCall", raw)]
            current = _Call(self._odd.name(call.get("id"), "id"), self._odd.name(call.get("name"), "name"))
            events = self._open(current, raw)
        if "partialArgs" in call:
            events.append(Other("partialArgs", raw))
        events += others(call, _CALL, raw)
        if not current.receive(call):
            self._odd.note("args")
        return events if is_true(call.get("willContinue")) else events + self._settle(current, raw)

    def settle(self, raw: str) -> list[StreamEvent]:
        """Calls whose arguments were still coming have all that they will get."""
        return [event for call in list(self._coming.values()) for event in self._settle(call, raw)]

    def _settle(self, call: _Call, raw: str) -> list[StreamEvent]:
        del self._coming[call.tool_id]
        arguments = call.arguments()
        self._blocks.call_cut = self._blocks.call_cut or call.cut
        if call.tool_id:
            self._known[call.tool_id] = call
        if arguments is None:
            message = f"the patches of the arguments of {call.name or 'a function'} make no object"
            events: list[StreamEvent] = [Error("invalid_arguments", message, False, raw)]
        else:
            events = self._blocks.delta(call, arguments, raw)
        return events + self._blocks.close(call, raw)

    def _more_of(self, call: dict[str, Any]) -> _Call | None:
        """The call that this is more of: the one with its id, or else the last one."""
        by_id = self._coming.get(name_of(call.get("id")) or "")
        last = by_id or next(reversed(self._coming.values()), None)
        return None if last is None or last.is_another(call) else last

    def _open(self, call: _Call, raw: str) -> list[StreamEvent]:
        """Text before a call has ended, and so have other calls, unless they are told apart by their ids."""
        self.called = True
        together = call.tool_id and "" not in self._coming
        events = [] if together else self.settle(raw)
        events += self._blocks.close(self._choice, raw)
        self._coming[call.tool_id] = call
        return events + self._blocks.open(call, "tool", raw, tool_id=call.tool_id, name=call.name, choice=self._choice)


class _Call:
    """A function call and what has come of its arguments."""

    def __init__(self, tool_id: str, name: str) -> None:
        self.tool_id = tool_id
        self.name = name
        self._text = ""  # arguments that are no object, as they came
        self._whole: dict[str, Any] = {}
        self._leaves: dict[str, Any] = {}  # by JSON path; a string as the list of its pieces
        self._unfinished: set[str] = set()  # the paths of strings that go on
        self._readable = True

    def is_another(self, call: dict[str, Any]) -> bool:
        """Whether it is not more of this one, which repeats name and id or leaves them out."""
        tool_id, name = name_of(call.get("id")) or "", name_of(call.get("name")) or ""
        if tool_id and self.tool_id:
            return tool_id != self.tool_id
        return bool(name) and (name != self.name or tool_id != "" or "partialArgs" not in call)

    def is_same(self, call: dict[str, Any]) -> bool:
        """Whether it is this one once more, which is whole."""
        return name_of(call.get("name")) == self.name and object_of(call.get("args")) == self._whole

    def receive(self, call: dict[str, Any]) -> bool:
        """Whether its arguments could be read."""
        args = object_of(call.get("args"))
        if args is None:
            self._text += arguments_of(call["args"]) or ""
        else:
            self._whole |= args
        patches = [object_of(it) for it in items_of(call.get("partialArgs"))]
        for patch in patches:
            self._patch(patch or {})
        return args is not None or bool(self._text and not self._whole and not self._leaves)

    @property
    def cut(self) -> bool:
        """A string of them was to go on."""
        return bool(self._unfinished)

    def arguments(self) -> str | None:
        """The JSON text of all of them; None where the patches do not fit together."""
        if self._text and not self._whole and not self._leaves:
            return self._text
        try:
            for path, value in self._leaves.items():
                _put(self._whole, path, "".join(value) if isinstance(value, list) else value)
        except LookupError:
            return None
        return arguments_of(self._whole) if self._readable and not self._text else None

    def _patch(self, patch: dict[str, Any]) -> None:
        path = word(patch.get("jsonPath"))
        text, number, truth = patch.get("stringValue"), patch.get("numberValue"), patch.get("boolValue")
        said = text_of(text)
        if said is None:
            self._readable = False
        elif path in self._unfinished:
            self._unfinished.discard(path)
            self._leaves[path].append(said)
        elif text is not None:
            self._leaves[path] = [said]
        elif isinstance(number, int | float) and not isinstance(number, bool):
            self._leaves[path] = number
        elif isinstance(truth, bool):
            self._leaves[path] = truth
        elif "nullValue" in patch:
            self._leaves[path] = None
        else:
            self._readable = False
        if is_true(patch.get("willContinue")) and isinstance(self._leaves.get(path), list):
            self._unfinished.add(path)


def _put(root: dict[str, Any], path: str, value: Any) -> None:
    """Puts a value where the path leads.

    :raises LookupError: when it leads nowhere.
    """
    keys = _keys(path)
    node: Any = root
    for key, following in pairwise(keys):
        node = _child(node, key, [] if isinstance(following, int) else {})
    if not keys or _child(node, keys[-1], value) is not value:
        raise LookupError(path)


def _child(node: Any, key: str | int, new: Any) -> Any:
    """What stands in an object or array under a key; `new` where nothing does, and where the array goes on with it."""
    if isinstance(node, dict) and isinstance(key, str):
        return node.setdefault(key, new)
    if isinstance(node, list) and isinstance(key, int):
        if key == len(node):
            node.append(new)
        return node[key]
    raise LookupError(key)


def _keys(path: str) -> list[str | int]:
    """The steps of a JSON path that leads to one place; none where it cannot be read."""
    keys: list[str | int] = []
    place = 1
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            return []
        keys.append(int(step[2]) if step[2] else step[step.lastindex or 0])
        place = step.end()
    return keys if path.startswith("$") else []


def goog_key(key: str) -> dict[str, str]:
    """The field of a key for Google's API. Servers log URLs, so it has no place in the query."""
    return {"x-goog-api-key": key}


def user_turn(prompt: Prompt) -> dict[str, Any]:
    """What the user says."""
    return {"role": "user", "parts": [{"text": prompt.text}]}


def setting(prompt: Prompt) -> dict[str, Any]:
    """What stands around it: the instruction, the limit and the tools."""
    body: dict[str, Any] = {}
    if prompt.system:
        body["systemInstruction"] = {"parts": [{"text": prompt.system}]}
    if prompt.max_tokens is not None:
        body["generationConfig"] = {"maxOutputTokens": prompt.max_tokens}
    if prompt.tools:
        functions = [
            {"name": t.name, "description": t.description, "parametersJsonSchema": dict(t.parameters)}
            for t in prompt.tools
        ]
        body["tools"] = [{"functionDeclarations": functions}]
    return body
