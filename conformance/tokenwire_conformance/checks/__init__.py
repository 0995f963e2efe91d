"""The checks, one module a group. All are alike: id, level, clause, one sentence, a pure function."""
