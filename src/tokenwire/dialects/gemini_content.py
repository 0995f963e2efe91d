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
from .values import arguments_of, listed, name_of, object_of, piece, word

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
        self._call: _Call | None = None  # one whose arguments are still coming

    def receive(self, content: Any, raw: str) -> list[StreamEvent]:
        """Takes a content; what is none is odd."""
        read = self._odd.object(content, "content")
        parts = self._odd.objects(read.get("parts"), "parts")
        events = [event for part in parts for event in self._part(part, raw)]
        return events + others(read, _CONTENT, raw)

    def _part(self, part: dict[str, Any], raw: str) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        text = self._odd.text(part.get("text"), "text")
        if text:
            kind: BlockKind = "reasoning" if part.get("thought") is True else "text"
            events = self.settle(raw)
            events += self._blocks.run(self._choice, kind, text, raw, choice=self._choice)
        if not text and part.get("thought") not in (None, True, False, ""):
            self._odd.note("thought")
        call = object_of(part.get("functionCall"))
        if call is None:
            self._odd.note("functionCall")
        elif "functionCall" in part:
            events += self.receive_call(call, raw)
        return events + others(part, _PART, raw)

    def receive_call(self, call: dict[str, Any], raw: str) -> list[StreamEvent]:
        """Takes a function call, or more of one."""
        events: list[StreamEvent] = []
        if self._call is None or self._call.is_another(call):
            if not call:
                return [Other("functionCall", raw)]
            events = self.settle(raw) + self._open(call, raw)
        assert self._call is not None
        if "partialArgs" in call:
            events.append(Other("partialArgs", raw))
        events += others(call, _CALL, raw)
        if not self._call.receive(call):
            self._odd.note("args")
        return events if call.get("willContinue") is True else events + self.settle(raw)

    def settle(self, raw: str) -> list[StreamEvent]:
        """A call whose arguments were still coming has all that it will get."""
        if self._call is None:
            return []
        arguments = self._call.arguments()
        self._blocks.call_cut = self._blocks.call_cut or self._call.cut
        name, self._call = self._call.name, None
        if arguments is None:
            message = f"the patches of the arguments of {name or 'a function'} make no object"
            events: list[StreamEvent] = [Error("invalid_arguments", message, False, raw)]
        else:
            events = self._blocks.delta(self._choice, arguments, raw)
        return events + self._blocks.close(self._choice, raw)

    def _open(self, call: dict[str, Any], raw: str) -> list[StreamEvent]:
        self.called = True
        self._call = _Call(self._odd.name(call.get("id"), "id"), self._odd.name(call.get("name"), "name"))
        choice, tool_id, name = self._choice, self._call.tool_id, self._call.name
        return self._blocks.open(choice, "tool", raw, tool_id=tool_id, name=name, choice=choice)


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
        if not name:
            return False
        return name != self.name or (tool_id != "" and tool_id != self.tool_id) or "partialArgs" not in call

    def receive(self, call: dict[str, Any]) -> bool:
        """Whether its arguments could be read."""
        args = object_of(call.get("args"))
        if args is None:
            self._text += arguments_of(call["args"]) or ""
        else:
            self._whole |= args
        for patch in listed(call.get("partialArgs")):
            self._patch(patch)
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
        if path in self._unfinished:
            self._unfinished.discard(path)
            self._leaves[path].append(piece(text))
        elif isinstance(text, str):
            self._leaves[path] = [text]
        elif isinstance(number, int | float) and not isinstance(number, bool):
            self._leaves[path] = number
        elif isinstance(truth, bool):
            self._leaves[path] = truth
        elif "nullValue" in patch:
            self._leaves[path] = None
        else:
            self._readable = False
        if patch.get("willContinue") is True and isinstance(self._leaves.get(path), list):
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
