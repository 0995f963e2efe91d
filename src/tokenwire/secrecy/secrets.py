"""What of a request is secret: collected here, for every entrance, and known by one value at every exit.

A key, the userinfo and the parameters of a URL, fields of `headers=`, subprotocols and members of messages whose names
say that they carry a key: their values are searched everywhere. A field of another name that is not known to be
harmless is masked where it stands in the request; its value is searched elsewhere only if it is long and no words, for
else it would be found in innocent text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, unquote_plus, urlsplit

from ..lazily import Lazily

if TYPE_CHECKING:  # most programs never search for their secrets
    from . import search
else:
    search = Lazily("tokenwire.secrecy.search")

__all__ = [
    "MAX_LOOKED_AT",
    "REDACTED_FIELDS",
    "SCHEMES",
    "Secrets",
    "is_harmless_field",
    "is_opaque",
    "is_path",
    "is_plain_name",
    "is_secret_name",
    "mask_query",
    "redact_headers",
    "redact_url",
    "secrets_in_json",
    "secrets_in_message",
    "secrets_in_subprotocols",
    "secrets_in_url",
]

_Error = TypeVar("_Error", bound=BaseException)

#: Names of authentication schemes that stand before a secret and are none, in lower case.
SCHEMES = ("bearer", "basic")

#: Fields whose value is a secret, or is likely to hold one, in either direction and whoever has set them.
REDACTED_FIELDS = frozenset(
    {
        "api-key",
        "apikey",
        "authorization",
        "cookie",
        "ocp-apim-subscription-key",
        "proxy-authorization",
        "set-cookie",
        "x-access-token",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-token",
        "x-goog-api-key",
    }
)

#: Fields of a request that tell no secret.
_HARMLESS = frozenset(
    {
        "a2a-version",
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "anthropic-beta",
        "anthropic-version",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "expect",
        "host",
        "http-referer",
        "idempotency-key",
        "keep-alive",
        "last-event-id",
        "mcp-protocol-version",
        "openai-beta",
        "origin",
        "pragma",
        "priority",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
        "te",
        "traceparent",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-drop-after",
        "x-request-id",
        "x-title",
    }
)

# The patterns here are compiled when they are first used, which most programs never do.

#: Names of fields, parameters and members, in lower case and with "-" between words, that carry a key.
_NAME_OF_A_KEY = (
    r"(?:^|-)(?:key|sig|auth|pwd|pass|jwt|sas|session|bearer)$"
    r"|(?:api|access|auth|subscription|secret|private|master|app|account)key$"
    r"|(?:token|secret|signature|password|passwd|passphrase|authorization|credentials?|cookie)$"
)

#: Characters of a message that is read to find members that carry a key: longer ones carry sound and pictures.
MAX_LOOKED_AT = 64 * 1024

#: A value of this many characters is searched elsewhere, if it is no words.
_LONG = 16

#: Text that is made of words: runs of letters as they are written, none longer than words are, and small numbers.
_WORDS = r"(?:[^A-Za-z0-9]*(?:[A-Z]?[a-z]{1,20}|[A-Z]{1,20}|[0-9]{1,4})(?![A-Za-z0-9]))*[^A-Za-z0-9]*"

_PLAIN_NAME = r"[A-Z]{1,20}(?:_[A-Z]{1,20}|_?[0-9]{1,2}){0,5}_?"

#: A string of JSON without its quotes, and whether it names a member. The last one may be cut.
_STRING = r'(?s)"((?:[^"\\]|\\.)*+)(?:"(\s*+:\s*+)?|\\?\Z)'

#: A parameter. Its name has no "?", or the work on a row of them would grow with its square.
_PARAMETER = r"(?<=[?&;])([^?=&;#]*)=([^&;#]*)"


class Secrets:
    """What must never be shown.

    Nothing of most requests is shown, so what is secret in one is worked out when something is.

    :param values: those that are known by now.
    :param later: gives more of them.
    :ivar fields: names, in lower case, of fields of the request that are masked where they stand.
    :ivar parameters: names of parameters of the URL that are masked where they stand, as those are whose names say that
        they carry a key.
    """

    __slots__ = ("_later", "_values", "fields", "parameters")

    def __init__(
        self,
        values: tuple[str, ...] = (),
        fields: frozenset[str] = frozenset(),
        parameters: frozenset[str] = frozenset(),
        *,
        later: tuple[Callable[[], Iterable[str]], ...] = (),
    ) -> None:
        self.fields: frozenset[str] = fields
        self.parameters: frozenset[str] = parameters
        self._values = values
        self._later = later

    @classmethod
    def of_request(
        cls,
        *,
        key: str | None = None,
        path: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: Iterable[str | bytes] = (),
        subprotocols: Iterable[str] = (),
    ) -> Secrets:
        """Those of a request.

        :param path: with the query, or a whole URL.
        :param headers: those that the user gave.
        :param body: JSON: the body, or the first messages.
        """
        fields = dict(headers)
        names = frozenset(name.lower() for name in fields if not is_harmless_field(name))
        return cls((), names, later=(partial(_of_request, key, path, fields, tuple(body), tuple(subprotocols)),))

    @property
    def values(self) -> tuple[str, ...]:
        """What is searched everywhere, in every form."""
        if self._later:
            values = [*self._values, *(value for more in self._later for value in more())]
            self._values = tuple(dict.fromkeys(filter(None, values)))
            self._later = ()
        return self._values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secrets):
            return NotImplemented
        ours, theirs = (self.values, self.fields, self.parameters), (other.values, other.fields, other.parameters)
        return ours == theirs

    def __hash__(self) -> int:
        return hash((self.values, self.fields, self.parameters))

    def __repr__(self) -> str:
        return f"Secrets(fields={self.fields!r}, parameters={self.parameters!r})"

    def __or__(self, more: Secrets | Iterable[str] | Callable[[], Iterable[str]]) -> Secrets:
        """These and more; of values alone, or of what gives them when they are needed, the values."""
        if callable(more):
            more = Secrets(later=(more,))
        others = more if isinstance(more, Secrets) else Secrets(tuple(filter(None, more)))
        return Secrets(
            tuple(dict.fromkeys([*self._values, *others._values])),
            self.fields | others.fields,
            self.parameters | others.parameters,
            later=(*self._later, *others._later),
        )

    @property
    def needles(self) -> search.Needles:
        return search.needles_of(self.values)

    def clean(self, text: str) -> str:
        """The text without the secrets in it."""
        data = text.encode("utf-8", "surrogatepass")
        return search.clean(self.needles, data).decode("utf-8", "surrogatepass") if self.needles else text

    def cleaned(self, value: Any) -> Any:
        """The same for all that a list or an object of JSON holds, and for bytes."""
        match value:
            case str():
                return self.clean(value)
            case bytes() | bytearray():
                return type(value)(search.clean(self.needles, bytes(value)))
            case dict():
                return {self.cleaned(name): self.cleaned(member) for name, member in value.items()}
            case tuple() if type(value) is tuple:
                return tuple(map(self.cleaned, value))
            case list():
                return list(map(self.cleaned, value))
        return value

    def redact(self, error: _Error) -> _Error:
        """The error, with the secrets taken out of its words and attributes, and those of its causes. The events that
        it carries stay as they came, for they are the program's."""
        seen: set[int] = set()
        todo: list[BaseException | None] = [error]
        while self.needles and todo:
            one = todo.pop()
            if one is None or id(one) in seen:
                continue
            seen.add(id(one))
            one.args = self.cleaned(one.args)
            for name, value in list(getattr(one, "__dict__", {}).items()):
                one.__dict__[name] = self.cleaned(value)
            todo += [one.__cause__, one.__context__]
        return error


