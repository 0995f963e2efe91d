"""How many requests a server works on, as it tells its operator: by its slots, or among its metrics."""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["running_in"]

#: The metrics that are known: those of vLLM and of llama-server.
_KNOWN = ("vllm:num_requests_running", "llamacpp:requests_processing")

#: A line of Prometheus' text: a name, labels, a number.
_SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{.*\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?")


def running_in(text: str, metric: str = "") -> float:
    """The number in what a server says: llama-server's `/slots`, Prometheus' text, or a number alone.

    :param metric: the name of the metric; by default one that is known.
    :raises ValueError: where there is none, with what to do.
    """
    if not metric:
        alone = _number(text)
        if alone is not None:
            return alone
        busy = _busy_slots(text)
        if busy is not None:
            return float(busy)
    names = (metric,) if metric else _KNOWN
    samples = [match for line in text.splitlines() if (match := _SAMPLE.fullmatch(line.strip()))]
    numbers = [number for match in samples if match[1] in names and (number := _number(match[2])) is not None]
    if not numbers:
        raise ValueError(f"it has no metric {' or '.join(names)}: name the metric behind a #")
    return sum(numbers)


def _busy_slots(text: str) -> int | None:
    """Of llama-server's `/slots`; None for what is no list of slots."""
    try:
        slots: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(slots, list) or not all(isinstance(slot, dict) and "is_processing" in slot for slot in slots):
        return None
    return sum(slot["is_processing"] is True for slot in slots)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number >= 0 and number != float("inf") else None
