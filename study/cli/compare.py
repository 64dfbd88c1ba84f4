"""`study compare`: the page of one experiment, or of several, with the optimizers side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from study.cli.stores import DEFAULT_UI, add_search_option, add_store_options

_PORT = 5001  # beside MLflow's pages
_LAST_PORT = 65535
_DESCRIPTION = "Write the page that says which optimizer is better, by how much, and how sure that is."


def main(arguments: list[str]) -> int:
    """Compare experiments.

    The arguments are read first, since importing the action takes seconds.

    Args:
        arguments: The words after `study compare`.

    Returns:
        The exit status.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    _check_together(parser, options)
    if options.serve:
        from study.cli.actions.serve import serve_comparison

        return serve_comparison(options, arguments)
    from study.core.status_line import status_line

    with status_line("study compare: loading MLflow and Optuna"):
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
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="only the studies with this setting, such as model.hidden=[64]; may be repeated",
    )
    parser.add_argument("--no-log", action="store_true", help="do not keep the page in MLflow")
    parser.add_argument(
        "--ui", default=DEFAULT_UI, metavar="URL", help="the address of MLflow's pages, for links to runs"
    )
    parser.add_argument(
        "--serve", action="store_true", help="show the page at an address of this machine, and follow studies that run"
    )
    parser.add_argument("--port", type=_port, metavar="PORT", help=f"of --serve (default: {_PORT}; 0: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="of --serve: print the address, and open no browser")
    add_store_options(parser)
    add_search_option(parser)
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to {_LAST_PORT}")
    return int(text)


def _check_together(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse options that need, or cannot be with, `--serve`; give the port its default."""
    if not options.serve:
        following = {
            "--port": options.port,
            "--no-browser": options.no_browser or None,
            "--optuna-url": options.optuna_url,
        }
        if given := [name for name, value in following.items() if value is not None]:
            parser.error(f"{given[0]}: expected together with --serve")
        return
    kept = {"--output": options.output, "--figures": options.figures, "--json": options.json or None}
    if given := [name for name, value in kept.items() if value is not None]:
        parser.error(f"{given[0]}: expected without --serve, which keeps no file. Run the command once more for files")
    options.port = _PORT if options.port is None else options.port
