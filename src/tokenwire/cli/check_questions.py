"""What `check` asks: over which transports, in which dialects, by which probes, for which checks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..dialects import dialect_named
from ..dialects.dialect import Dialect
from ..dialects.guess import guess_dialect
from ..errors import LocalProtocolError
from ..session import checked_place
from .access import Access
from .check_list import named

if TYPE_CHECKING:
    from tokenwire_conformance.judging.registry import Check
    from tokenwire_conformance.probes.talk import Probe, Transport
    from tokenwire_conformance.run import Given

__all__ = ["Over", "Questions", "chosen", "fitting", "is_websocket", "over_what", "questions_of"]


@dataclass(frozen=True, slots=True)
class Over:
    """What is asked over one transport, in one dialect; the plain question first."""

    transport: Transport
    dialect: Dialect
    probes: Sequence[Probe] = ()

    @property
    def asks_model(self) -> bool:
        """A model is named in what is asked."""
        from tokenwire_conformance.probes.asking import asks_model

        return asks_model(self.dialect)


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of an endpoint.

    :ivar listings: how often the models are listed before the probes.
    :ivar many: the probes that ask the plain question many times, over the first transport, each once.
    """

    checks: Sequence[Check]
    overs: Sequence[Over]
    listings: int
    many: Sequence[Probe] = ()

    @property
    def probes(self) -> list[tuple[Probe, Dialect]]:
        """All probes, in the order in which they are made."""
        return [(probe, over.dialect) for over in self.overs for probe in over.probes]

    @property
    def all_probes(self) -> list[tuple[Probe, Dialect]]:
        """Also those that ask many times, each kind once."""
        return [*self.probes, *((probe, self.overs[0].dialect) for probe in dict.fromkeys(self.many))]


def chosen(args: argparse.Namespace, *, passive_only: bool = False, listed: bool = False) -> list[Check]:
    """The checks that `--only` and `--skip` leave; those of hops with `--via`, and those of rates with `--requests`.

    :param listed: they are only listed, so that all kinds belong to them.
    :raises LocalProtocolError: for an id that begins none, and where none is left.
    """
    from tokenwire_conformance.judging.judge import select
    from tokenwire_conformance.judging.registry import Sees

    named("--only", args.only)
    named("--skip", args.skip)
    wanted = {
        Sees.ENDPOINT: True,
        Sees.HOP: listed or bool(getattr(args, "via", ())),
        Sees.MANY: listed or bool(getattr(args, "requests", 0)),
    }
    checks = [check for check in select(args.only, args.skip, passive_only=passive_only) if wanted[check.sees]]
    if not checks:
        of_files = " that a file can be judged by" if passive_only else ""
        wanting = "; those of hops want --via URL, and those of rates --requests N" if not passive_only else ""
        raise LocalProtocolError(f"--only and --skip leave no check{of_files}{wanting}")
    return checks


def questions_of(args: argparse.Namespace, checks: Sequence[Check], overs: Sequence[Over], access: Access) -> Questions:
    """The probes that the checks need, of those that can be made with what was given."""
    from tokenwire_conformance.probes.many import probes_of_many
    from tokenwire_conformance.run import asked_by, choose_probes

    own = args.url is None
    given = _given(args, access)
    probed = [
        Over(
            over.transport,
            over.dialect,
            choose_probes(
                over.dialect.name,
                checks,
                given=given,
                transport=over.transport,
                slow=not own,
                costly=own or args.costly,
                named=args.costly or bool(args.only),
                fast=args.fast,
            ),
        )
        for over in overs
    ]
    if args.fast:
        checks = asked_by(checks, [probe for over in probed for probe in over.probes])
    first = probed[0]
    many = probes_of_many(first.probes[0], first.dialect.name, args.requests)
    return Questions(checks, probed, sum(args.model is None and over.asks_model for over in overs), many)


def _given(args: argparse.Namespace, access: Access) -> list[Given]:
    """What was given beside the URL; the reference endpoint has it all."""
    options: dict[Given, object] = {
        "key": access.key,
        "bearer": access.key is not None and access.key_header in ("", "authorization"),
        "failing-model": args.failing_model,
        "cut-model": args.cut_model,
    }
    return [name for name, value in options.items() if args.url is None or value]


def fitting(checks: Sequence[Check], overs: Sequence[Over]) -> list[Check]:
    """The checks of what is said over these transports, in these dialects.

    :raises LocalProtocolError: when there are none.
    """
    from tokenwire_conformance.run import judging_over

    over = judging_over(checks, {over.transport for over in overs})
    if not over:
        other = "ws:// or wss://" if overs[0].transport == "http/1.1" else "http:// or https://"
        raise LocalProtocolError(f"all of these checks are of another transport: give a URL that begins with {other}")
    fit = [check for check in over if check.fits({over.dialect.name for over in overs})]
    if not fit:
        raise LocalProtocolError("all of these checks are of another dialect: name it with --dialect")
    return fit


def over_what(url: str | None, dialect: str | None, checks: Sequence[Check]) -> list[Over]:
    """Over what to ask, and in which dialect. The reference endpoint is asked over both transports, unless none of
    the checks needs one of them.

    :raises InvalidURL: for a URL that names no server.
    :raises LocalProtocolError: for a URL of a transport over which the dialect is not spoken.
    """
    from tokenwire_conformance.probes.asking import ASKING
    from tokenwire_conformance.run import transports_of

    if url is not None:
        named = dialect_named(dialect or _spoken_at(url))
        checked_place(url, named)
        return [Over("websocket" if is_websocket(url) else "http/1.1", named)]
    if dialect is not None:
        own = dialect_named(dialect)
        return [Over("http/1.1" if own.name in ASKING or own.opening is None else "websocket", own)]
    both = [Over("http/1.1", dialect_named("openai-chat")), Over("websocket", dialect_named("holysheep"))]
    needed = transports_of(checks)
    return [over for over in both if over.transport in needed]


def is_websocket(url: str) -> bool:
    """The URL is one of a WebSocket."""
    return url.lower().startswith(("ws:", "wss:"))


def _spoken_at(url: str) -> str:
    """The dialect that a URL is taken for."""
    from tokenwire_conformance.probes.asking import PROMPTED

    guessed = guess_dialect(url).dialect
    if is_websocket(url):
        return guessed if dialect_named(guessed).opening is not None else "holysheep"
    return guessed if guessed in PROMPTED else "openai-chat"
