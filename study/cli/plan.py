"""`study plan`: what more certainty costs, in seeds and minutes, and the command to type."""

from __future__ import annotations

import argparse

from study.cli.stores import add_store_options

_DESCRIPTION = (
    "Show what each open pair still costs until it is decided, and how many seeds a difference that matters needs, "
    "from the variance of the confirmations so far. Three confirmations of each optimizer are enough for a plan."
)


def main(arguments: list[str]) -> int:
    """Plan what more certainty costs.

    The arguments are read first, since importing the action takes seconds.

    Args:
        arguments: The words after `study plan`.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    from study.cli.actions.plan import show_plan

    return show_plan(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="study plan", description=_DESCRIPTION)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="see study list")
    parser.add_argument(
        "--margin", type=float, metavar="M", help="smallest difference that matters (default: objective.margin)"
    )
    parser.add_argument(
        "--power",
        type=float,
        default=0.8,
        metavar="P",
        help="wanted probability that a true difference of the margin is found (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="for programs: print every number as one JSON object")
    add_store_options(parser)
    return parser
