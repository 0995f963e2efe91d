"""The reference endpoint against a real browser: Chromium's EventSource, WebSocket and fetch, without a driver for it.

A page on loopback (`page.html`) does every exchange and posts what it saw. The environment variable TOKENWIRE_CHROMIUM
names the browser, where it is not on the path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

from tokenwire.endpoint import ReferenceEndpoint, ServerConnection, background
from tokenwire.endpoint.story import STORY

CHROMIUM = shutil.which(os.environ.get("TOKENWIRE_CHROMIUM") or "chromium")
PAGE = Path(__file__).with_name("page.html")
STORY_TEXT = "".join(STORY)

#: Seconds in which the browser must have reported. It takes two; a busy machine may need many times that.
PATIENCE = 120.0

#: A browser that touches nothing but the page. In containers it runs as root, where its sandbox cannot.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: TOKENWIRE_CHROMIUM names none, and none is on the path"),
    pytest.mark.timeout(200),
]


class Listened:
    """A connection of the endpoint that keeps what went over it, both ways."""

    def __init__(self, connection: ServerConnection) -> None:
        self.received = bytearray()
        self.sent = bytearray()
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def receive_data(self, data: bytes, now: float) -> None:
        self.received += data
        self._connection.receive_data(data, now)

    def data_to_send(self, now: float) -> bytes:
        data = self._connection.data_to_send(now)
        self.sent += data
        return data


class Site(BaseHTTPRequestHandler):
    """Serves the page, and takes its report."""

    def __init__(self, reports: Queue[Any], *connection: Any) -> None:
        self._reports = reports
        super().__init__(*connection)

    def do_GET(self) -> None:
        found = self.path.startswith("/page.html?")
        body = PAGE.read_bytes() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self._reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass


@contextmanager
def site(reports: Queue[Any]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, reports)) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def connections() -> list[Listened]:
    return []


@pytest.fixture(scope="module")
def report(connections: list[Listened], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    endpoint = ReferenceEndpoint(pace=0.002)

    def connection() -> Listened:
        connections.append(Listened(endpoint.connection()))
        return connections[-1]

    reports: Queue[dict[str, Any]] = Queue()
    profile = tmp_path_factory.mktemp("chromium")
    with background(connection) as port, site(reports) as url:
        page = f"{url}/page.html?endpoint=127.0.0.1:{port}"
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "--enable-logging=stderr", page]
        with (profile / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield reports.get(timeout=PATIENCE)
            except Empty:
                pytest.fail(f"the page did not report:\n{(profile / 'log').read_text('utf-8', 'replace')[-4000:]}")
            finally:
                process.terminate()


def test_event_source_reads_the_story(report: dict[str, Any]) -> None:
    seen = report["eventSource"]
    assert (seen["text"], seen["errors"]) == (STORY_TEXT, 0)
    streams, numbers = zip(*(number.split("-") for number in seen["ids"]), strict=True)
    assert len(set(streams)) == 1
    assert numbers == tuple(str(number) for number in range(len(STORY) + 1))


def test_fetch_reads_the_story(report: dict[str, Any], connections: list[Listened]) -> None:
    """From another origin, so after a preflight; and zipped, since a browser always offers that."""
    assert report["fetch"] == {"status": 200, "text": STORY_TEXT, "last": "[DONE]"}
    [asked] = [c for c in connections if b"POST /v1/chat/completions " in c.received]
    assert any(b"OPTIONS /v1/chat/completions " in c.received for c in connections)
    assert b"Content-Encoding: gzip\r\n" in asked.sent


def test_the_guides_dialect_is_spoken_and_closed_cleanly(report: dict[str, Any]) -> None:
    seen = report["holysheep"]
    assert (seen["text"], seen["last"], seen["messages"]) == (STORY_TEXT, "done", len(STORY) + 1)
    assert (seen["wasClean"], seen["code"], seen["errors"]) == (True, 1000, 0)


def test_a_close_of_the_server_is_clean_and_has_its_code(report: dict[str, Any]) -> None:
    seen = report["refusedMessage"]
    assert (seen["wasClean"], seen["code"], seen["errors"]) == (True, 1003, 0)


def test_every_kind_of_message_comes_back(report: dict[str, Any]) -> None:
    seen = report["echo"]
    assert (seen["messages"], seen["same"], seen["errors"]) == (6, 6, 0)
    assert (seen["wasClean"], seen["code"], seen["reason"]) == (True, 4321, "enough, 日本")


def test_a_close_without_a_code_is_answered_with_none(report: dict[str, Any]) -> None:
    seen = report["closedWithoutCode"]
    assert (seen["wasClean"], seen["code"], seen["reason"]) == (True, 1005, "")


def test_a_refused_handshake_is_an_error_and_no_clean_close(report: dict[str, Any]) -> None:
    seen = report["notFound"]
    assert (seen["wasClean"], seen["code"], seen["errors"]) == (False, 1006, 1)


def test_messages_are_compressed_both_ways(report: dict[str, Any], connections: list[Listened]) -> None:
    assert report["echo"]["extensions"] == "permessage-deflate"
    [echo] = [c for c in connections if c.received.startswith(b"GET /echo ") and len(c.received) > 1_000_000]
    assert b"Sec-WebSocket-Extensions: permessage-deflate" in echo.received.partition(b"\r\n\r\n")[0]
    # Of the 5.2 MB of messages 3 MB are noise, which deflate cannot make smaller; the rest nearly vanishes.
    assert 3_000_000 < len(echo.received) < 3_200_000
    assert 3_000_000 < len(echo.sent) < 3_200_000