def _of_request(
    key: str | None, path: str, fields: Mapping[str, str], body: Sequence[str | bytes], subprotocols: Sequence[str]
) -> Iterator[str]:
    yield key or ""
    yield from secrets_in_url(path)
    for text in body:
        yield from _secrets_in_json_text(text)
    yield from secrets_in_subprotocols(subprotocols)
    for name, value in fields.items():
        yield from _secrets_in_field(name.lower(), value)


def is_secret_name(name: str) -> bool:
    """Whether a field, a parameter or a member of this name carries a key: `api_key`, `X-Amz-Signature`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name)
    return re.search(_NAME_OF_A_KEY, re.sub(r"[^a-z0-9]+", "-", words.lower())) is not None


def is_plain_name(name: str) -> bool:
    """Whether it is the name of a variable, and no key in its place: capitals in words."""
    return re.fullmatch(_PLAIN_NAME, name) is not None


def is_path(name: str) -> bool:
    """Whether it is the name of a file, and no key in its place."""
    return name.startswith(("/", "./", "../", "~")) or (re.search(r"[/.]", name) is not None and _is_words(name))


def is_harmless_field(name: str) -> bool:
    """Whether a field of this name tells no secret."""
    return name.lower() in _HARMLESS


def secrets_in_url(url: str) -> Iterator[str]:
    """The userinfo of a URL, and its parameters that carry a key, as they are and without their percent-encoding."""
    try:
        netloc = urlsplit(url).netloc
    except ValueError:
        netloc = ""
    userinfo = netloc.rpartition("@")[0]
    name, colon, password = userinfo.partition(":")
    for value in (userinfo, password if colon else name):
        yield from (value, unquote(value))
    for name, value in re.findall(_PARAMETER, url):
        if is_secret_name(unquote_plus(name)):
            yield from (value, unquote(value), unquote_plus(value))


def secrets_in_json(value: object) -> Iterator[str]:
    """The values of members that carry a key; words are none."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Mapping):
            for name, member in one.items():
                if isinstance(member, str):
                    if isinstance(name, str) and is_secret_name(name) and not _is_words(member):
                        yield from (member, member.rpartition(" ")[2])
                else:
                    todo.append(member)
        elif isinstance(one, Sequence) and not isinstance(one, str | bytes | bytearray):
            todo += one


