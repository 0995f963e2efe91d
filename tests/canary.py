"""A canary key, the ways in which a server can give it back, and a search that shares nothing with the redactor."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, unquote_to_bytes

import brotli
import zstandard

__all__ = ["CANARY", "CODINGS", "FORMS", "chunked", "sings"]

#: It has what each form escapes: "/", "+", "=" and "&".
CANARY = "sk-canary/7c1f+0e5b=2d9a&48361f"

_RAW = CANARY.encode()

#: Each form of the canary in bytes.
FORMS: Mapping[str, bytes] = {
    "as it is": _RAW,
    "percent": quote(CANARY, safe="").encode(),
    "percent, small letters": quote(CANARY, safe="").lower().encode(),
    "percent, every byte": "".join(f"%{byte:02x}" for byte in _RAW).encode(),
    "percent twice": quote(quote(CANARY, safe=""), safe="").encode(),
    "slashes": CANARY.replace("/", "\\/").encode(),
    "JSON, some": CANARY.replace("=", "\\u003d").replace("&", "\\u0026").replace("+", "\\u002B").encode(),
    "JSON, all": "".join(f"\\u{byte:04x}" for byte in _RAW).encode(),
    "JSON in JSON": json.dumps(CANARY.replace("/", "\\/").replace("=", "\\u003d"))[1:-1].encode(),
    "JavaScript": "".join(f"\\x{byte:02X}" for byte in _RAW).encode(),
    "HTML": html.escape(CANARY).encode(),
    "HTML, decimal": CANARY.replace("=", "&#61;").replace("/", "&#047;").encode(),
    "HTML, hexadecimal": "".join(f"&#x{byte:X};" for byte in _RAW).encode(),
    "HTML, named": CANARY.replace("&", "&amp;").replace("=", "&equals;").replace("/", "&sol;").encode(),
    "HTML twice": html.escape(html.escape(CANARY)).encode(),
    "HTML in JSON": CANARY.replace("=", "\\u0026#61;").encode(),
    "base64": base64.b64encode(_RAW),
    "base64 in a URL": quote(base64.b64encode(_RAW), safe="").encode(),
    "base64 after one": base64.b64encode(b"x" + _RAW + b"y"),
    "base64 after two": base64.b64encode(b"xy" + _RAW),
    "base64url": base64.urlsafe_b64encode(b"\xfb\xff" + _RAW + b"\xff\xfe"),
    "Basic": b"Basic " + base64.b64encode(b"user:" + _RAW),
}

CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


def chunked(body: bytes, size: int) -> bytes:
    """The body in chunks of that size."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def sings(data: bytes) -> bool:
    """Whether the canary is in the data, in any form and under any coding."""
    return any(_RAW in view for view in _views(data, 3))


def _views(data: bytes, depth: int) -> Iterator[bytes]:
    yield data
    if depth:
        for decoded in _decoded(data):
            if decoded != data:
                yield from _views(decoded, depth - 1)


def _decoded(data: bytes) -> Iterator[bytes]:
    yield re.sub(rb"\r\n[0-9a-fA-F]+\r\n", b"", data)
    yield unquote_to_bytes(data)
    yield html.unescape(data.decode("latin-1")).encode("latin-1", "replace")
    yield re.sub(rb"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)).encode("utf-8", "replace"), data)
    yield re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), data)
    yield re.sub(rb"\\([/\"\\])", rb"\1", data)
    for run in re.findall(rb"[A-Za-z0-9+/_-]{24,}", data):
        plain = run.replace(b"-", b"+").replace(b"_", b"/")
        for start in range(4):
            whole = plain[start : len(plain) - ((len(plain) - start) % 4 == 1)]
            yield base64.b64decode(whole + b"=" * (-len(whole) % 4))
