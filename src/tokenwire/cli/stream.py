"""curl for token streams: a request out, the text to standard output as it arrives."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import fields
from statistics import median
from time import monotonic
from typing import Any

from ..dialects.events import (
    BlockStart,
    BlockStop,
    Other,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
)
from ..drivers.blocking import Stream
from ..exit_codes import FINE
from ..secrecy.shown import escaped, one_line
from ..session import DEFAULT, POLICIES, Happening
from .exits import complain, message_of
from .request import add_request_options, open_request
from .screen import Screen

__all__ = ["add_parser", "run"]

_EXAMPLE = """\
examples:
  tokenwire stream http://127.0.0.1:8080 --model gemma -p "Say hello."
  tokenwire stream https://api.example.com/v1 --key-env API_KEY --json body.json --usage --timing
  tokenwire stream http://127.0.0.1:8080 -p hello --events | jq .type
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "stream",
        help="curl for token streams",
        description="Asks an endpoint and prints the text as it arrives. Reasoning is dim, and left out of a pipe.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_request_options(parser)
    parser.add_argument("--events", action="store_true", help="print one line of JSON an event instead of the text")
    parser.add_argument("--usage", action="store_true", help="ask for the usage and tell it on standard error")
    parser.add_argument("--timing", action="store_true", help="tell on standard error how long what took")
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default=DEFAULT.name,
        help="what follows when a connection fails, told on standard error; default: %(default)s",
    )
    parser.add_argument("--record", metavar="FILE", help="keep the wire in a file, secrets redacted")


def run(args: argparse.Namespace) -> int:
    screen = Screen(sys.stdout)
    printer = _EventPrinter(screen.write) if args.events else _TextPrinter(screen, args.dialect)
    teller = _Teller(printer.make_room)
    opening = open_request(args, usage=args.usage, record=args.record, policy=args.policy, observe=teller.tell)
    if opening.guess is not None:
        print(f"dialect: {opening.guess.dialect}, for {opening.guess.reason}", file=sys.stderr, flush=True)
    clock = _Clock()
    stream = Stream(opening)
    try:
        with stream:
            clock.answered()
            for event in stream:
                clock.arrived(event)
                printer.show(event)
    finally:
        printer.close()
        if args.usage:
            _tell_usage(stream.usage)
        if args.timing:
            clock.tell(teller.connections)
        for mishap in opening.mishaps:
            complain(message_of(mishap))
    return FINE


class _TextPrinter:
    """Text as it is; what surrounds it where a person reads it.

    :param dialect: that of the stream: plain events have no other text than their data.
    """

    def __init__(self, screen: Screen, dialect: str) -> None:
        self._screen = screen
        self._dialect = dialect
        self._kinds: dict[int, str] = {}
        self._midline = False

    def show(self, event: StreamEvent) -> None:
        match event:
            case TextDelta():
                self._write(event.text)
            case ReasoningDelta() if self._screen.for_people:
                self._write(event.text, "dim")
            case BlockStart(kind="tool"):
                self._kinds[event.block] = "tool"
                self._new_line()
                self._write(f"{event.name}(", "cyan")
            case BlockStart():
                self._kinds[event.block] = event.kind
            case ToolCallDelta():
                self._write(event.arguments, "cyan")
            case BlockStop():
                self._stop(self._kinds.get(event.block, ""))
            case Other(type="bytes"):
                self._write(event.raw)
            case Other() if self._is_text(event):
                self._write(event.raw + "\n")
            case _:
                pass

    def make_room(self) -> None:
        """Something else is to stand on a line of its own, on the same terminal."""
        if self._screen.for_people:
            self._new_line()

    def close(self) -> None:
        self.make_room()

    def _is_text(self, other: Other) -> bool:
        if self._dialect == "auto":
            return other.type == "message"  # it may turn out to be a stream of plain events
        return self._dialect == "eventsource" and not other.type.startswith("tokenwire.")

    def _stop(self, kind: str) -> None:
        if kind == "tool":
            self._write(")\n", "cyan")
        elif kind == "reasoning" and self._screen.for_people:
            self._new_line()

    def _new_line(self) -> None:
        if self._midline:
            self._write("\n")

    def _write(self, text: str, style: str = "") -> None:
        if text:
            self._screen.write(text, style)
            self._midline = not text.endswith("\n")


class _EventPrinter:
    """One line of JSON an event, with its class as `type`; `raw` only where there is nothing else."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def show(self, event: StreamEvent) -> None:
        self._write(_json_line(event) + "\n")

    def make_room(self) -> None:
        """Each line is whole."""

    def close(self) -> None:
        """Nothing is left over."""


def _json_line(event: StreamEvent) -> str:
    shown: dict[str, Any] = {"type": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name == "type":
            shown["name"] = value
        elif (field.name != "raw" or isinstance(event, Other)) and (field.name != "cursor" or value is not None):
            shown[field.name] = value
    text = escaped(json.dumps(shown, ensure_ascii=False))
    # A lone surrogate has no bytes: escaped, it is still what the server said.
    return text if text.isascii() or _encodes(text) else json.dumps(shown)


def _encodes(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Clock:
    """When what arrived; seconds."""

    def __init__(self) -> None:
        self._start = monotonic()
        self._answered: float | None = None
        self._deltas: list[float] = []
        self._characters = 0

    def answered(self) -> None:
        self._answered = monotonic() - self._start

    def arrived(self, event: StreamEvent) -> None:
        if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta):
            self._deltas.append(monotonic() - self._start)
            self._characters += len(event.arguments if isinstance(event, ToolCallDelta) else event.text)

    def tell(self, connections: int) -> None:
        parts = []
        if self._answered is not None:
            parts.append(f"answered after {_seconds(self._answered)}")
        if self._deltas:
            parts.append(f"first delta after {_seconds(self._deltas[0])}")
            parts.append(f"{len(self._deltas)} deltas of {self._characters} characters")
        if len(self._deltas) > 1:
            gaps = [later - earlier for earlier, later in zip(self._deltas, self._deltas[1:], strict=False)]
            parts.append(f"{_seconds(median(gaps))} between them, {_seconds(max(gaps))} at most")
        over = f" over {connections} connections" if connections > 1 else ""
        parts.append(f"{_seconds(monotonic() - self._start)} in all{over}")
        print("timing:", "; ".join(parts), file=sys.stderr, flush=True)


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


class _Teller:
    """Tells what happens to the connections where it does not go smoothly, and when, in seconds. A failure that nothing
    follows is told at the end, by whoever says how it ended.

    :param make_room: is called before each line.
    """

    def __init__(self, make_room: Callable[[], None]) -> None:
        self.connections = 0
        self._make_room = make_room
        self._start: float | None = None
        self._failed: Happening | None = None

    def tell(self, happening: Happening) -> None:
        self.connections = happening.connection
        self._start = happening.at if self._start is None else self._start
        match happening.kind:
            case "failed":
                self._failed = happening
            case "done" if happening.detail:
                self._print(happening, f"nothing follows: {happening.detail}")
            case "connecting" | "connected" | "duplicate" | "done":
                pass
            case _:
                if self._failed is not None:
                    self._print(self._failed, str(self._failed))
                    self._failed = None
                self._print(happening, str(happening))

    def _print(self, happening: Happening, words: str) -> None:
        self._make_room()
        after = happening.at - (self._start or 0.0)
        print(f"{after:.2f} s, connection {happening.connection}: {one_line(words)}", file=sys.stderr, flush=True)


def _tell_usage(usage: dict[str, Any] | None) -> None:
    print("usage:", json.dumps(usage) if usage is not None else "the server told none", file=sys.stderr, flush=True)
