"""Starts the servers, has `tokenwire check` judge them, and stops them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from string import Template
from time import monotonic, sleep
from typing import Any

from .servers import Endpoint, Server

__all__ = ["Found", "NotThere", "judge"]

#: What was found of one server, as JSON: `name`, and `missing`, or `version` and by dialect `reports`.
Found = dict[str, Any]

#: Seconds until a server must listen. The slowest loads a model, or imports for a minute.
_UNTIL_READY = 180.0
#: Seconds between two looks whether it does.
_BETWEEN_LOOKS = 0.1
#: Seconds that a server has to end by itself when it is told to.
_UNTIL_STOPPED = 10.0

_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")
_KEY = "SCOREBOARD_KEY"


class NotThere(Exception):
    """The server is not installed, or it does not start."""


def judge(server: Server, servers: Mapping[str, Server]) -> Found:
    """Starts a server, judges each of its endpoints, and stops it."""
    try:
        version = _version(server)
        with ExitStack() as stack:
            known = _started(server, servers, stack)
            reports = {each.dialect: _report(each, known) for each in server.endpoints}
    except (NotThere, OSError) as missing:
        return {"name": server.name, "missing": str(missing)}
    return {"name": server.name, "version": version, "reports": reports}


def _version(server: Server) -> str:
    command = shlex.split(_filled(server.version, os.environ))
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotThere("it is not installed") from error
    found = _VERSION.search(told.stdout + told.stderr)
    if found is None:
        raise NotThere(f"`{server.version}` tells no version")
    return found[0]


def _filled(text: str, known: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(known)
    except KeyError as error:
        raise NotThere(f"the environment variable {error.args[0]} is not set") from error


def _started(server: Server, servers: Mapping[str, Server], stack: ExitStack) -> Mapping[str, str]:
    """Has the server run until the stack is left, and what is behind it.

    :returns: what stands for `$port`, `$key` and `$behind`.
    """
    known = {**os.environ, "port": str(_free_port()), "key": server.key}
    if server.behind:
        known["behind"] = _started(servers[server.behind], servers, stack)["port"]
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scoreboard-")))
    for file in server.files:
        (folder / file.name).write_text(Template(file.read_text("utf-8")).safe_substitute(known), "utf-8")
    process = stack.enter_context(_running(server, known, folder))
    _wait(server, process, int(known["port"]), folder)
    return known


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _running(server: Server, known: Mapping[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, **{name: _filled(value, known) for name, value in server.env.items()}}
    with _log(folder).open("wb") as log:
        # A session of its own: what the server starts is stopped with it.
        process = subprocess.Popen(
            shlex.split(_filled(server.start, known)),
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _log(folder: Path) -> Path:
    return folder / "scoreboard.log"


def _stop(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(_UNTIL_STOPPED)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _wait(server: Server, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    until = monotonic() + _UNTIL_READY
    while not _is_ready(port, server.ready):
        if process.poll() is not None or monotonic() > until:
            last = _log(folder).read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise NotThere(f"it does not start: {''.join(last)}")
        sleep(_BETWEEN_LOOKS)


def _is_ready(port: int, path: str) -> bool:
    try:
        if not path:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def _report(endpoint: Endpoint, known: Mapping[str, str]) -> dict[str, Any]:
    url = _filled(endpoint.url, known)
    command = [sys.executable, "-m", "tokenwire", "check", url, "--dialect", endpoint.dialect, "--format", "json"]
    command += ["--model", endpoint.model, *(["--key-env", _KEY] if known["key"] else [])]
    told = subprocess.run(command, env={**os.environ, _KEY: known["key"]}, capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(told.stdout)
    except ValueError as error:
        raise NotThere(f"`tokenwire check` ended with {told.returncode}: {told.stderr.strip()}") from error
    return report
