"""`study plan`: what certainty still costs, in seeds and minutes, and the command to type."""

from __future__ import annotations

import argparse

from study.cli.stores import add_store_options

_DESCRIPTION = (
    "Show what each open pair of an experiment still costs, in seeds and minutes, and how many seeds a difference "
    "that matters needs. It works from a pilot of three confirmations, and prints the command to type."
)
_POWER = 0.8


def main(arguments: list[str]) -> int:
    """Show the price of what is open.

    Args:
        arguments: The words after `study plan`.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    from study.core.status_line import status_line

    # Imported late: MLflow takes seconds, and --help does not need it.
    with status_line("study plan: loading MLflow"):
        from study.cli.actions.plan import show_plan

    return show_plan(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="study plan", description=_DESCRIPTION)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="see study list")
    parser.add_argument(
        "--margin",
        type=float,
        metavar="M",
        help="the smallest difference that matters, in the unit of the metric (default: objective.margin)",
    )
    parser.add_argument(
        "--power",
        type=float,
        default=_POWER,
        metavar="P",
        help=f"the wanted probability of finding a difference of the margin (default: {_POWER})",
    )
    parser.add_argument(
        "--all", action="store_true", help="show every open pair (default on a terminal: the five cheapest of many)"
    )
    parser.add_argument("--json", action="store_true", help="for programs: print one JSON object")
    add_store_options(parser)
    return parser
