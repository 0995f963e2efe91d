"""The servers of the scoreboard, as its table in TOML names them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Endpoint", "Server", "servers_of"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What of a server is judged.

    :ivar url: holds `$port`.
    """

    dialect: str
    model: str
    url: str = "http://127.0.0.1:$port"


@dataclass(frozen=True, slots=True)
class Server:
    """One server. In its commands and in `env` stand `$port`, `$key`, `$behind` and any environment variable.

    :ivar version: a command that tells the version, and fails where the server is not installed.
    :ivar install: for a person: nothing here installs anything.
    :ivar env: what the server has in its environment besides ours.
    :ivar files: are put into the folder that the server starts in, with `$port`, `$key` and `$behind` filled in.
    :ivar ready: a path that is answered 200 once the server can answer; without one it is ready when it listens.
    :ivar behind: the name of the server that this one is a proxy of; `$behind` is its port.
    :ivar judged: what a person says of each finding: its check, and `true: ` or `false: ` with the reason.
    """

    name: str
    version: str
    install: str
    start: str
    endpoints: Sequence[Endpoint]
    key: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[Path] = ()
    ready: str = ""
    behind: str = ""
    judged: Mapping[str, str] = field(default_factory=dict)


def servers_of(path: Path) -> dict[str, Server]:
    """The servers by name, in the order of the file.

    :raises ValueError: a judgement says neither `true: ` nor `false: `.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["server"]
    servers = [_server(table, path.parent) for table in tables]
    for server in servers:
        for id_, words in server.judged.items():
            if not words.startswith(("true: ", "false: ")):
                raise ValueError(f"{server.name}, {id_}: not judged. Begin the judgement with `true: ` or `false: `.")
    return {server.name: server for server in servers}


def _server(table: dict[str, Any], folder: Path) -> Server:
    endpoints = [Endpoint(**endpoint) for endpoint in table.pop("endpoint")]
    files = [folder / name for name in table.pop("files", ())]
    return Server(**table, endpoints=endpoints, files=files)
