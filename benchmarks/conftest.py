"""Every case of a module with every contender of it, one test each: `pytest benchmarks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from measuring import Case, Contender, check, drop

#: Rounds of each: enough to see what is slow. `report.py` takes more, and takes them side by side.
ROUNDS = 3


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`CASES` of the module is what `measured` is about."""
    if "measured" in metafunc.fixturenames:
        pairs = [(case, contender) for case in metafunc.module.CASES for contender in case.contenders]
        names = [f"{case.name}, {contender.name}" for case, contender in pairs]
        metafunc.parametrize(("case", "contender"), pairs, ids=names)


@pytest.fixture
def measured(benchmark: Any, case: Case, contender: Contender) -> Callable[[], None]:
    """Checks a contender, then times it."""

    def run_it() -> None:
        try:
            run = contender.prepare()
        except ImportError as error:
            pytest.skip(f"{error.name} is not installed")
        check(case, contender, run)
        benchmark.group = f"{case.name}, {case.items} items"
        benchmark.name = contender.name
        benchmark.extra_info["items"] = case.items
        benchmark.pedantic(run, args=(contender.input_of(case), drop), rounds=ROUNDS)

    return run_it
