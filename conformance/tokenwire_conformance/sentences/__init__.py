"""Each normative sentence of the standards of streams, and what judges it.

    python -m tokenwire_conformance.sentences > docs/sentences.md

The tables are data, a file a document: `html.toml`, `rfc6455.toml`, `rfc7692.toml`, `rfc9110.toml` and `rfc9112.toml`;
`tables.py` says what stands in them. `planned.toml` has the checks that were planned, and why some will not be.
"""

from .planned import Planned, planned
from .problems import problems
from .tables import Document, Section, Sentence, documents

__all__ = ["Document", "Planned", "Section", "Sentence", "documents", "planned", "problems"]
