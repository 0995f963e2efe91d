"""Puts on the path, last, what is no package: `benchmarks/`, and the oracle that lies beside the tests of framing."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[2] / "benchmarks"), str(Path(__file__).parents[1] / "framing")]
