"""The results as one page for a person: what was found, what proves it, and how it is repaired."""
