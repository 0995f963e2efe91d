"""HTML as values: text goes in, and is escaped wherever it is put; only what `tag` made is markup."""

from __future__ import annotations

import html
from collections.abc import Iterable

from ..secrecy import harmless

__all__ = ["Content", "Html", "join", "tag"]

#: Elements without content, which have no end tag.
_VOID = frozenset({"col", "hr", "meta", "wbr"})


class Html(str):
    """Markup, which goes into a page as it is. Nothing that a peer said may be made one by hand."""

    __slots__ = ()


#: What may stand in an element. None and False are left out.
Content = str | int | float | None | Iterable["Content"]


def tag(name: str, /, *content: Content, **attributes: str | float | bool | None) -> Html:
    """An element.

    :param attributes: an underscore in a name stands for a hyphen, and one at its end for nothing (`class_`). None and
        False leave an attribute out, True gives it without a value.
    """
    begin = "".join([f"<{name}", *(_attribute(key, value) for key, value in attributes.items()), ">"])
    return Html(begin) if name in _VOID else Html(f"{begin}{join(*content)}</{name}>")


def join(*content: Content) -> Html:
    """What stands side by side."""
    return Html("".join(map(_markup, content)))


def _markup(content: Content) -> str:
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return _escaped(content)
    if content is None or content is False:
        return ""
    return str(content) if isinstance(content, int | float) else join(*content)


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    # A lone surrogate, as JSON may say it, is no character of UTF-8.
    return html.escape(harmless(text).encode("utf-8", "replace").decode())
