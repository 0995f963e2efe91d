"""The command line: one module a verb."""


def main() -> int:
    return 2
