"""Pages that stand in one file: elements whose text is always escaped, one look for all of them, and drawings.

Nothing is fetched, nothing is run, and nothing but the standard library is needed to make them.
"""
