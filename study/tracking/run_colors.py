"""Colors of an experiment's runs in MLflow's pages, the same as on the comparison page."""

from __future__ import annotations

from collections.abc import Mapping

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from study.core.entry_colors import entry_colors
from study.tracking.mlflow_schema import COLOR, PARENT
from study.tracking.read_studies import find_runs

# Recoloring a run takes some milliseconds. The trials of a larger study keep the color of their start.
_MOST_RUNS = 2000


def own_color(client: MlflowClient, study: Run) -> str:
    """Return the color of a study among those of its experiment, as `#rrggbb`.

    Args:
        client: A client of the store.
        study: The study's run.
    """
    studies = find_runs(client, [study.info.experiment_id], "tags.role = 'study'")
    ordered = sorted(studies, key=lambda run: (run.info.start_time, run.info.run_id))
    colors = entry_colors([run.data.tags.get("optimizer", "") for run in ordered])
    return colors[[run.info.run_id for run in ordered].index(study.info.run_id)]


def recolor(client: MlflowClient, experiment_id: str, colors: Mapping[str, str]) -> None:
    """Give studies, their trials and their confirmations the colors of a comparison.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        colors: Colors as `#rrggbb`, by id of the study's run.
    """
    for run in find_runs(client, [experiment_id], "tags.role = 'study'"):
        color = colors.get(run.info.run_id)
        if color is None or run.data.tags.get(COLOR) == color:
            continue
        children = find_runs(client, [experiment_id], f"tags.`{PARENT}` = '{run.info.run_id}'")
        for other in (run, *(children if len(children) <= _MOST_RUNS else ())):
            client.set_tag(other.info.run_id, COLOR, color)
