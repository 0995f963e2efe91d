"""A page as a browser reads it: its elements, and what must hold for every page that we write."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

__all__ = ["Page"]

VOID = {"meta", "col", "hr", "wbr"}


class Page(HTMLParser):
    """The elements of a page.

    :ivar shape: the begins and ends of all elements, with those attributes that are not words.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.shape: list[str] = []
        self.attributes: list[tuple[str, dict[str, str]]] = []
        self.words: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append(f"<{tag} {' '.join(name for name, _ in attrs)}>")
        self.attributes.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.shape.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.words.setdefault(self._open[-1], []).append(data)

    def said(self, *tags: str) -> str:
        """All words that stand in these elements themselves."""
        return "\n".join(word for tag in tags for word in self.words.get(tag, ()))

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a name."""
        return [attributes for name, attributes in self.attributes if name == tag]

    def holds(self) -> None:
        """It stands alone, runs nothing, and can be read without seeing it."""
        tags = {name for name, _ in self.attributes}
        assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use", "a:a"}
        for name, attributes in self.attributes:
            assert not {each for each in attributes if each.startswith("on") or each in ("src", "style")}, name
        ids = [attributes["id"] for _, attributes in self.attributes if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert {each["href"][1:] for each in self.all("a")} <= set(ids)
        assert all(each["href"].startswith("#") for each in self.all("a"))
        named = [attributes["aria-labelledby"] for _, attributes in self.attributes if "aria-labelledby" in attributes]
        assert set(named) <= set(ids)
        self._is_readable()
        self._has_its_policy()

    def _is_readable(self) -> None:
        assert self.all("html") == [{"lang": "en"}]
        assert len(self.all("h1")) == len(self.all("main")) == 1
        levels = [int(name[1]) for name, _ in self.attributes if re.fullmatch("h[1-6]", name)]
        assert all(below <= above + 1 for above, below in pairwise(levels)), levels
        assert len(self.all("caption")) == len(self.all("table"))
        assert all(each.get("scope") in ("row", "col") for each in self.all("th"))
        assert "<th></th>" not in re.sub(r"<th [^>]*>", "<th>", self.text)
        drawings = [each for each in self.all("svg") if "viewbox" not in each]
        assert all(each["role"] == "img" for each in drawings)
        assert len(re.findall(r'<svg role="img"[^>]*><title>[^<]+</title>', self.text)) == len(drawings)
        scrolled = [each for each in self.all("div") if each.get("class") == "scroll"]
        assert all(each.get("tabindex") == "0" and each.get("aria-label") for each in scrolled)

    def _has_its_policy(self) -> None:
        style = self.said("style")
        assert "url(" not in style
        assert "@import" not in style
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policies = [each["content"] for each in self.all("meta") if "http-equiv" in each]
        assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]

    @property
    def hexadecimal(self) -> bytes:
        """The bytes that it shows in hexadecimal."""
        found = re.findall(r'<pre class="hex">(.*?)</pre>', self.text, re.DOTALL)
        lines = [re.sub("<[^>]*>", "", line) for block in found for line in block.splitlines()]
        return b"".join(bytes.fromhex(line[9:57]) for line in lines)
