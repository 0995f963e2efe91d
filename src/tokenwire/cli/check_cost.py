"""What `check` costs the endpoint: told beforehand, and bounded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..dialects.dialect import Dialect
from ..errors import LocalProtocolError
from .screen import Screen

if TYPE_CHECKING:
    from tokenwire_conformance.probes.rehearsal import Budget, Price
    from tokenwire_conformance.probes.talk import Probe

__all__ = ["add_cost_options", "budget_of", "prices_of", "print_dry_run"]

#: Fewer than the files that a process may usually have open, so that no connection fails for want of ours.
_MOST_AT_ONCE = 200

_TOLD = {
    "generation": "answered by the model",
    "refusal": "refused by a sound endpoint before the model is asked",
    "none": "for which no model is asked",
}


def add_cost_options(parser: argparse.ArgumentParser) -> None:
    """Which probes are made, and how many tokens they may use."""
    from tokenwire_conformance.run import FAST

    parser.add_argument("--dry-run", action="store_true", help="say which requests would be made, and make none")
    parser.add_argument(
        "--max-tokens-total",
        metavar="N",
        type=_tokens,
        help="make no probe by which more tokens might be used in all: as many as the endpoint has told, and as the "
        "next question allows at most",
    )
    parser.add_argument(
        "-n",
        "--requests",
        metavar="N",
        type=_count,
        default=0,
        help="ask a short question N times more, every fourth time with tools, for what goes wrong now and then: how "
        "often, with the 95 %% interval, and whose fault it looks like",
    )
    parser.add_argument(
        "-c",
        "--concurrency",
        metavar="C",
        type=_concurrency,
        default=4,
        help=f"of these so many at a time, {_MOST_AT_ONCE} at most; default: %(default)s",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="about ten requests for each transport, the most telling, and the checks that judge them: "
        + "; ".join(f"{name} ({why})" for name, why in FAST.items()),
    )
    parser.add_argument(
        "--costly",
        action="store_true",
        help="also what costs as much as all the rest: a prompt of 1.5 million words, a message of 1 MiB, and one that "
        "inflates to 128 MiB; and what else --only cancel. and --only resume. ask alone",
    )


def _tokens(text: str) -> int:
    if not text.isdecimal() or len(text) > 12 or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of tokens")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 6 or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests")
    return int(text)


def _concurrency(text: str) -> int:
    if _count(text) > _MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"at most {_MOST_AT_ONCE} can be asked at a time")
    return int(text)


def prices_of(probes: Sequence[tuple[Probe, Dialect]]) -> dict[Probe, Price]:
    """What each probe costs, in the order in which they are made."""
    from tokenwire_conformance.probes.rehearsal import rehearsed

    return {probe: rehearsed(probe, dialect) for probe, dialect in probes}


def budget_of(limit: int | None, probes: Sequence[tuple[Probe, Dialect]]) -> Budget:
    """The tokens that a run may use.

    :raises LocalProtocolError: where they do not even reach for the plain question.
    """
    from tokenwire_conformance.probes.rehearsal import Budget

    if limit is None:
        return Budget()
    prices = {probe.name: price.tokens for probe, price in prices_of(probes).items()}
    budget, plain = Budget(limit, prices), probes[0][0]
    if not budget.allows(plain):
        raise LocalProtocolError(
            f"--max-tokens-total {limit} does not reach for the plain question, which may use {prices[plain.name]}"
        )
    return budget


def print_dry_run(
    prices: Mapping[Probe, Price], checks: int, listing: int, *, many: Sequence[Price] = (), hops: int = 0
) -> None:
    """Prints what the checks cost.

    :param listing: how often the models are listed.
    :param many: of the questions that are asked many times.
    :param hops: in front of the endpoint, which are asked the same.
    """
    from tokenwire_conformance.run import by_cost

    each = [*prices.values(), *many]
    requests = sum(price.requests for price in each) + listing
    sent = sum(price.sent for price in each)
    tokens = sum(price.tokens for price in each)
    screen = Screen(sys.stdout)
    screen.write(f"{checks} checks need {requests} requests, {sent:,} bytes sent, at most {tokens:,} tokens.\n", "bold")
    if hops:
        screen.write(f"As many once more for each hop ({hops}).\n")
    screen.write("Where an answer leaves a doubt, the plain question is asked again.\n")
    if many:
        screen.write(f"\n{len(many)} times a short question, for what goes wrong now and then\n", "bold")
    for cost, probes in by_cost(prices).items():
        extra = listing if cost == "none" else 0
        count = sum(prices[probe].requests for probe in probes) + extra
        if count:
            screen.write(f"\n{count} {_TOLD[cost]}\n", "bold")
        for probe in probes:
            screen.write(f"  {probe.name:<24}{_times(prices[probe].requests)}{probe.about}\n")
        if extra:
            screen.write(f"  {'models':<24}{_times(extra)}the list of models, to take the first\n")


def _times(requests: int) -> str:
    return f"{requests} requests: " if requests > 1 else ""
