"""Find the gallery's experiments, and read the data of their pages from the stores."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from study.core.errors import StudyError
from study.core.records import RunRecord, StudyRecord, latest_of_settings
from study.gallery import About, Material, PageContents
from study.report.studies import gather
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_artifact_text, read_histories, read_studies

_PACKAGE = "study.gallery.experiments"


@dataclass(frozen=True, kw_only=True)
class GalleryExperiment:
    """An experiment's module.

    Attributes:
        name: Name of the experiment.
        about: The experiment's subject.
        show: Makes the contents of its page.
    """

    name: str
    about: About
    show: Callable[[Material], PageContents]


def known() -> tuple[str, ...]:
    """Return the names of the experiments that have a page."""
    names = (path.name.removesuffix(".py") for path in files(_PACKAGE).iterdir() if path.name.endswith(".py"))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def load_experiment(name: str) -> GalleryExperiment:
    """Import an experiment's module.

    Args:
        name: Name of the experiment.

    Raises:
        StudyError: No experiment has this name.
    """
    if name not in known():
        raise StudyError(f"EXPERIMENT={name}: expected one with a page: {', '.join(known())}.")
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    return GalleryExperiment(name=name, about=module.ABOUT, show=module.show)


def read_material(
    tracking_uri: str, name: str, *, experiment: str | None = None, digests: Collection[str] | None = None
) -> Material:
    """Read the data of an experiment's page.

    The studies may differ in more than their optimizers: each experiment chooses what it varies, and its page says
    what it compares.

    Args:
        tracking_uri: Address of the store.
        name: Name of the experiment.
        experiment: Name of the experiment in MLflow. None (the default): the same name.
        digests: Digests of the settings to show, each by its latest study. None (the default): all studies of the
            experiment in the store.

    Raises:
        StoreError: The store cannot be read, or has no such experiment.
        StudyError: None of the studies has a trial.
    """
    recorded_as = experiment or name
    connections = Connections()
    records = read_studies(tracking_uri, recorded_as, connections=connections)
    if digests is not None:
        records = latest_of_settings(record for record in records if record.settings_id in digests)
    context = read_context(tracking_uri, recorded_as, connections=connections)
    gathered = gather(
        recorded_as,
        records,
        digests=context.digests,
        read_histories=lambda run_ids, metrics: read_histories(
            tracking_uri, run_ids, metrics, connections=connections
        ),
        force=True,
    )
    kept = gathered.records
    return Material(
        name=name,
        experiment=gathered,
        configs={record.name: _config(tracking_uri, record, connections) for record in kept},
        history=_MetricReader(tracking_uri, kept, connections),
    )


def make_contents(experiment: GalleryExperiment, material: Material) -> PageContents:
    """Make the contents of a page.

    Args:
        experiment: The experiment's module.
        material: The data of the page.

    Raises:
        StudyError: Studies that the page needs are not in the store.
    """
    from matplotlib import style  # a run without a page need not import it

    try:
        # A matplotlibrc of the working directory changes no picture, and starts no TeX.
        with style.context("default"):
            return experiment.show(material)
    except (LookupError, StopIteration) as error:
        have = ", ".join(record.name for record in material.experiment.records)
        raise StudyError(
            f"experiment={experiment.name}: expected all studies of its page in the store, found only {have}. "
            f"Run all of them: study run -m experiment={experiment.name}."
        ) from error


class _MetricReader:
    """Reader of the metrics of runs. Each query costs a connection, so a metric is read once for all runs."""

    def __init__(self, tracking_uri: str, records: Sequence[StudyRecord], connections: Connections) -> None:
        self._uri, self._connections = tracking_uri, connections
        self._run_ids = [run.run_id for record in records for run in (*record.trials, *record.confirmations)]
        self._read: dict[str, Mapping[str, NDArray[np.float64]]] = {}

    def __call__(self, run: RunRecord, metric: str) -> NDArray[np.float64]:
        """Return the values in the order of the steps; empty if the run has no such metric."""
        if metric not in self._read:
            found = read_histories(self._uri, self._run_ids, [metric], connections=self._connections)
            self._read[metric] = {run_id: by[metric][1] for run_id, by in found.items() if metric in by}
        return self._read[metric].get(run.run_id, np.empty(0))


def _config(tracking_uri: str, record: StudyRecord, connections: Connections) -> dict[str, Any]:
    text = read_artifact_text(tracking_uri, record.run_id, "config.yaml", connections=connections)
    found = yaml.safe_load(text)
    return found if isinstance(found, dict) else {}
