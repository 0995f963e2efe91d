"""The reference endpoint: the server side of the dialects. Sans-IO core, asyncio shell."""

from .reference import ReferenceEndpoint
from .seams import Call, Ending, Exchange, Piece, Reply, Seams, Turn, Write
from .server import ServerConnection, background, serve

__all__ = [
    "Call",
    "Ending",
    "Exchange",
    "Piece",
    "ReferenceEndpoint",
    "Reply",
    "Seams",
    "ServerConnection",
    "Turn",
    "Write",
    "background",
    "serve",
]
