"""`tokenwire check`: judge an endpoint."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..dialects import dialect_named
from ..endpoint import ReferenceEndpoint, background
from ..errors import LocalProtocolError
from ..protocol.url import parse_url
from ..session import endpoint_url
from .request import add_key_options, header_fields, key_of
from .screen import Screen

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from tokenwire_conformance.talk import Probe
    from tokenwire_conformance.report import Report

__all__ = ["add_format_options", "add_parser", "print_reports", "run"]

_EXAMPLE = """\
examples:
  tokenwire check
      the reference endpoint, started for the occasion: what a sound endpoint looks like
  LLAMA_KEY=... tokenwire check http://127.0.0.1:8080 --key-env LLAMA_KEY
      an endpoint; its model is the first one that it lists, unless --model names another
  tokenwire check http://127.0.0.1:8080 --only sse. --only chat. --format junit > report.xml
      some groups only, for a CI server
  tokenwire check https://api.example.com/v1 --dry-run
      how many requests that would be, and of which kind
"""


def add_parser(subparsers: _SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "check",
        help="judge an endpoint",
        description="Judges an endpoint against the specifications, at the level of bytes. "
        "Exit code 1 when a MUST is broken.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "url", metavar="URL", nargs="?", help="the endpoint; without it the reference endpoint is judged"
    )
    parser.add_argument("--dialect", default="openai-chat", help="openai-chat or eventsource; default: %(default)s")
    parser.add_argument("--model", metavar="NAME", help="the model to ask; by default the first that is listed")
    add_key_options(parser, "the key to send")
    parser.add_argument(
        "--header", metavar="NAME=VALUE", action="append", default=[], help="another field; may be repeated"
    )
    parser.add_argument("--dry-run", action="store_true", help="say which requests would be made, and make none")
    add_format_options(parser)


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Which checks, and how their verdicts are told."""
    parser.add_argument("--only", metavar="ID", action="append", default=[], help="checks whose id begins so")
    parser.add_argument("--skip", metavar="ID", action="append", default=[], help="no checks whose id begins so")
    parser.add_argument("--strict", action="store_true", help="a breach of SHOULD is a finding too")
    parser.add_argument("--format", choices=("text", "json", "junit"), default="text", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    from tokenwire_conformance.judge import judge_all, select
    from tokenwire_conformance.talk import Plan
    from tokenwire_conformance.report import Report
    from tokenwire_conformance.run import choose_probes, first_model, make_probes
    from tokenwire_conformance.wire import SocketWire

    checks = select(args.only, args.skip)
    if not checks:
        raise LocalProtocolError("no check has an id that begins so; `tokenwire check --dry-run` lists the groups")
    dialect = dialect_named(args.dialect)
    key = key_of(args)
    if args.dry_run:
        probes = choose_probes(dialect.name, checks, with_key=key is not None or args.url is None)
        _print_dry_run(probes, len(checks), listing=args.model is None and dialect.method == "POST")
        return 0
    with _target(args.url, key) as (url, key):
        target = parse_url(endpoint_url(url, dialect))
        plan = Plan(target, dialect, args.model or "", key, list(header_fields(args.header).items()))
        if not plan.model and dialect.method == "POST":
            plan = Plan(target, dialect, first_model(plan, SocketWire(target)), key, plan.fields)
        probes = choose_probes(dialect.name, checks, with_key=key is not None)
        with _progress(len(probes)) as tell:
            case = make_probes(probes, plan, lambda: SocketWire(target), tell)
    report = Report(target.url if args.url else "the reference endpoint", judge_all(case, checks, strict=args.strict))
    return print_reports([report], args.format)


def print_reports(reports: Sequence[Report], form: str) -> int:
    """Prints the verdicts and returns the exit code that they make."""
    from tokenwire_conformance.report import as_json, as_junit, as_text
    from tokenwire_conformance.verdict import exit_code

    if form == "json":
        sys.stdout.write(as_json(reports))
    elif form == "junit":
        sys.stdout.write(as_junit(reports))
    else:
        screen = Screen(sys.stdout)
        for report in reports:
            for text, style in as_text(report):
                screen.write(text, style)
                screen.write("\n")
    return exit_code([result for report in reports for result in report.results])


def _print_dry_run(probes: Sequence[Probe], checks: int, *, listing: bool) -> None:
    from tokenwire_conformance.run import by_cost

    told = {
        "generation": "answered by the model (short: at most 48 tokens, 256 with tools)",
        "refusal": "refused by a sound endpoint before the model is asked",
        "none": "for which no model is asked",
    }
    screen = Screen(sys.stdout)
    screen.write(f"{checks} checks need {len(probes) + listing} requests:\n", "bold")
    for cost, some in by_cost(probes).items():
        extra = 1 if cost == "none" and listing else 0
        if some or extra:
            screen.write(f"\n{len(some) + extra} {told[cost]}\n", "bold")
        for probe in some:
            screen.write(f"  {probe.name:<18}{probe.about}\n")
        if extra:
            screen.write(f"  {'models':<18}the list of models, to take the first\n")


@contextmanager
def _target(url: str | None, key: str | None) -> Iterator[tuple[str, str | None]]:
    """The endpoint that was named; or the reference endpoint, which lives as long as it is judged."""
    if url is not None:
        yield url, key
        return
    own_key = secrets.token_urlsafe(24)
    with background(ReferenceEndpoint(key=own_key, pace=0.005).connection) as port:
        yield f"http://127.0.0.1:{port}", own_key


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """A bar on standard error while the probes are made, where a person is there to see it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("[bold]judging[/bold]"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total)
        yield lambda progress: bar.update(task, completed=progress.number - 1, description=progress.probe.about)
