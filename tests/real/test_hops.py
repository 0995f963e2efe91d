"""`tokenwire check ORIGIN --via HOP` with the proxies that people run: each is known for something, and it is named."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from listening import free_port, wait_for
from tokenwire.cli import main
from tokenwire.endpoint import Call, Exchange, ReferenceEndpoint, Reply, Seams, background
from tokenwire.endpoint.story import MODELS

CUT_MODEL = MODELS[3]


class Origin(Seams):
    """A sound endpoint that leaves it to the proxy how a stream is handed on, and dies within one answer."""

    def call(self, call: Call) -> Call:
        return replace(call, headers=[(name, value) for name, value in call.headers if name != "accept-encoding"])

    def reply(self, call: Call, reply: Reply) -> Reply:
        # No hint to a proxy: neither that it should not hold back (nginx), nor that it should not compress (caddy).
        return reply.with_header("X-Accel-Buffering", None).with_header("Cache-Control", "no-store")

    def exchange(self, call: Call | None, exchange: Exchange) -> Exchange:
        if call is None or CUT_MODEL.encode() not in call.body:
            return exchange
        body = [write for write in exchange.writes if write.part != "end"]
        last = replace(body[-1], data=body[-1].data[: len(body[-1].data) // 2])
        return Exchange([*body[:-1], last], "close")


NGINX = """daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 1; events {{ }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{origin}; {more} }} }} }}
"""
HAPROXY = """defaults
  mode http
  {more}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen f
  bind 127.0.0.1:{port}
  server s 127.0.0.1:{origin}
"""
CADDY = """{{
  admin off
  auto_https off
}}
:{port} {{
  bind 127.0.0.1
  {more}
  reverse_proxy 127.0.0.1:{origin}
}}
"""

#: How each is started, in a folder of its own.
START: dict[str, tuple[str, str, Callable[[Path], list[str]]]] = {
    "nginx": (NGINX, "nginx.conf", lambda file: ["nginx", "-c", str(file)]),
    "haproxy": (HAPROXY, "haproxy.cfg", lambda file: ["haproxy", "-f", str(file)]),
    "caddy": (CADDY, "Caddyfile", lambda file: ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]),
}

UNBUFFERED = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'

#: An event is shorter than what caddy compresses by default, where the stream is not held back before it.
COMPRESSED = "encode {\n gzip\n minimum_length 1\n }"

#: Of each, what its documents or the field say of it; and that it keeps the rest.
FOUND = {
    ("nginx", ""): {"hop.flush", "hop.cut"},  # it asks in HTTP/1.0, in which a body that breaks off does not show
    ("nginx", UNBUFFERED): set(),
    ("haproxy", ""): {"hop.flush"},
    ("haproxy", "option http-no-delay"): set(),
    ("caddy", ""): {"hop.cut"},
    ("caddy", COMPRESSED): {"hop.cut", "hop.coding", "time.gzip-flush"},
}


@pytest.fixture(scope="module")
def origin() -> Iterator[int]:
    with background(ReferenceEndpoint(pace=0.03, seams=Origin).connection) as port:
        yield port


@pytest.mark.parametrize(("program", "more"), FOUND)
def test_what_a_hop_is_known_for_is_found_and_named(
    program: str, more: str, origin: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    with running(program, more, origin, tmp_path) as port:
        found, code = judged(origin, port, capsys)
    known = FOUND[program, more]
    assert {name for name in found if name.startswith("hop.") or name == "time.gzip-flush"} - QUIET == known
    # What comes at once or compressed is reported; what breaks a rule decides.
    assert code == (1 if known else 0)


#: Reported of many, and no fault: time that any hop needs, and what only this machine's load adds.
QUIET = {"hop.first-token"}


def judged(origin: int, hop: int, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], int]:
    """What was found at the hop, by id, and the exit code."""
    urls = [f"http://127.0.0.1:{origin}", "--via", f"http://127.0.0.1:{hop}", "--cut-model", CUT_MODEL]
    code = main(["check", *urls, "--only", "hop.", "--only", "time.", "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    found = [each for each in document["results"] if each["verdict"] in ("FAIL", "WARN", "INFO")]
    return {each["id"]: each for each in found if f":{hop}/" in each["target"]}, code


@contextmanager
def running(program: str, more: str, origin: int, folder: Path) -> Iterator[int]:
    """The proxy, in front of the origin."""
    template, name, command = START[program]
    port = free_port()
    file = folder / name
    file.write_text(template.format(folder=folder, port=port, origin=origin, more=more))
    with (folder / "said").open("w") as said, subprocess.Popen(command(file), stdout=said, stderr=said) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()
