"""Errors in, one line on standard error and an exit code out: the one place where they meet."""

from __future__ import annotations

import errno
import os
import sys

from ..errors import (
    ConnectionFailed,
    InvalidRecording,
    InvalidURL,
    LocalProtocolError,
    NotAStream,
    RemoteProtocolError,
    StatusError,
    StreamFailed,
    StreamInterrupted,
    TimeoutExceeded,
)
from ..exit_codes import (
    BROKEN_PIPE,
    FINDINGS,
    FINE,
    HUNG_UP,
    INCOMPLETE,
    INTERRUPTED,
    NOTHING_JUDGED,
    PROTOCOL_BROKEN,
    REFUSED,
    TERMINATED,
    UNREACHABLE,
    USAGE,
    Terminated,
)
from ..secrecy.shown import one_line, sentence
from .guard import known

__all__ = ["EXIT_CODES", "complain", "exit_code_of", "forget_output", "message_of"]

EXIT_CODES = {
    FINE: "fine",
    FINDINGS: "findings; or the stream broke off, or the server said an error in it",
    USAGE: "usage: an option, a URL, a key variable that is not set, a file that is no recording",
    UNREACHABLE: "the endpoint cannot be reached: name, refusal, TLS, timeout; or an error of our own",
    NOTHING_JUDGED: "nothing was judged",
    REFUSED: "the server refused (another status than 200), or answered with no stream",
    PROTOCOL_BROKEN: "the peer broke the protocol: no HTTP, a cut chunk, a header or an event over the limit",
    INCOMPLETE: "check: the endpoint was gone, or time ran out, before all that must hold was judged",
    HUNG_UP: "stopped by SIGHUP, as when its terminal closes",
    INTERRUPTED: "stopped by Ctrl-C",
    BROKEN_PIPE: "whatever read the output is gone",
    TERMINATED: "stopped by SIGTERM",
}


def complain(message: str) -> None:
    """One line on standard error."""
    print(f"tokenwire: {one_line(message)}", file=sys.stderr, flush=True)


def exit_code_of(error: BaseException) -> int:
    """Says what happened and what to do, and returns the code of it. What is no error of ours is raised again."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, Terminated):
        return error.code
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    code, advice = _judged(error)
    complain(sentence(message_of(error)) + f" {advice}" if advice else message_of(error))
    return code


def message_of(error: BaseException) -> str:
    """What an error says, with the name of its file where it has one."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)


def forget_output() -> None:
    """Nobody reads standard output any more: the interpreter must not try to flush it when it exits."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError:  # it is no file, as in a test
        pass


def _judged(error: BaseException) -> tuple[int, str]:
    """The exit code, and what to do about it where the message does not say."""
    match error:
        case StatusError():
            return REFUSED, _advice_on_status(error)
        case NotAStream():
            return REFUSED, "Does the endpoint stream, and is it the right path? The body said stream: true."
        case StreamFailed():
            return FINDINGS, ""
        case StreamInterrupted() if isinstance(error.__cause__, RemoteProtocolError):
            return PROTOCOL_BROKEN, "What had arrived is printed. Ask again, or keep the wire with 'tokenwire record'."
        case StreamInterrupted():
            return FINDINGS, "What had arrived is printed. Ask again, or keep the wire with 'tokenwire record'."
        case RemoteProtocolError():
            return PROTOCOL_BROKEN, "Keep the wire with 'tokenwire record' and show it to those who run the server."
        case ConnectionFailed(phase="tls") if "SSL_CERT_FILE" in str(error):
            return UNREACHABLE, "Or name it by --ca-file."
        case ConnectionFailed(phase="resolve"):
            return UNREACHABLE, "Is it spelled right?"
        case ConnectionFailed():
            return UNREACHABLE, ""
        case TimeoutExceeded():
            return UNREACHABLE, f"A larger --{error.timer.replace(' ', '-')}-timeout waits longer, 0 for ever."
        case InvalidURL():
            return USAGE, "A URL looks like http://127.0.0.1:8080/v1."
        case InvalidRecording():
            return USAGE, "'tokenwire record' makes recordings."
        case LocalProtocolError():
            return USAGE, ""
        case OSError() if error.filename is not None:
            return USAGE, ""
        case OSError(errno=errno.EADDRINUSE):
            return UNREACHABLE, "Give another --port, or none to take a free one."
        case OSError():
            return UNREACHABLE, ""
    raise known().redact(error)


def _advice_on_status(error: StatusError) -> str:
    retry_after = next((value for name, value in error.headers if name == "retry-after"), "")
    match error.status:
        case 401 | 403:
            return "Is the key right? Give it by --key-env or --key-file."
        case 404 | 405:
            return "Are the path and the model right? A URL that ends in /v1, or in the port, gets the dialect's path."
        case 429 | 503 if retry_after:
            return f"It asks to wait: Retry-After {retry_after}."
        case 429 | 503:
            return "Wait a while and ask again."
        case status if status >= 500:
            return "The fault is the server's: its log may say more."
        case status if status < 400:
            return "A stream comes with status 200: is this the address of the endpoint itself?"
        case _:
            return "The server did not like the request: is its body what this endpoint expects?"
