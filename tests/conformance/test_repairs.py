"""What is told to repair a server is what the server takes: its own checker reads each configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tokenwire_conformance.checks.repairs import Repair, repairs_of
from tokenwire_conformance.explaining import as_markdown, as_text, explained
from tokenwire_conformance.judging.judge import select

CHECKS = [check.id for check in select()]
REPAIRS = list(dict.fromkeys(repair for check in CHECKS for repair in repairs_of(check)))
CONFIGURED = [repair for repair in REPAIRS if repair.config]


def nginx(config: str, place: str, folder: Path) -> list[str]:
    inner = f"location / {{\n{config}\n}}" if place.startswith("in the location") else config
    folders = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    server = f"server {{\nlisten 127.0.0.1:8080;\n{inner}\n}}"
    path = folder / "nginx.conf"
    path.write_text(f"pid {folder}/pid; error_log stderr; events {{}} http {{ {folders} access_log off;\n{server}\n}}")
    return ["nginx", "-t", "-e", "stderr", "-c", str(path)]


def caddy(config: str, place: str, folder: Path) -> list[str]:
    path = folder / "Caddyfile"
    path.write_text(f"http://127.0.0.1:8080 {{\n{config}\nreverse_proxy 127.0.0.1:8081\n}}\n", "utf-8")
    return ["caddy", "validate", "--adapter", "caddyfile", "--config", str(path)]


def haproxy(config: str, place: str, folder: Path) -> list[str]:
    front = config if place.startswith("in the frontend") else ""
    back = config if "the backend" in place else ""
    assert front or back, "it does not say where it stands"
    times = "timeout connect 1s\ntimeout client 1s\ntimeout server 1s"
    path = folder / "haproxy.cfg"
    path.write_text(
        f"defaults\nmode http\n{times}\nfrontend all\nbind 127.0.0.1:8080\n{front}\ndefault_backend one\n"
        f"backend one\n{back}\nserver one 127.0.0.1:8081\n"
    )
    return ["haproxy", "-c", "-f", str(path)]


CHECKERS: dict[str, Callable[[str, str, Path], list[str]]] = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy}


def complaint(repair: Repair, folder: Path) -> str:
    """What the checker of the server says against it; empty where it takes it."""
    command = CHECKERS[repair.server](repair.config, repair.how, folder)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "HOME": str(folder)}, check=False
    )
    said = done.stdout.decode()
    return said if done.returncode or "[WARNING]" in said else ""


@pytest.mark.parametrize("repair", CONFIGURED, ids=lambda repair: f"{repair.server} {repair.config.split()[0]}")
def test_the_server_takes_its_configuration(repair: Repair, tmp_path: Path) -> None:
    if shutil.which(repair.server) is None:
        pytest.skip(f"{repair.server} is not installed")
    assert complaint(repair, tmp_path) == ""


@pytest.mark.parametrize("server", CHECKERS)
def test_what_is_no_configuration_is_noticed(server: str, tmp_path: Path) -> None:
    if shutil.which(server) is None:
        pytest.skip(f"{server} is not installed")
    wrong = Repair(server, "in the frontend", "handle_errors { respond `oh no` }")
    assert complaint(wrong, tmp_path)


@pytest.mark.parametrize("repair", REPAIRS, ids=lambda repair: f"{repair.server}: {repair.how[:20]}")
def test_a_configuration_stands_apart_from_its_words(repair: Repair) -> None:
    if set(repair.server.split(", ")) & CHECKERS.keys():
        assert "{" not in repair.how
        assert not repair.how.endswith(";")
    assert bool(repair.config) <= (repair.server in CHECKERS)


@pytest.mark.parametrize("check", CHECKS)
def test_every_line_of_a_repair_is_told(check: str) -> None:
    told = "\n".join(line for line, _ in as_text(explained(check)))
    page = as_markdown(explained(check))
    for repair in repairs_of(check):
        for line in (f"{repair.server}: {repair.how}", *repair.config.splitlines()):
            assert line in told
            assert line in page


def test_lines_of_a_configuration_are_code_in_markdown() -> None:
    page = as_markdown(explained("err.body-limit-413"))
    assert "\n\n      client_max_body_size 10m;\n" in page
