"""Autobahn's cases 1 to 10 against both drivers and the reference endpoint, where its program can be had; and what came
out of cases 12 and 13, which take too long for every day.

wstest runs on Python 2.7 only; the environment variable TOKENWIRE_WSTEST names it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import run

WSTEST = os.environ.get("TOKENWIRE_WSTEST", "")
COMPRESSION = Path(__file__).with_name("compression")

pytestmark = pytest.mark.timeout(600)
needs_wstest = pytest.mark.skipif(
    not WSTEST, reason="no Python 2.7 to run Autobahn's wstest: TOKENWIRE_WSTEST names none"
)


@needs_wstest
@pytest.mark.parametrize("driver", sorted(run.DRIVERS))
def test_every_case_is_strict_as_a_client(driver: str) -> None:
    index = run.as_client(WSTEST, run.CASES, driver)
    assert len(index) == 301
    assert run.compare(index) == []


@needs_wstest
def test_every_case_is_strict_as_a_server() -> None:
    index = run.as_server(WSTEST, run.CASES)
    assert len(index) == 301
    assert run.compare(index) == []


@pytest.mark.parametrize("what", ["client-asyncio", "client-blocking", "server"])
def test_every_case_of_compression_was_strict_when_it_was_last_run(what: str) -> None:
    index = json.loads((COMPRESSION / f"{what}.json").read_text())
    assert len(index) == 216
    assert run.compare(index) == []
