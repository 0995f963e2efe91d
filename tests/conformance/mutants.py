"""The suite with one condition undone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tokenwire_conformance.misses import Undo

_PACKAGE = "tokenwire_conformance"


class _Edited(SourceFileLoader):
    """Loads a module from a source that is not that of its file."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType | None:
        return compile(self._source, self.path, "exec")


class _Finder(MetaPathFinder):
    def __init__(self, loader: _Edited) -> None:
        self._loader = loader

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if fullname != self._loader.name:
            return None
        return spec_from_file_location(fullname, self._loader.path, loader=self._loader)


def source_of(undo: Undo) -> tuple[str, str]:
    """The path of the module whose condition is undone, and its source as it is."""
    spec = find_spec(f"{_PACKAGE}.{undo.module}")
    assert spec is not None
    assert spec.origin is not None
    return spec.origin, Path(spec.origin).read_text("utf-8")


@contextmanager
def mutated(undo: Undo) -> Iterator[ModuleType]:
    """The module `matrix` of a second copy of the suite, in which the condition is undone."""
    path, source = source_of(undo)
    loader = _Edited(f"{_PACKAGE}.{undo.module}", path, source.replace(undo.condition, undo.undone))
    finder = _Finder(loader)
    kept = _take_out()
    sys.meta_path.insert(0, finder)
    try:
        yield import_module(f"{_PACKAGE}.matrix")
    finally:
        sys.meta_path.remove(finder)
        _take_out()
        sys.modules.update(kept)


def _take_out() -> dict[str, ModuleType]:
    """Takes the modules of the suite out of those that are imported."""
    names = [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}