def secrets_in_message(message: str | bytes) -> Iterator[str]:
    """The same of a message of JSON that is no longer than `MAX_LOOKED_AT`."""
    if len(message) <= MAX_LOOKED_AT:
        yield from _secrets_in_json_text(message)


def _secrets_in_json_text(text: str | bytes) -> Iterator[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # broken, of several values, with a number too long to read, nested too deep
        value = _named_strings(text)
    yield from secrets_in_json(value)


def _named_strings(text: str | bytes) -> list[dict[str, str]]:
    """The members that are strings, in what may be no JSON as a whole."""
    found: list[dict[str, str]] = []
    name, value_at = "", -1
    for match in re.finditer(_STRING, text if isinstance(text, str) else text.decode("utf-8", "replace")):
        try:
            string = json.loads(f'"{match[1]}"', strict=False)
        except ValueError:
            string = match[1]
        if match.start() == value_at:
            found.append({name: string})
        name, value_at = (string, match.end()) if match[2] else ("", -1)
    return found


def secrets_in_subprotocols(subprotocols: Iterable[str]) -> Iterator[str]:
    """What is no name of a protocol: `openai-insecure-api-key.sk-…`, `base64url.bearer.authorization.k8s.io.…`."""
    for protocol in subprotocols:
        for part in (protocol, protocol.partition(".")[2], protocol.rpartition(".")[2]):
            if is_opaque(part):
                yield part


def redact_headers(headers: Iterable[tuple[str, str]], names: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    """For what is shown or kept outside a recording.

    :param names: of more fields to be masked, in lower case.
    """
    masked = REDACTED_FIELDS | names
    return [(name, search.MARK.decode() if name.lower() in masked else value) for name, value in headers]


def redact_url(url: str, names: frozenset[str] = frozenset()) -> str:
    """A URL, or a path with its query, to be shown: without userinfo, and without the values that carry a key.

    :param names: of more parameters whose values are taken out.
    """
    without_userinfo = re.sub(r"(?<=//)[^/?#]*@", "", url)
    return re.sub(_PARAMETER, lambda match: _redacted(match, search.MARK.decode(), names), without_userinfo)


def mask_query(line: bytes, names: frozenset[str] = frozenset()) -> bytes:
    """A request line with the values that carry a key overwritten in place. The version behind the target stays.

    :param names: of more parameters whose values are overwritten.
    """
    target, blank, version = line.rpartition(b" ")
    if not version.startswith(b"HTTP/"):
        target, blank, version = line, b"", b""
    text = re.sub(
        _PARAMETER,
        lambda match: _redacted(match, (search.MARK.decode() * len(match[2]))[: len(match[2])], names),
        target.decode("latin-1"),
    )
    return text.encode("latin-1") + blank + version


def _redacted(match: re.Match[str], mark: str, names: frozenset[str]) -> str:
    name = unquote_plus(match[1])
    secret = match[2] and (name in names or is_secret_name(name))
    return f"{match[1]}={mark}" if secret else match[0]


def _secrets_in_field(name: str, value: str) -> Iterator[str]:
    value = value.strip()
    if is_harmless_field(name):
        return
    if name == "sec-websocket-protocol":
        yield from secrets_in_subprotocols(member.strip() for member in value.split(","))
    elif name in ("cookie", "set-cookie"):
        yield value
        for pair in value.split(";"):
            content = pair.partition("=")[2].strip()
            if is_opaque(content):
                yield content
    elif name in REDACTED_FIELDS or is_secret_name(name):
        # What follows the name of a scheme; the name and the key of Basic (RFC 7617) are in base64. With a short key
        # `Bearer ` would be more than half of the secret, and be masked wherever a server says it.
        scheme, _, credentials = value.partition(" ")
        yield credentials.strip()
        if scheme.lower() not in SCHEMES:
            yield value
    elif is_opaque(value):
        yield value


def is_opaque(value: str) -> bool:
    """Whether a text is long and no words, as keys are."""
    return len(value) >= _LONG and not _is_words(value)


def _is_words(value: str) -> bool:
    return re.fullmatch(_WORDS, value) is not None
