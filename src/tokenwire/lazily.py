"""Modules that load when a name in them is first asked for.

Most streams need neither TLS nor WebSocket, so their modules are imported where they are used. Annotations name what is
in them all the same, and whoever reads these at run time (`typing.get_type_hints`, frameworks that build on it) finds
a `Lazily` in the place of the module. Type checkers see the import itself:

    if TYPE_CHECKING:
        import ssl
    else:
        ssl = Lazily("ssl")

    def stream(..., ssl_context: ssl.SSLContext | None = None): ...
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
