"""The scoreboard: servers are started, judged and stopped; the page has each finding and what a person says of it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tokenwire_conformance.judging.registry import catalogue
from tokenwire_conformance.reports.markdown import shown
from tokenwire_conformance.scoreboard.__main__ import main
from tokenwire_conformance.scoreboard.page import NOT_JUDGED
from tokenwire_conformance.scoreboard.servers import servers_of

DOCS = Path(__file__).parents[2] / "docs"

#: The reference endpoint, with the fault that the second argument names.
SERVER = """
import asyncio, os, sys
from pathlib import Path
from tokenwire.endpoint import ReferenceEndpoint, Seams, serve
from tokenwire_conformance.faults import all_faults

Path(sys.argv[3]).write_text(str(os.getpid()))
fault = sys.argv[2]
seams = all_faults()[fault].seams if fault else Seams
asyncio.run(serve(ReferenceEndpoint(key=os.environ["KEY"], seams=seams).connection, port=int(sys.argv[1])))
"""

TABLE = """
[[server]]
name = "clean"
version = "$PYTHON -m tokenwire --version"
install = "-"
start = "$PYTHON server.py $port '' $PIDS/clean"
files = ["server.py"]
env = { KEY = "$key" }
key = "sk-0123456789"
endpoint = [{ dialect = "openai-chat", model = "tokenwire-reference" }]

[[server]]
name = "a fault | of one"
version = "$PYTHON -m tokenwire --version"
install = "-"
start = "$PYTHON server.py $port new-id-per-chunk $PIDS/fault"
files = ["server.py"]
env = { KEY = "$key" }
key = "sk-0123456789"
endpoint = [
    { dialect = "openai-chat", model = "tokenwire-reference" },
    { dialect = "anthropic-messages", model = "tokenwire-reference" },
]
judged = { "chat.id-constant" = "true: it was planted", "http.date" = "true: it was so once" }

[[server]]
name = "not installed"
version = "$PIDS/nothing --version"
install = "-"
start = "-"
endpoint = []

[[server]]
name = "no place"
version = "$NOT_SET_ANYWHERE --version"
install = "-"
start = "-"
endpoint = []

[[server]]
name = "dies"
version = "$PYTHON -m tokenwire --version"
install = "-"
start = "$PYTHON -c 'raise SystemExit(\\"no model\\")'"
endpoint = []
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("PIDS", str(tmp_path))
    (tmp_path / "server.py").write_text(SERVER)
    path = tmp_path / "servers.toml"
    path.write_text(TABLE)
    return path


def test_servers_are_judged_and_stopped_and_the_page_says_what_was_found(table: Path, tmp_path: Path) -> None:
    out, results = tmp_path / "page.md", tmp_path / "results.json"
    assert main([str(table), "--out", str(out), "--results", str(results), "--jobs", "2"]) == 0
    page = out.read_text()
    for name in ("clean", "fault"):
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / name).read_text()), 0)

    clean, chat, messages = (row for row in rows(page) if row[0].startswith(("clean", "a fault &#124; of one")))
    assert clean[2] == "openai-chat"
    assert clean[4] == "0"
    assert "chat.id-constant" not in clean[-1]
    assert chat[2] == "openai-chat"
    assert chat[4] == "1"
    assert "[chat.id-constant](#chat.id-constant)" in chat[-1]
    assert messages[2] == "anthropic-messages"
    assert messages[4] == "0"
    assert int(clean[3]) > 50
    assert int(chat[3]) == int(clean[3]) - 1

    (finding,) = (row for row in rows(page) if row[0] == "FAIL")
    assert finding[1:3] == ["[chat.id-constant](#chat.id-constant)", "openai-chat"]
    assert finding[-1] == "true: it was planted"
    assert '- <a id="chat.id-constant"></a>`chat.id-constant`: MUST' in page
    assert "Judged earlier, and not found this time: `http.date`." in page
    assert "- not installed: it is not installed" in page
    assert "- no place: the environment variable NOT&#95;SET&#95;ANYWHERE is not set" in page
    assert "- dies: it does not start&#58; no model" in page

    # Made again of what was kept, with a judgement less; nothing is run.
    text = table.read_text().replace('"chat.id-constant" = "true: it was planted", ', "")
    table.write_text(text.replace("$PYTHON", "$NOT_SET_ANYWHERE"))
    main([str(table), "--out", str(out), "--results", str(results)])
    (finding,) = (row for row in rows(out.read_text()) if row[0] == "FAIL")
    assert finding[-1] == NOT_JUDGED


def test_a_judgement_is_true_or_false(table: Path) -> None:
    table.write_text(table.read_text().replace("true: it was planted", "well"))
    with pytest.raises(ValueError, match=r"a fault \| of one, chat.id-constant: not judged"):
        servers_of(table)


def test_the_page_that_is_kept_is_whole() -> None:
    page, servers = (DOCS / "scoreboard.md").read_text(), servers_of(DOCS / "scoreboard.toml")
    assert all(f"## {shown(name)} " in page for name in servers)
    assert NOT_JUDGED not in page
    findings = [row for row in rows(page) if row[0] in {"FAIL", "WARN"}]
    assert findings
    assert all(row[-1].startswith(("true: ", "false: ")) for row in findings)
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) == set(re.findall(r'<a id="([^"]*)">', page))
    judged = {id_ for server in servers.values() for id_ in server.judged}
    assert judged <= catalogue().keys()


def rows(page: str) -> list[list[str]]:
    """The cells of each row of each table."""
    return [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
