"""A2A 1.0 and 0.3, the Agent2Agent protocol: what an agent says about one task while it works on it.

`A2AReader` gives the updates typed, from either binding over HTTP: JSON-RPC, where each is the `result` of a response,
and HTTP+JSON, where each stands alone:

    reader = A2AReader(content_type=response_content_type)
    for update in reader.receive_data(chunk): ...       # Task, AgentMessage, StatusUpdate, ArtifactUpdate, …
    for update in reader.receive_eof(): ...
    reader.ended                                        # the task has come to its end, or waits for somebody
    reader.task_id                                      # where it has not: SubscribeToTask

A stream ends with a message, with a state that is final, or with one in which the agent waits. A task that is sent as a
snapshot, as the first thing after SubscribeToTask, may be waiting already: then more may follow, or the end. No event
is replayed: the snapshot holds what was missed.

In 0.3 the result of a response is the update itself, whose `kind` names it; states are written in lower case; and a
status update says by itself whether it is the last: `final`.

The dialect "a2a" gives the same as stream events: each update an `Other` named for its kind, then the `Finish` and the
`End`. The text of artifacts is no `TextDelta`: an update may replace what an earlier one said, which no delta can.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..framing.sse import MAX_EVENT_SIZE, ServerSentEvent
from .dialect import Again, Broken, Dialect, Message, Prompt
from .events import Finish, FinishReason, Other, StreamEvent
from .json_decoder import JSONDecoder
from .jsonrpc import ErrorResponse, Reply, Response, Unreadable, as_object, envelope, error_response
from .values import (
    error_fields,
    is_true,
    items_of,
    mapping,
    name_of,
    object_of,
    percent_encoded,
    texts_of,
    value_of,
    word,
)

__all__ = ["A2A", "A2ADecoder", "A2AReader", "AgentMessage", "ArtifactUpdate", "StatusUpdate", "Task", "Update"]

#: The states after which nothing comes, and what they mean (A2A 1.0 and 0.3, TaskState).
_FINAL: dict[str, FinishReason] = {
    "TASK_STATE_COMPLETED": "stop",
    "TASK_STATE_FAILED": "error",
    "TASK_STATE_CANCELED": "cancelled",
    "TASK_STATE_REJECTED": "refusal",
    "completed": "stop",
    "failed": "error",
    "canceled": "cancelled",
    "rejected": "refusal",
}
_FAILED = ("TASK_STATE_FAILED", "failed")

#: The states in which the agent waits for its user.
_WAITING: dict[str, FinishReason] = {
    "TASK_STATE_INPUT_REQUIRED": "pause",
    "TASK_STATE_AUTH_REQUIRED": "pause",
    "input-required": "pause",
    "auth-required": "pause",
}

_REASONS = _FINAL | _WAITING


@dataclass(slots=True)
class Task:
    """The whole task, as it stands. `state` is as on the wire: TASK_STATE_…, in 0.3 a word; `task` has all members."""

    id: str
    context_id: str
    state: str
    task: Mapping[str, Any]
    raw: str = field(default="", repr=False, compare=False)

    @property
    def text(self) -> str:
        """The text of its status message."""
        return _text(_parts(_status(self.task).get("message")))


@dataclass(slots=True)
class AgentMessage:
    """The agent answers without a task; nothing follows. `parts` as on the wire."""

    id: str
    context_id: str
    parts: Sequence[Mapping[str, Any]]
    raw: str = field(default="", repr=False, compare=False)

    @property
    def text(self) -> str:
        """The text in it."""
        return _text(self.parts)


@dataclass(slots=True)
class StatusUpdate:
    """The task has another state, or more to say about it; `parts` are those of the status message. `final` is what 0.3
    says about the end of the stream, and None in 1.0."""

    task_id: str
    context_id: str
    state: str
    parts: Sequence[Mapping[str, Any]]
    raw: str = field(default="", repr=False, compare=False)
    final: bool | None = None

    @property
    def text(self) -> str:
        """The text in it."""
        return _text(self.parts)


@dataclass(slots=True)
class ArtifactUpdate:
    """An artifact, or a piece of one: its parts are added with `append`, and else stand for all that was there."""

    task_id: str
    context_id: str
    artifact_id: str
    parts: Sequence[Mapping[str, Any]]
    append: bool
    last_chunk: bool
    raw: str = field(default="", repr=False, compare=False)

    @property
    def text(self) -> str:
        """The text in it."""
        return _text(self.parts)


_Readable = Task | AgentMessage | StatusUpdate | ArtifactUpdate | ErrorResponse

Update = _Readable | Unreadable


class A2AReader:
    """Reads one reply: the updates of one task.

    :param content_type: of the reply: "text/event-stream", or "application/json" where the agent refused.
    :param max_event_size: bytes of one message.
    """

    def __init__(self, *, content_type: str = "text/event-stream", max_event_size: int = MAX_EVENT_SIZE) -> None:
        #: Nothing more will come, and the stream is whole.
        self.ended: bool = False
        #: What to subscribe to, should the stream break; empty while no task was named.
        self.task_id: str = ""
        self._state = _State()
        self._reply = Reply(content_type, max_event_size=max_event_size)

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Update]:
        """Takes the next bytes of the body.

        :raises EventTooLarge: when a message passes `max_event_size`.
        """
        return [] if self.ended else self._read(self._reply.receive_data(data))

    def receive_eof(self) -> list[Update]:
        """The body ended. Unless `ended`, the task goes on without us.

        :raises EventTooLarge: when the reply had been terminated by it.
        """
        updates = [] if self.ended else self._read(self._reply.receive_eof())
        self.ended = self.ended or self._state.may_end
        return updates

    def _read(self, events: list[ServerSentEvent]) -> list[Update]:
        updates: list[Update] = []
        for event in events:
            if not event.data:
                continue
            value = as_object(event.data, None)
            for update in [value] if isinstance(value, Unreadable) else _updates(value, event.data):
                updates.append(update)
                self.task_id = _task_id(update) or self.task_id
                self.ended = self.ended or self._state.ends_with(update)
            if self.ended:
                break
        return updates


class A2ADecoder(JSONDecoder):
    """Decodes the updates of one task into stream events."""

    def __init__(self) -> None:
        super().__init__()
        self._state = _State()

    def _object(self, value: dict[str, Any], message: Message) -> list[StreamEvent] | None:
        raw = message.data
        events: list[StreamEvent] = []
        for update in _updates(value, raw):
            if isinstance(update, Unreadable):
                return None
            events += [] if self.ended else self._update(update, raw)
        return events

    def _update(self, update: _Readable, raw: str) -> list[StreamEvent]:
        ends = self._state.ends_with(update)
        self._heard.add(True)
        if isinstance(update, ErrorResponse):
            failed = self._error({"code": update.code, "message": update.message}, raw)
            return [failed, *self._end(raw, clean=False)]
        events: list[StreamEvent] = [Other(_KINDS[type(update)], raw)]
        if isinstance(update, Task | StatusUpdate) and update.state in _FAILED:
            events.append(self._error({"code": update.state, "message": update.text or update.state}, raw))
        if ends and (self._state.may_end or isinstance(update, StatusUpdate)):
            reason = _REASONS.get(self._state.name, "other")
            events.append(self._noted(Finish(reason, self._state.name, raw=raw)))
        return events + (self._end(raw, clean=True) if ends else [])

    def finished(self) -> bool:
        return self._state.may_end


class _State:
    """How far the task is."""

    def __init__(self) -> None:
        #: The last state that was told.
        self.name = ""

    @property
    def may_end(self) -> bool:
        """The end of the connection is no loss now."""
        return self.name in _REASONS

    def ends_with(self, update: Update) -> bool:
        """Takes the next update; whether it is the last."""
        if isinstance(update, Task | StatusUpdate):
            self.name = update.state
        match update:
            case AgentMessage() | ErrorResponse():
                return True
            case Task():
                return self.name in _FINAL
            case StatusUpdate(final=None):
                return self.name in _REASONS
            case StatusUpdate():
                return update.final is True
            case _:
                return False


def _updates(value: dict[str, Any], raw: str) -> list[Update]:
    """What a message says, in either binding. What it says beside an error comes before that."""
    if "jsonrpc" not in value:
        failed: list[Update] = [error_response(value, None, raw)] if error_fields(value) else []
        return [*_stream_response(value, raw), *failed] or [Unreadable("it is no update", raw)]
    answer = envelope(value, raw)
    if isinstance(answer, ErrorResponse):
        return [*_results(value.get("result"), raw), answer]
    if isinstance(answer, Response):
        return _results(answer.result, raw) or [Unreadable("its result is no update", raw)]
    return [answer if isinstance(answer, Unreadable) else Unreadable("an agent asks nothing", raw)]


def _results(result: Any, raw: str) -> list[Update]:
    results = [object_of(it) or {} for it in items_of(result)]
    return [update for it in results for update in _stream_response(_by_kind(it), raw)]


def _stream_response(value: dict[str, Any], raw: str) -> list[Update]:
    """`StreamResponse` of A2A 1.0: one of four members. Where there are several, what ends the task comes last."""
    updates: list[Update] = []
    if task := object_of(value.get("task")):
        updates.append(Task(_name(task, "id"), _name(task, "contextId"), _name(_status(task), "state"), task, raw))
    if update := object_of(value.get("artifactUpdate")):
        artifact = object_of(update.get("artifact"), "parts") or {}
        known_by, append, last = _name(artifact, "artifactId"), is_true(update.get("append")), update.get("lastChunk")
        updates.append(ArtifactUpdate(*_ids(update), known_by, _parts(artifact), append, is_true(last), raw))
    if update := object_of(value.get("statusUpdate")):
        status, final = _status(update), update.get("final")
        parts, state = _parts(status.get("message")), _name(status, "state")
        updates.append(StatusUpdate(*_ids(update), state, parts, raw, None if final is None else is_true(final)))
    if said := object_of(value.get("message")):  # words alone may be those of an error
        updates.append(AgentMessage(_name(said, "messageId"), _name(said, "contextId"), _parts(said), raw))
    return updates


def _status(value: Mapping[str, Any]) -> dict[str, Any]:
    """The status of a task; a word alone is its state."""
    return object_of(value.get("status"), "state") or {}


def _parts(message: Any) -> list[dict[str, Any]]:
    """The parts of a message or an artifact; a text alone is a part."""
    parts = (object_of(message, "parts") or {}).get("parts")
    return [part for it in items_of(parts) if (part := object_of(it, "text"))]


def _by_kind(result: dict[str, Any]) -> dict[str, Any]:
    """The result of a response of 0.3 as one of 1.0: a `StreamResponse`, whose member has the name of the kind."""
    names = {"status-update": "statusUpdate", "artifact-update": "artifactUpdate", "task": "task", "message": "message"}
    name = names.get(word(result.get("kind")))
    return result if name is None else {name: result}


def _ids(update: dict[str, Any]) -> tuple[str, str]:
    return _name(update, "taskId"), _name(update, "contextId")


def _name(value: dict[str, Any], name: str) -> str:
    return name_of(value.get(name)) or ""


def _task_id(update: Update) -> str:
    match update:
        case Task(id=task_id) | StatusUpdate(task_id=task_id) | ArtifactUpdate(task_id=task_id):
            return task_id
    return ""


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    return "".join(texts_of(part.get("text"))[0] for part in parts)


_KINDS = {Task: "task", AgentMessage: "message", StatusUpdate: "statusUpdate", ArtifactUpdate: "artifactUpdate"}


def _ask(prompt: Prompt) -> dict[str, Any]:
    """A2A has no model and no instructions: an agent is asked, and knows its own."""
    message = {"messageId": secrets.token_hex(16), "role": "ROLE_USER", "parts": [{"text": prompt.text}]}
    return {"method": "SendStreamingMessage", "params": {"message": message}}


def _body(body: Mapping[str, Any]) -> dict[str, Any]:
    """A request of the JSON-RPC binding; what has no method is one of the HTTP+JSON binding, and stays as it is."""
    return {"jsonrpc": "2.0", "id": 1, **body} if "method" in body else dict(body)


#: How 0.3 asks for a stream.
_METHODS_OF_03 = ("message/stream", "tasks/resubscribe")


def _resuming(broken: Broken) -> Again | None:
    """In the binding of the request: JSON-RPC by a method, which 0.3 calls otherwise, HTTP+JSON by a path beside
    `/message:stream`."""
    updates = [it for event in broken.events for it in _updates(mapping(value_of(event.raw)), event.raw)]
    task = next((found for update in reversed(updates) if (found := _task_id(update))), "")
    if not task:
        return None
    if "method" in broken.json:
        method = "tasks/resubscribe" if broken.json["method"] in _METHODS_OF_03 else "SubscribeToTask"
        json = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"id": task}}
        return Again(broken.path, "POST", json=json, snapshot=True)
    path = broken.path.removesuffix("/message:stream") + f"/tasks/{percent_encoded(task)}:subscribe"
    return Again(path, "POST", json={}, snapshot=True)


A2A = Dialect(
    name="a2a",
    framing="sse-or-json",
    path="/",
    method="POST",
    content_type="application/json, text/event-stream",
    decoder=A2ADecoder,
    ask=_ask,
    body=_body,
    error_fields=error_fields,
    fields={"a2a-version": "1.0"},
    tools=False,
    reasoning=False,
    usage=False,
    terminator="a message, or a state that is final or waits",
    resume="SubscribeToTask: the task as it stands, then what follows",
    resuming=_resuming,
)
