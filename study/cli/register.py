"""`study register`: the best model of a study into MLflow's registry, described by its results."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from study.cli.stores import add_store_options, find_stores
from study.core.redaction import redact

if TYPE_CHECKING:
    from study.reproduction.register import Registration


def main(arguments: list[str]) -> int:
    """Register the model of a target and print the line that loads it.

    Args:
        arguments: The words after `study register`.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(arguments)
    from study.reproduction.recorded_run import find_recorded_run
    from study.reproduction.register import register

    target = find_recorded_run(find_stores(options).tracking_uri, options.target, folder=Path.cwd())
    found = register(target, typed=options.target, name=options.name, alias=options.alias)
    sys.stdout.write(_told(found))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="study register",
        description="Register the model of a study's best confirmation as a new version of a model in MLflow's "
        "registry, with its metrics and the verdict of the comparison as description. A model that was registered "
        "under this name already gets no second version.",
    )
    parser.add_argument("target", metavar="TARGET", help="EXPERIMENT/OPTIMIZER, EXPERIMENT/STUDY, or a run id")
    parser.add_argument("--name", help="the registered model (default: the experiment's name)")
    parser.add_argument("--alias", help="an alias that this version gets, such as champion; another version loses it")
    add_store_options(parser)
    return parser


def _told(found: Registration) -> str:
    """Return the version in words, and the line of Python that loads it."""
    version, study, run = found.version, found.target.study, found.target.run
    alias = f", alias {found.alias}" if found.alias is not None else ""
    already = "" if version.is_new else " has this model already"
    of = f"{study.experiment}/{study.name}, {run.words}"
    flavor = "pyfunc" if found.model.own_classes else "keras"
    start = f"import mlflow; mlflow.set_tracking_uri({redact(found.target.tracking_uri)!r})"
    lines = [
        f"{version.name} version {version.version}{already}{alias}: {of}",
        f"Load it:  {start}; model = mlflow.{flavor}.load_model({found.address!r})",
    ]
    if found.model.own_classes:
        lines.append(
            f"It has classes that Keras does not have, which pyfunc imports: {', '.join(found.model.own_classes)}. "
            "model.get_raw_model() is the Keras model; mlflow.keras.load_model needs them imported before."
        )
    if found.model.code:
        lines.append(f"Kept with it: {', '.join(found.model.code)}.")
    if found.model.project_modules:
        lines.append(f"It can be loaded only where {', '.join(found.model.project_modules)} can be imported.")
    return "".join(f"{line}\n" for line in lines)
