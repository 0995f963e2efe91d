"""Prints the page of all sentences, and says what is wrong with the tables.

python -m tokenwire_conformance.sentences > docs/sentences.md
"""

from __future__ import annotations

import sys

from .page import page
from .problems import problems


def main() -> int:
    wrong = list(problems())
    for problem in wrong:
        print(problem, file=sys.stderr)  # noqa: T201 - a command's output
    sys.stdout.write(page())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
