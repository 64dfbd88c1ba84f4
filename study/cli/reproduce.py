"""`study reproduce`: train a recorded run again and compare it, or train its configuration on fresh seeds."""

from __future__ import annotations

import argparse
import math

from study.cli.stores import add_store_options
from study.core.errors import StudyError


def main(arguments: list[str]) -> int:
    """Reproduce a target.

    Args:
        arguments: The words after `study reproduce`.

    Returns:
        The exit status: 0 only if the target was reproduced.
    """
    options = _parser().parse_intermixed_args(arguments)
    _check(options)
    from study.cli.actions.reproduce import reproduce_target

    return reproduce_target(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="study reproduce",
        description="Train a recorded run again under its own seeds and compare its metrics epoch by epoch. "
        "Status 0: reproduced; 1: not, with the likely causes; 2: an input to correct. Nothing is stored.",
    )
    forms = "run id, EXPERIMENT/OPTIMIZER or EXPERIMENT/STUDY for its best, or a file of `study export`"
    parser.add_argument("target", metavar="TARGET", help=forms)
    changes = "values to change, written as for `study run`, such as trainer.batch_size=64"
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help=changes)
    tolerance = "largest relative difference (default: 0, bit for bit; 0.001 where versions or the device differ)"
    parser.add_argument("--tolerance", type=float, help=tolerance)
    parser.add_argument("--seeds", type=int, metavar="N", help="repeat the configuration on N fresh seeds instead")
    parser.add_argument("--force", action="store_true", help="train even if the data or the versions differ")
    allow = "a further package that the recorded config may call, besides the project, Keras and this folder's modules"
    parser.add_argument("--allow", action="append", default=[], metavar="PACKAGE", help=allow)
    add_store_options(parser)
    return parser


def _check(options: argparse.Namespace) -> None:
    """Refuse numbers out of range."""
    if options.seeds is not None and options.seeds < 1:
        raise StudyError(f"--seeds={options.seeds}: expected 1 or more. Five or more give a useful interval.")
    tolerance = options.tolerance
    if tolerance is not None and not (tolerance >= 0 and math.isfinite(tolerance)):
        raise StudyError(f"--tolerance={tolerance}: expected a finite number of at least 0, such as 0.001.")
