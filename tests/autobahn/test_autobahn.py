"""Autobahn's cases 1 to 10 against both drivers and the reference endpoint, where its program can be had.

wstest runs on Python 2.7 only; the environment variable TOKENWIRE_WSTEST names it.
"""

from __future__ import annotations

import os

import pytest
import run

WSTEST = os.environ.get("TOKENWIRE_WSTEST", "")

pytestmark = [
    pytest.mark.skipif(not WSTEST, reason="no Python 2.7 to run Autobahn's wstest: TOKENWIRE_WSTEST names none"),
    pytest.mark.timeout(600),
]


@pytest.mark.parametrize("driver", sorted(run.DRIVERS))
def test_every_case_is_strict_as_a_client(driver: str) -> None:
    index = run.as_client(WSTEST, run.CASES, driver)
    assert len(index) == 301
    assert run.compare(index) == []


def test_every_case_is_strict_as_a_server() -> None:
    index = run.as_server(WSTEST, run.CASES)
    assert len(index) == 301
    assert run.compare(index) == []
