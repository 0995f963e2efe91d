"""The command line: one module a verb, imported when it is used.

A verb's module has `add_parser(subparsers)` and `run(args) -> int`, the exit code. Errors need no handling there:
`exits.py` turns every one of them into one line on standard error and an exit code.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from .._version import __version__
from ..exit_codes import USAGE, Terminated
from .exits import EXIT_CODES, exit_code_of, forget_output
from .guard import end_output, guarded

__all__ = ["main"]

_VERBS = {
    "check": "judge an endpoint",
    "lint": "judge recordings",
    "stream": "curl for token streams",
    "record": "keep the wire of one stream in a file",
    "replay": "serve a recording",
    "serve": "the reference endpoint",
    "bench": "what an endpoint's tokens cost",
    "compare": "SSE and WebSocket side by side",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb, and returns the exit code.

    :param argv: the arguments without the name of the program; those of the process by default.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with guarded(arguments):
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        args = _parser(arguments).parse_args(arguments)
        args.arguments = arguments[1:]
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else USAGE
    _never_fail_on_a_character()
    try:
        with _stopped_in_order():
            code: int = args.run(args)
            end_output()
    except BrokenPipeError as error:
        forget_output()
        return exit_code_of(error)
    except BaseException as error:
        return exit_code_of(error)
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tokenwire",
        description="What is on the wire of AI token streams: judged, recorded, played back.",
        epilog="exit codes:\n" + "".join(f"  {code:<4}{meaning}\n" for code, meaning in EXIT_CODES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tokenwire {__version__}")
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for verb, summary in _VERBS.items():
        if arguments[:1] == [verb]:
            module = import_module(f".{verb}", __name__)
            module.add_parser(subparsers)
            subparsers.choices[verb].set_defaults(run=module.run)
        else:
            subparsers.add_parser(verb, help=summary)
    return parser


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """SIGTERM ends the verb as Ctrl-C does, so that a recording gets its name; so does SIGHUP, where the platform has
    it, by which a terminal that closes ends what runs in it. What is ignored, as by nohup, stays ignored."""

    def stop(number: int, _: object) -> None:
        raise Terminated(number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if before[number] is not signal.SIG_IGN]
    try:
        for number in heard:
            signal.signal(number, stop)
    except ValueError:  # this is not the main thread
        heard = []
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _never_fail_on_a_character() -> None:
    """A lone surrogate, or a character that the terminal's encoding lacks, prints as a question mark."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
