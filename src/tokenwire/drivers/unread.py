"""How much may arrive for a program that only sends.

`send` reads while it writes: a peer that answers before it reads on would else wait for us, and we for it. What it
reads is kept for whoever iterates, up to a limit, so that a peer that says much and does not read cannot fill the
memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass

from ..errors import LocalProtocolError

__all__ = ["MAX_UNREAD", "size_of", "too_much_unread"]

#: Bytes, roughly, that may wait for whoever iterates before a `send` that still waits raises.
MAX_UNREAD = 64 * 1024 * 1024

#: Bytes that an item takes beside its content.
_OVERHEAD = 64


def size_of(items: Iterable[object]) -> int:
    """Bytes, roughly, of messages or events."""
    return sum(_OVERHEAD + _content(item) for item in items)


def too_much_unread() -> LocalProtocolError:
    """What `send` raises. Nothing is lost: the message stays in the queue, and goes out while somebody iterates."""
    return LocalProtocolError(
        f"more than {MAX_UNREAD // 1024 // 1024} MiB arrived while the message was being sent, and nobody takes them: "
        "iterate, and the rest of the message goes out meanwhile; do not send it again"
    )


def _content(item: object) -> int:
    if isinstance(item, str | bytes):
        return len(item)
    if not is_dataclass(item):
        return 0
    values = (getattr(item, field.name) for field in fields(item))
    return sum(len(value) for value in values if isinstance(value, str))
