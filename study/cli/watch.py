"""`study watch`: follow studies that run elsewhere, in another terminal or on other machines."""

from __future__ import annotations

import argparse

from study.cli.stores import add_search_option, add_store_options, find_stores, local_stores
from study.core.status_line import status_line
from study.core.terminal import terminal_of_errors


def main(arguments: list[str]) -> int:
    """Show the progress of running studies until none runs, then their tables; nothing is written to the stores.

    Args:
        arguments: The words after `study watch`.

    Returns:
        The exit status: 0, also after Ctrl-C, which ends the watching alone.

    Raises:
        StudyError: The store cannot be read; without a terminal also if it has no experiment of a given name, because
            no one would see that this waits.
    """
    options = _parser().parse_args(arguments)
    waits = terminal_of_errors() is not None
    with status_line("study watch: loading MLflow and Optuna"):
        stores = local_stores(options) if waits and options.experiments else find_stores(options)
        from study.cli.actions.watch import watch

    # Another store of MLflow may belong to another search than that of the folder.
    knows_search = options.tracking_uri is None or options.optuna_url is not None
    watch(stores, options.experiments, knows_search=knows_search, waits=waits)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="study watch",
        description="Follow studies that run elsewhere, until nothing runs. The stores are only read; Ctrl-C ends "
        "the watching, not the studies. The time left is measured from trainings that end while it watches, so it can "
        "differ from that of the command itself.",
    )
    parser.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="only these; on a terminal one without a study is waited for (default: all that run)",
    )
    add_store_options(parser)
    add_search_option(parser)
    return parser
