"""A recording and a hook never decide about the stream: what goes wrong with them is told, and the stream goes on."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tokenwire
from tokenwire.cli import main
from tokenwire.endpoint import ReferenceEndpoint, background
from tokenwire.recording import load
from tokenwire.recording.beside import FileBeside

ASKED: dict[str, Any] = {
    "json": {"model": "tokenwire-reference", "messages": [{"role": "user", "content": "hello"}]},
    "policy": "never",
}
OLD = "what was there before\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(ReferenceEndpoint().connection) as port:
        yield f"http://127.0.0.1:{port}"


def streamed(url: str, **options: Any) -> tokenwire.Stream:
    with tokenwire.stream(url, **ASKED, **options) as stream:
        for _ in stream:
            pass
    return stream


def streamed_async(url: str, **options: Any) -> tokenwire.AsyncStream:
    async def run() -> tokenwire.AsyncStream:
        async with tokenwire.astream(url, **ASKED, **options) as stream:
            async for _ in stream:
                pass
        return stream

    return asyncio.run(run())


BOTH = pytest.mark.parametrize("drive", [streamed, streamed_async])


def in_a_folder_that_is_not_there(folder: Path) -> Path:
    return folder / "no such folder" / "a.wire.jsonl"


def where_a_folder_is(folder: Path) -> Path:
    (folder / "a.wire.jsonl").mkdir()
    return folder / "a.wire.jsonl"


def where_a_pipe_is_that_nobody_reads(folder: Path) -> Path:
    os.mkfifo(folder / "a.wire.jsonl")
    return folder / "a.wire.jsonl"


def on_a_full_device(folder: Path) -> Path:
    return Path("/dev/full")


def where_a_link_is(folder: Path) -> Path:
    (folder / "victim").write_text(OLD)
    (folder / "a.wire.jsonl").symlink_to(folder / "victim")
    return folder / "a.wire.jsonl"


def where_a_link_leads_nowhere(folder: Path) -> Path:
    (folder / "a.wire.jsonl").symlink_to(folder / "nothing")
    return folder / "a.wire.jsonl"


def by_a_name_that_is_too_long(folder: Path) -> Path:
    return folder / ("x" * 253)


UNWRITABLE = [
    in_a_folder_that_is_not_there,
    where_a_folder_is,
    where_a_pipe_is_that_nobody_reads,
    on_a_full_device,
    where_a_link_is,
    where_a_link_leads_nowhere,
    by_a_name_that_is_too_long,
]


@BOTH
@pytest.mark.parametrize("place", UNWRITABLE, ids=lambda place: place.__name__)
def test_a_stream_goes_on_without_a_recording_that_cannot_be_written(
    drive: Callable[..., Any], place: Callable[[Path], Path], url: str, tmp_path: Path
) -> None:
    path = place(tmp_path)
    before = sorted((each.name, each.lstat().st_mode) for each in tmp_path.iterdir())
    kind = stat.S_IFMT(path.lstat().st_mode) if path.is_symlink() or path.exists() else None
    stream = drive(url, record=path)
    assert stream.text
    assert stream.end == tokenwire.End(clean=True)
    (mishap,) = stream.mishaps
    assert isinstance(mishap, OSError)
    assert str(path) in str(mishap)
    assert sorted((each.name, each.lstat().st_mode) for each in tmp_path.iterdir()) == before
    assert (stat.S_IFMT(path.lstat().st_mode) if kind is not None else None) == kind
    if place is where_a_link_is:
        assert (tmp_path / "victim").read_text() == OLD


@BOTH
def test_a_stream_goes_on_when_the_disk_is_full_in_the_middle(
    drive: Callable[..., Any], url: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.wire.jsonl"
    path.write_text(OLD)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limit[1]))
    try:
        stream = drive(url, record=path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert stream.text
    assert stream.end == tokenwire.End(clean=True)
    (mishap,) = stream.mishaps
    assert "a.wire.jsonl.part" in str(mishap)
    assert path.read_text() == OLD
    assert (tmp_path / "a.wire.jsonl.part").read_text().startswith('{"format": "tokenwire-recording"')


def test_what_was_recorded_before_stays_until_something_new_is_there(url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wire.jsonl"
    path.write_text(OLD)
    with pytest.raises(tokenwire.ConnectionFailed):
        streamed("http://127.0.0.1:1", record=path)
    assert [each.read_text() for each in tmp_path.iterdir()] == [OLD]
    with tokenwire.stream(url, **ASKED, record=path) as stream:
        next(stream)
        assert path.read_text() == OLD
        lines = (tmp_path / "a.wire.jsonl.part").read_text().splitlines()
        assert any('"<"' in line for line in lines), "it is flushed as it goes"
        for _ in stream:
            pass
    assert load(path).received.startswith(b"HTTP/1.1 200")
    assert [each.name for each in tmp_path.iterdir()] == ["a.wire.jsonl"]


def test_the_part_of_another_program_is_not_touched(tmp_path: Path) -> None:
    one, other = FileBeside(tmp_path / "a"), FileBeside(tmp_path / "a")
    assert one.part.name == "a.part"
    assert other.part.name == "a.2.part"
    one.stream.write("one")
    one.keep()
    other.discard()
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "one"


def test_what_came_in_place_of_the_file_in_the_meantime_is_not_replaced(tmp_path: Path) -> None:
    file = FileBeside(tmp_path / "a")
    (tmp_path / "a").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        file.keep()
    assert not (tmp_path / "victim").exists()


@BOTH
def test_a_hook_that_raises_does_not_stop_the_stream(drive: Callable[..., Any], url: str) -> None:
    def observe(happening: tokenwire.Happening) -> None:
        raise ValueError(happening.kind)

    stream = drive(url, observe=observe)
    assert stream.text
    assert stream.end == tokenwire.End(clean=True)
    assert [str(mishap) for mishap in stream.mishaps] == ["connecting", "connected", "done"]


# The command line.


def test_stream_goes_on_without_its_recording_and_says_so(
    url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["stream", url, "-p", "hello", "--model", "tokenwire-reference"]
    assert main([*arguments, "--record", str(where_a_link_is(tmp_path))]) == 0
    captured = capfd.readouterr()
    assert captured.out
    assert "a.wire.jsonl: it is a symbolic link, which is not followed: name the file itself\n" in captured.err


@pytest.mark.parametrize("place", UNWRITABLE, ids=lambda place: place.__name__)
@pytest.mark.parametrize("verb", ["record", "bench"])
def test_what_a_verb_is_for_and_cannot_write_is_told_before_anything_is_asked(
    verb: str, place: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def connection() -> Any:
        asked.append(1)
        return ReferenceEndpoint().connection()

    with background(connection) as port:
        option = {"record": "-o", "bench": "--html"}[verb]
        arguments = [verb, f"http://127.0.0.1:{port}", "-p", "x", "--model", "m", option, str(place(tmp_path))]
        assert main(arguments) == 2
    assert not asked
    assert ("/dev/full" if place is on_a_full_device else str(tmp_path)) in capfd.readouterr().err


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_verb_that_is_stopped_leaves_what_it_had_recorded(how: signal.Signals, code: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wire.jsonl"
    path.write_text(OLD)
    with background(ReferenceEndpoint(pace=0.05).connection) as port:
        started = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        started += "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
        code_of_it = [sys.executable, "-c", started + "from tokenwire.cli import main; sys.exit(main())"]
        arguments = [
            "record",
            f"http://127.0.0.1:{port}",
            "-p",
            "hello",
            "--model",
            "tokenwire-reference",
            "-o",
            str(path),
        ]
        process = subprocess.Popen([*code_of_it, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        part = tmp_path / "a.wire.jsonl.part"
        deadline = time.monotonic() + 30
        while not (part.exists() and part.read_text().count('"<"') > 3):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(how)
        process.communicate(timeout=30)
    assert process.returncode == code
    kept = part if how is signal.SIGKILL else path
    assert load(kept).received.startswith(b"HTTP/1.1 200")
    assert (path.read_text() == OLD) is (how is signal.SIGKILL)
    assert part.exists() is (how is signal.SIGKILL)
