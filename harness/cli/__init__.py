"""The command line: one file a command; the only place that prints, asks or exits."""

import sys


def main() -> None:
    """The `holdpoint` command."""
    from harness.cli.app import build
    from harness.cli.shell import run

    sys.exit(run(build, sys.argv[1:]))
