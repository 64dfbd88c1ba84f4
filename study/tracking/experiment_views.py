"""Shared views of an experiment in MLflow's pages: their columns, order, groups and charts.

MLflow keeps a shared view as JSON in a tag of the experiment and opens it by the tag's suffix
(`.../runs?viewStateShareKey=<suffix>`). A version of MLflow that does not know a key ignores it.
"""

from __future__ import annotations

import json
from typing import Any

from mlflow.tracking import MlflowClient

from study.config.schema import StudyConfig

# The views that `study ui` offers, by the suffix of the tag: the mode of the page and its content.
VIEWS = {
    "studies": ("TABLE", "the studies side by side, best first"),
    "trials": ("TABLE", "all trials and confirmations, best first"),
    "curves": ("CHART", "the curves of the tuned confirmations, averaged over seeds"),
}
_TAG = "mlflow.sharedViewState."


def write_views(client: MlflowClient, experiment_id: str, config: StudyConfig, *, has_test: bool) -> None:
    """Write the experiment's views, with a column for each value that its studies have searched so far.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        config: The study's config.
        has_test: True if the data set has a test split; without one, confirmations are measured on validation.
    """
    known = client.get_experiment(experiment_id).tags.get(f"{_TAG}trials")
    arguments = [*_searched(known), *config.ranges]
    for name, state in _states(config, list(dict.fromkeys(arguments)), has_test=has_test).items():
        text = json.dumps(state, separators=(",", ":"))
        client.set_experiment_tag(experiment_id, f"{_TAG}{name}", text)


def view_path(experiment_id: str, view: str) -> str:
    """Return the path of a view on an MLflow server.

    Args:
        experiment_id: MLflow's id of the experiment.
        view: Name of the view, a key of `VIEWS`.
    """
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={view}&compareRunsMode={VIEWS[view][0]}"


def _states(config: StudyConfig, arguments: list[str], *, has_test: bool) -> dict[str, dict[str, Any]]:
    objective = config.objective.metric
    own = [name.removeprefix("val_") for name in config.task.metric_names if name.startswith("val_")]
    shown = next((name for name in own if name != "loss"), "loss")
    confirmed = f"test_{shown}" if has_test else f"val_{shown}"
    params = [f"params.`{name}`" for name in arguments]
    study_columns = [
        *_columns("attributes", "Duration"),
        *_columns("tags", "optimizer", "progress", "best"),
        *_columns("metrics", "best_objective", *(f"{confirmed}_{part}" for part in ("mean", "low", "high"))),
        *_columns("metrics", "n_complete", "n_diverged"),
    ]
    trial_columns = [
        *_columns("attributes", "Duration"),
        *_columns("tags", "optimizer", "role", "config", "state"),
        *_columns("metrics", "objective", "loss", *dict.fromkeys((f"val_{shown}", confirmed))),
        *params,
    ]
    charts = [_line(objective), _line("loss"), {**_bar(confirmed), "uuid": f"{confirmed}_bar"}, _bar("seconds_train")]
    maximize = config.objective.direction == "maximize"
    return {
        "studies": _state("tags.role = 'study'", "best_objective", maximize, selectedColumns=study_columns),
        "trials": _state("tags.role != 'study'", "objective", maximize, selectedColumns=trial_columns),
        "curves": _state(
            "tags.role = 'confirmation' AND tags.config != 'default'",
            "objective",
            maximize,
            groupBy={"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "study_name"}]},
            compareRunSections=[{"uuid": "confirmations", "name": "Confirmations", "display": True}],
            compareRunCharts=charts,
        ),
    }


def _state(search: str, sort: str, maximize: bool, **more: Any) -> dict[str, Any]:
    return {
        "searchFilter": search,
        "orderByKey": f"metrics.`{sort}`",
        "orderByAsc": not maximize,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [],
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOWALL",
        "runsVisibilityMap": {},
        "groupBy": None,
        "viewMaximized": False,
        "runListHidden": False,
        "useGroupedValuesInCharts": True,
        **more,
    }


def _columns(kind: str, *names: str) -> list[str]:
    return [f"{kind}.`{name}`" for name in names]


def _line(metric: str) -> dict[str, Any]:
    own = {
        "lineSmoothness": 0,
        "xAxisKey": "step",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "selectedMetricKeys": [metric],
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "useGlobalXaxisKey": True,
        "range": {},
    }
    return {**_bar(metric), "type": "LINE", **own}


def _bar(metric: str) -> dict[str, Any]:
    return {
        "type": "BAR",
        "uuid": metric,
        "metricKey": metric,
        "metricSectionId": "confirmations",
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 100,
    }


def _searched(state: str | None) -> list[str]:
    """Return the arguments that an earlier view has as columns; none if the view was changed in MLflow."""
    try:
        columns = [str(column) for column in json.loads(state)["selectedColumns"]] if state else []
    except (ValueError, LookupError, TypeError):
        columns = []
    prefix = "params.`"
    return [column.removeprefix(prefix).rstrip("`") for column in columns if column.startswith(prefix)]
