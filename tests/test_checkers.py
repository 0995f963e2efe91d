"""What mypy and pyright see: the examples of the README and of the docstrings pass, and a typo does not."""

from __future__ import annotations

import ast
import builtins
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent
SOURCE = PROJECT / "src"

#: What an example leaves to its reader, by name: an annotation.
FREE = {
    "body": "bytes",
    "chunk": "bytes",
    "content": "int",
    "dialect": "tokenwire.Dialect",
    "envelope": "int",
    "framing": "int",
    "head": "int",
    "headers": "list[tuple[str, str]]",
    "now": "float",
    "path": "pathlib.Path",
    "request": "tokenwire.Request",
    "response": "Response",
    "response_content_type": "str",
    "saved": "int",
    "send": "Callable[[bytes], None]",
    "syntax": "int",
    "target": "tokenwire.Target",
    "timeouts": "tokenwire.Timeouts",
    "url": "str",
}

PRELUDE = """\
from __future__ import annotations
import pathlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Protocol
import tokenwire

class Response(Protocol):
    def iter_bytes(self) -> Iterator[bytes]: ...
    def aiter_bytes(self) -> AsyncIterator[bytes]: ...

"""

#: Each line is a mistake that a person makes.
TYPOS = """\
tokenwire.strem("http://h")
from tokenwire import TextDetla
tokenwire.decode([b""], dialect="openai-cht")
tokenwire.decode([b""], dialekt="openai-chat")
tokenwire.decode(["text"])
tokenwire.decode([b""], on_error="rise")
tokenwire.stream("http://h", policy="pateint")
tokenwire.stream("http://h", timeouts=30)
tokenwire.stream("http://h", json="{}")
tokenwire.stream("http://h", headers={"x": 1})
tokenwire.connect("ws://h", key=7)
tokenwire.Timeouts(first_bite=1.0)
tokenwire.Policy("mine", interrupted="resumed")
tokenwire.SSEParser().recieve_data(b"")
tokenwire.TextDelta(0, "x").txt
tokenwire.BlockStart(0, "txt")
tokenwire.Finish("stopp", "stop")
tokenwire.collect([b""]).txet
tokenwire.ConnectionState.OPENED
[event for event in tokenwire.adecode(aiter([]))]
tokenwire.WebSocketConnection("ws://h").receive_data("text")
tokenwire.build_request("http://h", "openai-caht")
tokenwire.event_from_dict("TextDelta")
tokenwire.parse_url(b"http://h")
"""


def examples() -> Iterator[tuple[str, str, str]]:
    """Where each stands, the module whose names it may use, and its code."""
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)):
        if "import pytest" not in code:  # tests have their fixtures untyped, and run in a test of the plugin
            yield f"README.md, {number}", "tokenwire", code
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for code in indented(ast.get_docstring(node, clean=False) or "", getattr(node, "col_offset", -4) + 4):
                    yield f"{path.relative_to(PROJECT)}, {getattr(node, 'name', 'module')}", module, code


def indented(docstring: str, by: int) -> Iterator[str]:
    """The blocks of a docstring that are further in than its text, and are Python."""
    deeper = " " * (by + 4)
    for paragraph in re.split(r"\n(?:[ ]*\n)+", docstring):
        lines = paragraph.splitlines()
        if lines and all(line.startswith(deeper) for line in lines):
            code = textwrap.dedent(paragraph)
            if parses(code):
                yield code


def parses(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def as_function(number: int, place: str, module: str, code: str) -> str:
    """An example as a function: what it leaves open is a parameter, and what its module has is imported."""
    tree = ast.parse(code)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    used = {name.id for name in names if isinstance(name.ctx, ast.Load)} - bound - set(dir(builtins))
    free = sorted(used & FREE.keys())
    imported = sorted(used - FREE.keys() - {"tokenwire", "random", "replace"})
    asynchronous = any(isinstance(node, ast.AsyncFor | ast.AsyncWith | ast.Await) for node in ast.walk(tree))
    head = (
        f"{'async ' if asynchronous else ''}def example_{number}({', '.join(f'{n}: {FREE[n]}' for n in free)}) -> None:"
    )
    lines = [f"from {home(module, name)} import {name}" for name in imported] + code.splitlines()
    return "\n".join([f"# {place}", head, *(f"    {line}" for line in lines), ""])


def home(module: str, name: str) -> str:
    """The module itself, or the package that it is in."""
    return module if hasattr(import_module(module), name) else module.rpartition(".")[0]


class Told:
    """What a checker said of the two files: messages by line."""

    def __init__(self, examples: dict[int, str], typos: dict[int, str]) -> None:
        self.examples = examples
        self.typos = typos


def by_mypy(folder: Path) -> Told:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(folder / "cache")]
    done = run([*command, "examples.py", "typos.py"], folder)
    lines = re.findall(r"^(\w+)\.py:(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert not done.stderr, done.stderr
    assert done.returncode == 1, done.stdout  # typos there are
    return Told(
        *({int(line): words for file, line, words in lines if file == which} for which in ("examples", "typos"))
    )


def by_pyright(folder: Path) -> Told:
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(SOURCE)]}))
    done = run([sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable], folder)
    said: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    errors = [(Path(each["file"]).stem, each["range"]["start"]["line"] + 1, each) for each in said]
    return Told(
        *(
            {line: each["message"] for file, line, each in errors if file == which and each["severity"] == "error"}
            for which in ("examples", "typos")
        )
    )


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MYPYPATH": str(SOURCE)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=280
    )


@pytest.fixture(scope="module", params=[by_mypy, by_pyright])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("checked")
    functions = [as_function(number, *example) for number, example in enumerate(examples())]
    (folder / "examples.py").write_text(PRELUDE + "\n".join(functions), encoding="utf-8")
    (folder / "typos.py").write_text("import tokenwire\n" + TYPOS, encoding="utf-8")
    done: Told = request.param(folder)
    return done


def test_there_are_examples_of_all_that_matters() -> None:
    code = "\n".join(code for _, _, code in examples())
    for name in (
        "decode",
        "adecode",
        "collect",
        "stream",
        "astream",
        "SSEParser",
        "Decoder",
        "Session",
        "HTTPExchange",
    ):
        assert re.search(rf"\b{name}\(", code), name


def test_the_examples_pass(told: Told) -> None:
    assert told.examples == {}


@pytest.mark.parametrize("line", range(len(TYPOS.splitlines())), ids=TYPOS.splitlines())
def test_a_typo_is_an_error(told: Told, line: int) -> None:
    assert line + 2 in told.typos, told.typos
