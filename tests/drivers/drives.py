"""The three drivers behind one face: each takes a URL and options, and gives what came of the stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import trio
import trio_driver

import tokenwire
from tokenwire.dialects import DIALECTS
from tokenwire.session import build_request, over_the_other_transport

__all__ = ["DRIVES", "PLAIN", "Drive", "Outcome", "blocking", "with_asyncio", "with_trio"]

#: Codings would make a stream of a few bytes, in which there is little to cut.
PLAIN = {"accept-encoding": "identity"}


class Outcome:
    """What came of a stream: the text as it was given, piece by piece, and the error."""

    def __init__(self) -> None:
        self.text = ""
        self.error: tokenwire.TokenwireError | None = None

    def take(self, event: tokenwire.StreamEvent) -> None:
        self.text += event.text if isinstance(event, tokenwire.TextDelta) else ""


Drive = Callable[..., Outcome]


def blocking(url: str, **options: Any) -> Outcome:
    outcome = Outcome()
    try:
        with tokenwire.stream(url, headers=PLAIN, **options) as stream:
            for event in stream:
                outcome.take(event)
    except tokenwire.TokenwireError as error:
        outcome.error = error
    return outcome


def with_asyncio(url: str, **options: Any) -> Outcome:
    outcome = Outcome()

    async def run() -> None:
        try:
            async with tokenwire.astream(url, headers=PLAIN, **options) as stream:
                async for event in stream:
                    outcome.take(event)
        except tokenwire.TokenwireError as error:
            outcome.error = error

    asyncio.run(run())
    return outcome


def with_trio(url: str, json: dict[str, Any], dialect: str, **options: Any) -> Outcome:
    outcome = Outcome()
    kind = DIALECTS[dialect]
    options["fallback"] = over_the_other_transport(url, kind, json=json, headers=PLAIN)

    async def run() -> None:
        try:
            async for event in trio_driver.events(build_request(url, kind, json=json, headers=PLAIN), kind, **options):
                outcome.take(event)
        except tokenwire.TokenwireError as error:
            outcome.error = error

    trio.run(run)
    return outcome


DRIVES: dict[str, Drive] = {"blocking": blocking, "asyncio": with_asyncio, "trio": with_trio}
