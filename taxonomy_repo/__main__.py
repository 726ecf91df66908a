"""The taxonomy from a shell: ``python -m taxonomy_repo VERB``. Each verb is a module of ``commands``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

VERBS = ("check", "diff", "merge", "convert", "stats")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit status."""
    parser = argparse.ArgumentParser(prog="python -m taxonomy_repo", description="Work with a taxonomy from a shell.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        verb = import_module(f"taxonomy_repo.commands.{name}")
        one = verbs.add_parser(
            name,
            help=verb.HELP,
            description=verb.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(one)
        one.set_defaults(run=verb.run)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has read enough. Nothing more can be written, so nothing may try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
