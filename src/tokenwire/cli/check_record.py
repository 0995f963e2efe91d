"""`tokenwire check --record-dir DIR`: what went over the wire for each probe, kept as recordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LocalProtocolError
from ..recording import Recording, dump

if TYPE_CHECKING:
    from tokenwire_conformance.reading.transcript import Transcript

__all__ = ["keep", "make_folder"]


def make_folder(folder: Path) -> None:
    """Makes the folder where there is none, before anything is asked.

    :raises LocalProtocolError: where it holds something: nothing is overwritten, and no two runs are mixed.
    :raises OSError: where it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise LocalProtocolError(f"--record-dir: {folder} is not empty. Name a new folder, or empty it")


def keep(folder: Path, transcripts: Iterable[Transcript], about: Mapping[str, str]) -> None:
    """Writes a file for each transcript, `NN-probe.wire.jsonl`. They hold no secrets: those are taken out while a probe
    is made.

    :param about: what the header of each file says besides.
    :raises OSError: where a file cannot be written.
    """
    for number, made in enumerate(transcripts, 1):
        recording = Recording({**made.recording.header, **about}, made.recording.entries)
        dump(recording, folder / f"{number:02}-{made.name}.wire.jsonl")
