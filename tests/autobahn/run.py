"""Runs the Autobahn test suite against tokenwire and compares with what is expected.

    python tests/autobahn/run.py client --wstest PATH [--driver blocking|asyncio] [--cases '1.*' '9.*']
    python tests/autobahn/run.py server --wstest PATH [--cases …]

Cases 1 to 10 are run by test_autobahn.py wherever there is a wstest, which takes minutes. 12 and 13, compression, take
half an hour for each driver and for the endpoint: whoever changes frames, deflate or how either is driven runs them
with `--cases '12.*' '13.*' --index tests/autobahn/compression/{client-asyncio,client-blocking,server}.json`, and what
came out is kept there, for the same test to hold against what is expected.

As a client tokenwire's drivers echo what wstest's fuzzing server sends; as a server the reference endpoint's `/echo`
answers its fuzzing client. wstest needs Python 2.7, so it is somebody else's to install. The index of the results goes
to standard output, or with `--index` to a file; the exit code is 0 where every case is as `expected.json` says: OK, or
INFORMATIONAL where Autobahn only observes. NON-STRICT is a failure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tokenwire
from tokenwire.endpoint import ReferenceEndpoint, background

CASES = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")
EXPECTED = Path(__file__).with_name("expected.json")
AGENT = "tokenwire"

#: Seconds in which wstest must have opened its port.
START = 20.0

#: Seconds in which wstest must have done all cases as a client. 12 and 13 take it half an hour on an idle machine.
LONGEST = 3 * 3600.0

_TIMEOUTS = tokenwire.Timeouts(first_byte=30.0, idle=60.0, keepalive=None)


def echo(url: str) -> list[str | bytes]:
    """Echoes every message of one connection, and returns them. What a case breaks on purpose ends it."""
    received: list[str | bytes] = []
    try:
        with tokenwire.connect(url, timeouts=_TIMEOUTS) as websocket:
            for message in websocket:
                received.append(message)
                websocket.send(message)
    except tokenwire.TokenwireError:
        pass
    return received


async def echo_async(url: str) -> list[str | bytes]:
    """The same with the asyncio driver."""
    received: list[str | bytes] = []
    try:
        async with tokenwire.aconnect(url, timeouts=_TIMEOUTS) as websocket:
            async for message in websocket:
                received.append(message)
                await websocket.send(message)
    except tokenwire.TokenwireError:
        pass
    return received


DRIVERS: dict[str, Callable[[str], list[str | bytes]]] = {
    "blocking": echo,
    "asyncio": lambda url: asyncio.run(echo_async(url)),
}


def as_client(wstest: str, cases: Sequence[str], driver: str) -> dict[str, Any]:
    """The index of a run as a client: behaviour by case."""
    run = DRIVERS[driver]
    with tempfile.TemporaryDirectory() as folder, _port() as port:
        url = f"ws://127.0.0.1:{port}"
        spec = {"url": url, "outdir": "reports", "cases": list(cases), "exclude-cases": [], "exclude-agent-cases": {}}
        with _wstest(wstest, "fuzzingserver", spec, folder) as process:
            _wait_for(port, process)
            count = _case_count(url)
            for case in range(1, count + 1):
                run(f"{url}/runCase?case={case}&agent={AGENT}")
            run(f"{url}/updateReports?agent={AGENT}")
        return _index(folder)


def as_server(wstest: str, cases: Sequence[str]) -> dict[str, Any]:
    """The index of a run as a server."""
    with tempfile.TemporaryDirectory() as folder, background(ReferenceEndpoint().connection) as port:
        spec = {
            "servers": [{"agent": AGENT, "url": f"ws://127.0.0.1:{port}/echo"}],
            "outdir": "reports",
            "cases": list(cases),
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        with _wstest(wstest, "fuzzingclient", spec, folder) as process:
            process.wait(timeout=LONGEST)
        return _index(folder)


def compare(index: dict[str, Any]) -> list[str]:
    """What is not as it should be, a line each."""
    observed = set(json.loads(EXPECTED.read_text())["informational"])
    wrong = [] if index else ["no case was run"]
    for case, result in index.items():
        wanted = {"INFORMATIONAL"} if case in observed else {"OK"}
        got = {result["behavior"], result["behaviorClose"]} - {"OK"} or {"OK"}
        if not (got <= wanted or result["behavior"] in wanted):
            wrong.append(f"{case}: {result['behavior']}, closing {result['behaviorClose']}")
    return wrong


def summary(index: dict[str, Any]) -> dict[str, int]:
    """How many cases behaved how."""
    return dict(Counter(result["behavior"] for result in index.values()))


def _index(folder: str) -> dict[str, Any]:
    index: dict[str, dict[str, Any]] = json.loads((Path(folder) / "reports" / "index.json").read_text())
    results = next(iter(index.values()), {})
    ordered = sorted(results, key=lambda case: [int(part) for part in case.split(".")])
    return {case: {name: results[case][name] for name in ("behavior", "behaviorClose")} for case in ordered}


def _case_count(url: str) -> int:
    with tokenwire.connect(f"{url}/getCaseCount", timeouts=_TIMEOUTS) as websocket:
        return int(next(websocket))


@contextmanager
def _wstest(wstest: str, mode: str, spec: dict[str, Any], folder: str) -> Iterator[subprocess.Popen[bytes]]:
    path = Path(folder) / "spec.json"
    path.write_text(json.dumps(spec))
    with (Path(folder) / "log").open("wb") as log:
        command = [wstest, "-m", mode, "-s", str(path), *(["-u", "0"] if mode == "fuzzingserver" else [])]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("wstest does not listen")


@contextmanager
def _port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    yield port


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("client", "server"))
    parser.add_argument("--wstest", required=True, metavar="PATH", help="Autobahn's program")
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="PATTERN", help="default: 1 to 10")
    parser.add_argument(
        "--driver", choices=tuple(DRIVERS), default="blocking", help="as a client; default: %(default)s"
    )
    parser.add_argument("--index", type=Path, metavar="FILE", help="where the index of the results goes")
    options = parser.parse_args(arguments)
    if options.role == "client":
        index = as_client(options.wstest, options.cases, options.driver)
    else:
        index = as_server(options.wstest, options.cases)
    text = json.dumps(index, indent=1)
    if options.index is not None:
        options.index.write_text(text + "\n")
    else:
        print(text)
    wrong = compare(index)
    print(f"{len(index)} cases: {summary(index)}", *wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
