"""What only an extra of the distribution brings: it is missed before the run, and not after it."""

from __future__ import annotations

from importlib import import_module

from ..errors import LocalProtocolError

__all__ = ["need"]

#: The packages behind an option, and the extra that they come with.
_EXTRAS = {"--format junit": ("cli", ("junitparser",))}


def need(option: str) -> None:
    """What the option needs is installed.

    :raises LocalProtocolError: when it is not; the message says what to install.
    """
    extra, packages = _EXTRAS[option]
    missing = [name for name in packages if not _is_there(name)]
    if missing:
        raise LocalProtocolError(f"{option} needs {' and '.join(missing)}: pip install 'tokenwire[{extra}]'")


def _is_there(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True
