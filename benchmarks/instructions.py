"""Counts the instructions of the hottest paths and compares them with those that are committed: no clock is asked.

python benchmarks/instructions.py             compares; exit code 1 where a path takes more than it did
python benchmarks/instructions.py --update    writes what it counts to instructions.json

valgrind runs each path twice, for some rounds and for twice as many (see counted.py). What lies between the two counts
is the rounds alone, without the start of Python. The count still depends on how Python was built, so a baseline of
another build is no baseline: that is said, and nothing compared. Without valgrind nothing is counted, and that is said.
"""

from __future__ import annotations

import argparse
import compileall
import json
import marshal
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import h11
import wsproto
from sending import HEAD, chunked
from workloads import READ_SIZE, Traffic, anthropic, chat, frames, holysheep_messages, reads

import tokenwire

__all__ = ["PATHS", "TOLERANCE", "compared", "main"]

BASELINE = Path(__file__).with_name("instructions.json")
COUNTED = Path(__file__).with_name("counted.py")

#: By how much a count may differ. The same code is counted within half a hundredth of itself: addresses, and with
#: them the order of some dictionaries, are not the same each time.
TOLERANCE = 0.02

#: Events of a stream, and streams: valgrind takes fifty times as long as the processor.
EVENTS, ROUNDS = 400, 4


def response(count: int) -> Traffic:
    """Chat as a whole response, each event in a chunk of its own."""
    traffic = chat(count)
    return replace(traffic, blocks=[HEAD, *chunked(traffic.blocks)])


#: The traffic of each path, the size of its reads, and its reader.
PATHS: dict[str, tuple[Callable[[int], Traffic], int | None, str]] = {
    "SSE framing: chat, 16 KiB reads": (chat, READ_SIZE, "sse"),
    "SSE framing: chat, one event a read": (chat, None, "sse"),
    "to deltas: openai-chat, 16 KiB reads": (chat, READ_SIZE, "openai-chat"),
    "to deltas: anthropic-messages, 16 KiB reads": (anthropic, READ_SIZE, "anthropic-messages"),
    "WebSocket frames: 60 bytes, 16 KiB reads": (lambda count: frames(60, count), READ_SIZE, "frames"),
    "HTTPExchange: chat, chunked, 16 KiB reads": (response, READ_SIZE, "exchange"),
    "a WebSocket conversation: 60 bytes, 16 KiB reads": (holysheep_messages, READ_SIZE, "websocket"),
    "a whole stream: chat, chunked, in a burst": (response, READ_SIZE, "stream"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description="the instructions of the hottest paths, beside those committed")
    parser.add_argument("--update", action="store_true", help="write what is counted to instructions.json")
    arguments = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        return 0
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    if baseline["python"] != build() and not arguments.update:
        print(f"skipped: the baseline was counted with {baseline['python']}, and this is {build()}")
        return 0
    counted = count_all()
    lines, worse = compared(counted, baseline["instructions an event"])
    print("\n".join(lines))
    if arguments.update:
        written = {"python": build(), "instructions an event": counted}
        BASELINE.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        return 0
    return 1 if worse else 0


def compared(counted: Mapping[str, int], baseline: Mapping[str, int]) -> tuple[list[str], bool]:
    """What to say of each path, and whether any takes more than it did, or was never counted before."""
    lines = []
    worse = False
    for name, now in counted.items():
        if name not in baseline:
            worse = True
            lines.append(f"{name}: {now} instructions an event, not in the baseline: --update")
            continue
        change = now / baseline[name] - 1
        worse = worse or change > TOLERANCE
        verdict = "MORE" if change > TOLERANCE else "less, so --update" if change < -TOLERANCE else "the same"
        lines.append(f"{name}: {now} instructions an event, {change:+.1%}: {verdict}")
    return lines, worse


def count_all() -> dict[str, int]:
    """Instructions an event, by the path."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        copy_libraries(folder)
        return dict(zip(PATHS, pool.map(lambda path: _count(path, folder), PATHS), strict=True))


def copy_libraries(folder: str) -> None:
    """The library and what it needs, compiled, so that Python has only to load them."""
    for module in (tokenwire, h11, wsproto):
        package = Path(module.__file__).parent
        shutil.copytree(package, Path(folder, package.name), ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder, quiet=1)


def _count(path: str, folder: str) -> int:
    make, size, reader = PATHS[path]
    traffic = make(EVENTS)
    file = Path(folder, path)
    file.write_bytes(marshal.dumps(list(reads(traffic.blocks, size))))
    more = _instructions(reader, 2 * ROUNDS, file) - _instructions(reader, ROUNDS, file)
    return round(more / ROUNDS / len(traffic.data))


def _instructions(reader: str, rounds: int, file: Path) -> int:
    """Instructions of a whole process, which loads nothing but what is beside the file."""
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    python = [sys.executable, "-S", str(COUNTED), reader, str(rounds), str(file)]
    # A seed, for the order in which a set is gone through depends on it.
    environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": str(file.parent), "PATH": os.environ["PATH"]}
    done = subprocess.run([*valgrind, *python], capture_output=True, text=True, env=environment)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"valgrind cannot count: {done.stderr}")
    return int(found[1])


def build() -> str:
    """The Python that counts: another one takes other instructions for the same."""
    implementation, version = platform.python_implementation(), platform.python_version()
    return f"{implementation} {version}, {platform.python_compiler()}, {platform.machine()}"


if __name__ == "__main__":
    sys.exit(main())
