"""The reference endpoint: the server side of the dialects. Sans-IO core, asyncio shell."""

from .reference import ReferenceEndpoint
from .seams import Call, Exchange, Piece, Reply, Seams, Write
from .server import ServerConnection, background, serve

__all__ = [
    "Call",
    "Exchange",
    "Piece",
    "ReferenceEndpoint",
    "Reply",
    "Seams",
    "ServerConnection",
    "Write",
    "background",
    "serve",
]
