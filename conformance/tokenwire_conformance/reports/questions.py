"""The request that led to a finding, as a command line of curl."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from ..judging.verdict import Evidence
from ..reading.requests import Request
from ..reading.transcript import Transcript

__all__ = ["Questions", "Variable"]

#: Bytes of a request that a person would copy from a report.
_COPIED = 2000

#: What curl sends of itself, or asks for by an option.
_OWN_FIELDS = frozenset({"host", "user-agent", "accept-encoding", "content-length"})

#: What curl accepts when it is told nothing.
_ANYTHING = "*/*"

#: What redaction leaves of a secret: the mark, as often as fits (see `tokenwire.secrecy`).
_MASKED = re.compile(r"(?:\[redacted\])+(?:\[[redact]*)?|\[(?:r[edact]*)?\Z")

_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")

#: Probes that send another key than ours, and on purpose a wrong one.
_WRONG = ("wrong-key", "ws-wrong-key")


class Variable(NamedTuple):
    """An environment variable that holds what is secret.

    :ivar whole: it holds all of the value of its field: the scheme before the key, too.
    """

    name: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Questions:
    """All that was asked of an endpoint, to be asked again.

    :ivar origin: scheme, host and port of the endpoint.
    :ivar variables: the environment variables that hold what is secret, by the name of its field or parameter in lower
        case.
    """

    origin: str
    variables: Mapping[str, Variable] = field(default_factory=dict)

    def again(self, transcript: Transcript, evidence: Evidence) -> str:
        """The command that asks the same again, for a shell, with `$VARIABLE` for what is secret; empty where the
        question is not known.
        """
        before = [response for response in transcript.responses if response.offset <= evidence.offset]
        request = before[-1].request if before else next(iter(transcript.requests), None)
        if request is None or not request.method:
            return ""
        return _Command(self, transcript, request).line()


class _Command:
    """One request as a command."""

    def __init__(self, questions: Questions, transcript: Transcript, request: Request) -> None:
        self._questions = questions
        self._transcript = transcript
        self._request = request

    def line(self) -> str:
        size = len(self._request.body)
        if size > _COPIED or len(self._first_write) > 2 * _COPIED:
            return f"# a request with a body of {size:,} bytes, which --record-dir DIR keeps"
        return self._raw() if self._is_odd else self._usual()

    def _usual(self) -> str:
        request = self._request
        words = ["curl", "-isN"]
        if request.version == "1.0":
            words.append("--http1.0")
        if request.method != ("POST" if request.body else "GET"):
            words += ["-X", request.method]
        for line in request.fields:
            if line.name not in _OWN_FIELDS and (line.name, line.value) != ("accept", _ANYTHING):
                words += ["-H", self._word(f"{line.name.title()}: ", line.value, line.name)]
        if "gzip" in request.header("accept-encoding"):
            words.append("--compressed")
        if request.body:
            words += ["--data-raw", shlex.quote(request.body.decode("utf-8", "replace"))]
        words.append(self._word(self._questions.origin.rstrip("/"), request.target))
        if request.is_handshake:
            words.append("  # and then, on the WebSocket, what --record-dir DIR keeps")
        return " ".join(words)

    @property
    def _is_odd(self) -> bool:
        """It is wrong or unusual on purpose, in a way in which curl does not write; or there are two in one write."""
        fields = self._request.fields
        lengths = [line.value for line in fields if line.name == "content-length"]
        hosts = [line.value for line in fields if line.name == "host"]
        names = [line.partition(b":")[0] for line in self._first_write.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
        return (
            lengths not in ([], [str(len(self._request.body))])
            or len(hosts) != 1
            or " " in hosts[0]
            or bool(self._request.header("transfer-encoding"))
            or self._first_write.count(b" HTTP/1.") > 1
            or not all((name.istitle() or name.islower()) and _TOKEN.fullmatch(name) for name in names)
        )

    @property
    def _first_write(self) -> bytes:
        """What was sent before anything came. Of a WebSocket, the handshake."""
        transcript = self._transcript
        until = next((n for n, entry in enumerate(transcript.recording.entries) if entry.kind == "<"), None)
        sent = b"".join(entry.data for entry in transcript.recording.entries[:until] if entry.kind == ">")
        return sent.partition(b"\r\n\r\n")[0] if self._request.is_handshake else sent

    def _raw(self) -> str:
        """The bytes as they were sent, through curl's telnet, which adds nothing; or through openssl."""
        head, _, rest = self._first_write.partition(b"\r\n\r\n")
        lines = [self._line(line.decode("latin-1")) for line in head.split(b"\r\n")]
        body = f"printf %b {_printed(rest)}; " if rest else ""
        address = urlsplit(self._questions.origin)
        if address.scheme == "https":
            port = address.port or 443
            through = f"openssl s_client -quiet -servername {address.hostname} -connect {address.hostname}:{port}"
        else:
            through = f"curl -sN telnet://{address.hostname}:{address.port or 80}"
        return f"{{ printf '%s\\r\\n' {' '.join(lines)} ''; {body}sleep 5; }} | {through}"

    def _line(self, line: str) -> str:
        name, colon, value = line.partition(":")
        if not colon:
            return self._word("", line)
        value = value.lstrip()
        return self._word(line.removesuffix(value), value, name.strip().lower())

    def _word(self, before: str, value: str, name: str = "") -> str:
        """A word for the shell, with a variable in place of what was masked: that of the field, or of the parameter."""
        if not _MASKED.search(value):
            return shlex.quote(before + value)
        if self._transcript.name in _WRONG:
            return shlex.quote(before + _MASKED.sub("wrong-key", value))
        shown, at = [_escaped(before)], 0
        for masked in _MASKED.finditer(value):
            known = name or re.split(r"[?&]", value[: masked.start()])[-1].rstrip("=")
            variable = self._questions.variables.get(known.lower()) or Variable(re.sub(r"\W", "_", known).upper())
            if name and variable.whole:
                return f'"{_escaped(before)}${{{variable.name}}}"'
            shown += [_escaped(value[at : masked.start()]), f"${{{variable.name}}}"]
            at = masked.end()
        return '"' + "".join([*shown, _escaped(value[at:])]) + '"'


def _printed(data: bytes) -> str:
    """A word from which `printf %b` makes these bytes. What a terminal would obey, or not show, is escaped in it: the
    line ends of chunks, too.
    """
    return shlex.quote("".join(map(_visible, data.decode("utf-8", "surrogateescape"))))


def _visible(character: str) -> str:
    if character.isprintable() and character != "\\":
        return character
    named = {"\\": r"\\", "\r": r"\r", "\n": r"\n"}
    octal = (rf"\0{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
    return named.get(character) or "".join(octal)


def _escaped(text: str) -> str:
    """For between double quotes."""
    return re.sub(r'([\\"$`])', r"\\\1", text)
