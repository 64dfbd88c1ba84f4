"""`study gallery`: the pages of the published comparisons, from the studies in the stores."""

from __future__ import annotations

import argparse
from pathlib import Path

from study.cli.stores import add_store_options


def main(arguments: list[str]) -> int:
    """Make the pages.

    The arguments are read first, since importing the action takes seconds.

    Args:
        arguments: The words after `study gallery`.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="study gallery",
        description="Make the pages of the published comparisons from the studies in the stores.",
        epilog="`study run -m experiment=NAME` runs an experiment, and makes its page too.",
    )
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="only these (default: all that were run)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder of the pages, as HTML and as Markdown (default: mlruns/gallery in --folder)",
    )
    parser.add_argument("--no-log", action="store_true", help="do not keep the pages in MLflow")
    add_store_options(parser)
    options = parser.parse_args(arguments)
    from study.cli.actions.gallery import make_gallery

    return make_gallery(options)
