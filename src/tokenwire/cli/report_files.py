"""`--html FILE` and `--also FORM=FILE`: one run told in several forms, some of them in files beside what is printed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .extras import need
from .page_file import add_page_option, page_file

if TYPE_CHECKING:
    from tokenwire_conformance.reports.report import Report

__all__ = ["FORMS", "add_file_options", "report_files", "told_as"]

#: What a program or a CI server reads.
FORMS = ("json", "junit", "markdown")


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """What is written beside what is printed."""
    parser.add_argument(
        "--also",
        metavar="FORM=FILE",
        type=_form_and_file,
        action="append",
        default=[],
        help=f"write the same report to a file too, as {', '.join(FORMS)}: junit=report.xml; can be repeated",
    )
    add_page_option(parser, "the findings with their bytes, their times, and how they are repaired")


def told_as(form: str, reports: Sequence[Report]) -> str:
    """The reports in one of the forms, or as the page "html"."""
    match form:
        case "json":
            from tokenwire_conformance.reports.json import as_json as told
        case "junit":
            from tokenwire_conformance.reports.junit import as_junit as told
        case "markdown":
            from tokenwire_conformance.reports.markdown import as_markdown as told
        case _:
            from tokenwire_conformance.page.report import as_html as told
    return told(reports)


@contextmanager
def report_files(args: argparse.Namespace) -> Iterator[Callable[[Sequence[Report]], None]]:
    """Gives what writes all files. What cannot be written, or wants an extra, is said before anything is asked.

    :raises LocalProtocolError: where an extra is missing.
    :raises OSError: where a file cannot be written.
    """
    if "junit" in [form for form, _ in args.also]:
        need("--format junit")
    with ExitStack() as stack:
        files = [(form, stack.enter_context(page_file(path))) for form, path in [*args.also, ("html", args.html)]]

        def write(reports: Sequence[Report]) -> None:
            for form, file in files:
                file(partial(told_as, form, reports))

        yield write


def _form_and_file(text: str) -> tuple[str, Path]:
    """:raises ArgumentTypeError: for another form, and without a file."""
    form, _, file = text.partition("=")
    if form not in FORMS or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not FORM=FILE, with one of the forms {', '.join(FORMS)}")
    return form, Path(file)
