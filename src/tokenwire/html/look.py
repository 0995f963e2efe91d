"""What all pages have in common: the document around them, its style, and tables."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

from .._version import __version__
from .elements import Content, Html, join, tag

__all__ = ["page", "scrolled", "table"]


def page(title: str, *body: Content) -> str:
    """A whole document. It may load nothing and run nothing, whatever gets into it."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style),
    ]
    main = tag("main", body, tag("p", f"Made by tokenwire {__version__}.", class_="soft"), id="main")
    return "<!DOCTYPE html>\n" + tag("html", tag("head", head), tag("body", main), lang="en") + "\n"


@cache
def _style() -> Html:
    """Ours, and no text of anybody else's."""
    return Html(files("tokenwire.html").joinpath("look.css").read_text("utf-8"))


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Content]],
    *,
    numbers: Iterable[int] = (),
    has_title: bool = False,
) -> Html:
    """A table whose rows are named by their first cell.

    :param numbers: the columns that hold numbers.
    :param has_title: its caption stands above it already, and is for those alone who do not see that.
    """
    right = dict.fromkeys(numbers, "number")
    heads = [tag("th", name, scope="col", class_=right.get(n)) for n, name in enumerate(columns)]
    return scrolled(
        tag(
            "table",
            tag("caption", tag("span", caption, class_="unseen") if has_title else caption),
            tag("thead", tag("tr", heads)),
            tag("tbody", [_row(row, right) for row in rows]),
        ),
        caption,
    )


def _row(cells: Sequence[Content], right: dict[int, str]) -> Html:
    first, *others = cells
    rest = [tag("td", cell, class_=right.get(number)) for number, cell in enumerate(others, 1)]
    return tag("tr", tag("th", first, scope="row"), rest)


def scrolled(content: Content, name: str) -> Html:
    """What may be wider than the screen: it scrolls by itself, by keyboard too."""
    return tag("div", join(content), class_="scroll", tabindex="0", role="region", aria_label=name)
