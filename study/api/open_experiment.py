"""`open_experiment`: the view of an experiment that was run, from Python or by `study run`."""

from __future__ import annotations

from pathlib import Path

from study.api.experiment import ExperimentView
from study.api.python_words import python_call
from study.cli.actions.read_comparison import check_experiments
from study.cli.stores import check_folder, stores_of
from study.tracking.read_studies import read_experiments


def open_experiment(
    name: str, *, folder: str | Path | None = None, tracking_uri: str | None = None, force: bool = False
) -> ExperimentView:
    """Open an experiment that was run, from Python or by `study run`; it may still be running.

    Args:
        name: Name of the experiment, as `study list` shows it.
        folder: The folder that holds `mlruns/`. None (the default): the working directory.
        tracking_uri: Address of an MLflow store. None (the default): `mlruns/mlflow.db` of the folder.
        force: Compare studies that are not comparable, such as those on different data; the answer then warns of it.
            Default False.

    Returns:
        The view.

    Raises:
        StoreError: There is no store, or it cannot be read.
        StudyError: The store has no such experiment.

    Example:
        >>> from study import open_experiment
        >>> result = open_experiment("digits-mlp")  # doctest: +SKIP
        >>> print(result.answer)  # doctest: +SKIP
        >>> result.table()  # doctest: +SKIP
    """
    place = Path.cwd() if folder is None else Path(folder).expanduser()
    with python_call(f"open_experiment({name!r})"):
        check_folder(place, tracking_uri=tracking_uri)
        stores = stores_of(place, tracking_uri=tracking_uri)
        check_experiments([name], list(read_experiments(stores.tracking_uri)))
    return ExperimentView(name, stores=stores, folder=place.resolve(), force=force)
