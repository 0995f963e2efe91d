"""Judges the servers that are installed here and writes the page on them. It installs nothing.

    python -m tokenwire_conformance.scoreboard docs/scoreboard.toml --out docs/scoreboard.md

`SERVERS` names the folder in which they are installed; how stands in the table. `--results FILE` keeps what was found;
where that file is there, nothing is run, and the page is made again of it: after judgements were added.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from .page import page
from .running import Found, judge
from .servers import Server, servers_of


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="tokenwire_conformance.scoreboard",
        description="Judges servers that can be had, and writes one page of what was found.",
    )
    parser.add_argument("servers", type=Path, help="the table of servers, in TOML")
    parser.add_argument("--out", type=Path, help="where the page is written (standard output)")
    parser.add_argument("--results", type=Path, help="what was found, as JSON: read where it is there, else written")
    parser.add_argument("--jobs", type=int, default=1, help="servers that are judged at a time (1)")
    args = parser.parse_args(arguments)
    servers = servers_of(args.servers)
    text = page(servers, _found(servers, args.results, args.jobs))
    if args.out is None:
        sys.stdout.write(text)
    else:
        args.out.write_text(text, encoding="utf-8")
    return 0


def _found(servers: Mapping[str, Server], results: Path | None, jobs: int) -> list[Found]:
    if results is not None and results.exists():
        kept: list[Found] = json.loads(results.read_text("utf-8"))
        return kept
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(partial(judge, servers=servers), servers.values()))
    if results is not None:
        results.write_text(json.dumps(found), encoding="utf-8")
    return found


if __name__ == "__main__":
    sys.exit(main())
