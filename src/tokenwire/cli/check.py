"""`tokenwire check`: judge an endpoint."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .access import add_access_options
from .check_baseline import add_baseline_options
from .check_cost import add_cost_options, prices_of, print_dry_run
from .check_list import explain, list_checks
from .check_named import with_named_endpoint
from .check_questions import chosen, fitting, over_what
from .check_running import add_running_options
from .check_task import task_of
from .exits import complain
from .extras import need
from .report_files import FORMS, add_file_options, told_as
from .request import positive_seconds
from .screen import Screen

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from tokenwire_conformance.judging.registry import Check
    from tokenwire_conformance.reports.report import Report

__all__ = ["add_format_options", "add_parser", "parsed", "print_reports", "run"]

_EXAMPLE = """\
examples:
  tokenwire check
      the reference endpoint, started for the occasion: what a sound endpoint looks like
  LLAMA_KEY=... tokenwire check http://127.0.0.1:8080 --key-env LLAMA_KEY
      an endpoint; its model is the first one that it lists, unless --model names another
  tokenwire check http://127.0.0.1:11434/api/chat
      Ollama, in its own dialect, which the URL tells; --dialect names another
  tokenwire check http://127.0.0.1:8080 --only sse. --only chat. --format junit > report.xml
      some groups only, for a CI server
  tokenwire check ws://127.0.0.1:8080/echo --dialect raw
      a WebSocket, whatever is said on it; two probes wait for a minute or two: --skip wsk. leaves them out
  tokenwire check http://127.0.0.1:8080 --via http://127.0.0.1:80
      what a proxy in front of an endpoint breaks: it holds the stream back, loses fields, hides that it was cut
  tokenwire check https://api.example.com/v1 --dry-run
      how many requests that would be, and of which kind
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    from tokenwire_conformance.probes.asking import ASKING, SPOKEN

    parser = subparsers.add_parser(
        "check",
        help="judge an endpoint",
        description="Judges an endpoint against the specifications, at the level of bytes. "
        "Exit code 1 when a MUST is broken.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        help="the endpoint, or its name in a pyproject.toml ([tool.tokenwire.endpoints.NAME]); without it the "
        "reference endpoint is judged",
    )
    parser.add_argument(
        "--dialect",
        metavar="NAME",
        help=f"{_listed(ASKING)} (by default as the URL has it, else openai-chat); for a ws or wss URL "
        f"{_listed([*SPOKEN, 'raw'])} (by default as the URL has it, else holysheep; raw is for one that is not known)",
    )
    parser.add_argument("--model", metavar="NAME", help="the model to ask; by default the first that is listed")
    parser.add_argument(
        "--via",
        metavar="URL",
        action="append",
        default=[],
        help="a proxy or gateway in front of URL, which is asked the same: what does it break? Can be repeated, from "
        "the origin towards the client; the exit code is that of the hops",
    )
    parser.add_argument(
        "--failing-model",
        metavar="NAME",
        default="",
        help="a model that fails within its stream: how is that told?",
    )
    parser.add_argument(
        "--cut-model",
        metavar="NAME",
        default="",
        help="a model of a gateway whose upstream breaks off within its stream: is that told?",
    )
    add_access_options(parser)
    parser.add_argument(
        "--other-key-env",
        metavar="NAME",
        help="the environment variable that holds the key of another user: can that one go on with an answer that was "
        "told to the first (--only resume.)?",
    )
    add_running_options(parser)
    parser.add_argument(
        "--list", action="store_true", help="list the checks: ids, levels and clauses; asks nobody. Also as JSON"
    )
    parser.add_argument(
        "--explain",
        metavar="ID",
        help="say all about one check: its rule, why it matters, what proves it, how to repair it; asks nobody",
    )
    parser.add_argument(
        "--record-dir",
        metavar="DIR",
        type=Path,
        help="keep what went over the wire for each probe, without secrets, in this new or empty folder: "
        "NN-probe.wire.jsonl, which lint judges and replay serves; with --via in a folder for each",
    )
    add_baseline_options(parser)
    add_pace_options(parser)
    add_cost_options(parser)
    add_format_options(parser)
    parser.set_defaults(parser=parser)


def add_pace_options(parser: argparse.ArgumentParser) -> None:
    """How fast the endpoint is asked, and for how long."""
    parser.add_argument(
        "--delay",
        metavar="SECONDS",
        type=positive_seconds,
        default=0.0,
        help="wait so long between two probes; default: %(default)s",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=positive_seconds,
        default=60.0,
        help="wait at most so long, at each probe, where a 429 or 503 says in Retry-After when to come again; "
        "default: %(default)s",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=positive_seconds,
        default=0.0,
        help="stop after so long, and judge what came until then; default: never",
    )


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Which checks, and how their verdicts are told."""
    parser.add_argument("--only", metavar="ID", action="append", default=[], help="checks whose id begins so")
    parser.add_argument("--skip", metavar="ID", action="append", default=[], help="no checks whose id begins so")
    parser.add_argument("--strict", action="store_true", help="a breach of SHOULD is a finding too")
    parser.add_argument("-v", "--verbose", action="store_true", help="list what does not apply too, with the reasons")
    parser.add_argument(
        "--format",
        choices=("text", *FORMS),
        default="text",
        help="markdown is for the summary of a CI job; default: %(default)s",
    )
    add_file_options(parser)


def run(args: argparse.Namespace) -> int:
    args = with_named_endpoint(args.parser, args)
    if args.format == "junit":
        need("--format junit")
    if args.explain is not None:
        return explain(args.explain, args.format)
    if args.list:
        return list_checks(_all_or_fitting(args), args.format)
    task = task_of(args)
    if args.dry_run:
        questions = task.questions
        prices = prices_of(questions.all_probes)
        once = {probe: prices[probe] for probe, _ in questions.probes}
        many = [prices[probe] for probe in questions.many]
        print_dry_run(once, len(questions.checks), questions.listings, many=many, hops=len(args.via))
        return 0
    reports = task.reports()
    for report in reports:
        if report.run.headline and not (args.format == "text" and sys.stdout.isatty()):
            complain(f"{report.target}: {report.run.headline}" if args.via else report.run.headline)
    return print_reports(reports, args.format, verbose=args.verbose)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of `check`, with those of a named endpoint, for whoever runs it from Python.

    :raises LocalProtocolError: when there is no endpoint of the name.
    :raises SystemExit: for what is no option; argparse has said why.
    """
    parser = argparse.ArgumentParser(prog="tokenwire")
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["check", *arguments])
    args.arguments = list(arguments)
    return with_named_endpoint(args.parser, args)


def _all_or_fitting(args: argparse.Namespace) -> list[Check]:
    """What `--list` lists: those of one endpoint or dialect, where that is named."""
    checks = chosen(args, listed=True)
    if args.url is None and args.dialect is None:
        return checks
    return fitting(checks, over_what(args.url, args.dialect, checks))


def print_reports(reports: Sequence[Report], form: str, *, verbose: bool = False) -> int:
    """Prints the verdicts and returns the exit code that they make."""
    from tokenwire_conformance.reports.report import overall
    from tokenwire_conformance.reports.text import as_text

    if form != "text":
        sys.stdout.write(told_as(form, reports))
        return overall(reports).exit_code
    screen = Screen(sys.stdout)
    for report in reports:
        for text, style in as_text(report, width=screen.width, verbose=verbose):
            screen.line(text, style)
    return overall(reports).exit_code
