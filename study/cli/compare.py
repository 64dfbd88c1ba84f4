"""`study compare`: the page of one experiment, or of several, with the optimizers side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from study.cli.stores import DEFAULT_UI, add_store_options

_DESCRIPTION = "Write the page that says which optimizer is better, by how much, and how sure that is."


def main(arguments: list[str]) -> int:
    """Compare experiments.

    The arguments are read first, since importing the action takes seconds.

    Args:
        arguments: The words after `study compare`.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    from study.cli.actions.compare import compare_experiments

    return compare_experiments(options, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="study compare", description=_DESCRIPTION)
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT", help="see study list")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the page (default: <experiment>.html)")
    parser.add_argument("--json", action="store_true", help="for programs: print every number as one JSON object")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write every figure as SVG into this folder too")
    parser.add_argument(
        "--force", action="store_true", help="compare studies that are not comparable; the page says so"
    )
    parser.add_argument("--no-log", action="store_true", help="do not keep the page in MLflow")
    parser.add_argument(
        "--ui", default=DEFAULT_UI, metavar="URL", help="the address of MLflow's pages, for links to runs"
    )
    add_store_options(parser)
    return parser
