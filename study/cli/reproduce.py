"""`study reproduce`: a recorded run again, compared epoch by epoch, or its configuration on fresh seeds."""

from __future__ import annotations

import argparse
import math

from study.cli.stores import add_store_options
from study.core.errors import StudyError


def main(arguments: list[str]) -> int:
    """Reproduce a target; the status is 0 only when it was reproduced."""
    options = _parser().parse_intermixed_args(arguments)
    _check(options)
    from study.cli.actions.reproduce import reproduce_target

    return reproduce_target(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="study reproduce",
        description="Train a recorded run again under its own seeds and compare its metrics epoch by epoch. "
        "Status 0: reproduced; 1: not, with the likely causes; 2: something to be corrected. Nothing is stored.",
    )
    forms = "run id, EXPERIMENT/OPTIMIZER or EXPERIMENT/STUDY for its best, or a file of `study export`"
    parser.add_argument("target", metavar="TARGET", help=forms)
    changes = "values to be changed, written as for `study run`, such as trainer.batch_size=64"
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help=changes)
    tolerance = "largest relative difference (default: 0, bit for bit; 0.001 where versions or the device differ)"
    parser.add_argument("--tolerance", type=float, help=tolerance)
    parser.add_argument("--seeds", type=int, metavar="N", help="repeat the configuration on N fresh seeds instead")
    parser.add_argument("--force", action="store_true", help="train also where the data or the versions differ")
    allow = "a package that the recorded config may call, beside the project, Keras and the modules of this folder"
    parser.add_argument("--allow", action="append", default=[], metavar="PACKAGE", help=allow)
    add_store_options(parser)
    return parser


def _check(options: argparse.Namespace) -> None:
    """Refuse numbers that mean nothing."""
    if options.seeds is not None and options.seeds < 1:
        raise StudyError(f"--seeds={options.seeds}: expected 1 or more. Five or more give an interval worth reading.")
    tolerance = options.tolerance
    if tolerance is not None and not (tolerance >= 0 and math.isfinite(tolerance)):
        raise StudyError(f"--tolerance={tolerance}: expected a finite number from 0, such as 0.001.")
