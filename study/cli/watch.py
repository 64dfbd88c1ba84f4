"""`study watch`: follow studies that run elsewhere, in another terminal or on other machines."""

from __future__ import annotations

import argparse

from study.cli.stores import add_search_option, add_store_options, find_stores
from study.core.status_line import status_line


def main(arguments: list[str]) -> int:
    """Show the progress of running studies until none runs, then their tables; nothing is written to the stores.

    Args:
        arguments: The words after `study watch`.

    Returns:
        The exit status: 0, also after Ctrl-C, which ends the watching alone.

    Raises:
        StudyError: The store has no experiment of a given name, or cannot be read.
    """
    options = _parser().parse_args(arguments)
    with status_line("study watch: loading MLflow and Optuna"):
        stores = find_stores(options)
        from study.cli.actions.watch import watch

    watch(stores, options.experiments)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="study watch",
        description="Follow studies that run elsewhere, until nothing runs. The stores are only read; Ctrl-C ends "
        "the watching, not the studies.",
    )
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="only these (default: all that run)")
    add_store_options(parser)
    add_search_option(parser)
    return parser
