"""Modules that load when a name in them is first asked for.

Most streams need neither TLS nor WebSocket, so their modules are imported where they are used. Annotations name what is
in them all the same, and whoever reads these at run time (`typing.get_type_hints`, frameworks that build on it) finds
a `Lazily` where the module would be. Type checkers see the import itself, under TYPE_CHECKING. An annotation has to
name the module too, as `ssl.SSLContext` does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["Lazily"]


class Lazily:
    """Stands for a module.

    :param name: of the module, absolute.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)
