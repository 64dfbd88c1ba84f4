"""Shared views of an experiment in MLflow's pages: their columns, order, groups and charts.

MLflow keeps a shared view as JSON in a tag of the experiment and opens it by the tag's suffix
(`.../runs?viewStateShareKey=<suffix>`). A version of MLflow that does not know a key ignores it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from mlflow.tracking import MlflowClient

from study.config.schema import StudyConfig
from study.tracking.connection import Connections, store_errors
from study.tracking.search_history import BEST_SO_FAR, OF_TRIAL
from study.tracking.study_summary import CHOSEN_BY

# The views that `study ui` offers, by the suffix of the tag: the mode of the page and its content.
VIEWS = {
    "studies": ("TABLE", "the studies side by side, best first"),
    "runs": ("TABLE", "each study with its trials and confirmations, to open and close"),
    "trials": ("TABLE", "all trials, best first, with the searched arguments"),
    "search": ("CHART", "the searches: the best result so far over the trials"),
    "curves": ("CHART", "the curves of the tuned confirmations, of up to 5 seeds"),
}
# Paths on an MLflow server, by what they show.
Links = Mapping[str, str]
# The start of the tag of a view.
TAG = "mlflow.sharedViewState."
# MLflow 3.17 has pages for language models too, and shows these first.
_WORKFLOW = "workflowType=machine_learning"
# The chart of the curves whose vertical axis begins with them, not at zero.
ENDS = "ends"
_NAME, _CREATED, _DURATION = "attributes.`Run Name`", "runDateAndNestInfo", "duration"
# Widths of columns in pixels, so that neither a header nor a value is cut.
_WIDTHS = {_NAME: 210, _CREATED: 140, _DURATION: 90, "tags.`test`": 150, "tags.`untuned`": 150}
_WIDTHS |= {"tags.`validation`": 150, "tags.`best`": 360, "tags.`point`": 360}
# The tuned confirmations 0 to 4: a search has no order of numbers. Groups of runs would have colors of their own.
_FIRST_SEEDS = " AND ".join(
    ["tags.role = 'confirmation'", "tags.config != 'default'", "tags.number LIKE '_'"]
    + [f"tags.number != '{number}'" for number in range(5, 10)]
)
# The sections that MLflow's page makes: of metrics without a group, of the group `point/`, and of `system/`.
_OF_MLFLOW = ("Model metrics", "point", "System metrics")
_PIXELS_PER_LETTER, _PIXELS_BESIDE, _LEAST_PIXELS = 8, 34, 100


def write_views(client: MlflowClient, experiment_id: str, config: StudyConfig, *, has_test: bool) -> None:
    """Write the experiment's views, with a column for each value that its studies have searched so far.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        config: The study's config.
        has_test: True if the data set has a test split; without one, confirmations are measured on validation.
    """
    tags = client.get_experiment(experiment_id).tags
    arguments = [*_searched(tags.get(f"{TAG}trials")), *config.ranges]
    ranges = {name: _ranges(tags.get(f"{TAG}{name}")) for name in VIEWS}
    for name, state in _states(config, list(dict.fromkeys(arguments)), has_test=has_test).items():
        _write(client, experiment_id, name, _with_ranges(state, ranges[name]))


def set_ranges(client: MlflowClient, experiment_id: str, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Set the vertical axes of charts, so that they show differences; MLflow's own begin at zero.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
        ranges: The ends of the axis by the chart's id: `best_so_far`, or `ends` for the curves.
    """
    tags = client.get_experiment(experiment_id).tags
    for name in VIEWS:
        state = _state_of(tags.get(f"{TAG}{name}"))
        if any(chart.get("uuid") in ranges for chart in state.get("compareRunCharts", ())):
            _write(client, experiment_id, name, _with_ranges(state, ranges))


def view_path(experiment_id: str, view: str) -> str:
    """Return the path of a view on an MLflow server.

    Args:
        experiment_id: MLflow's id of the experiment.
        view: Name of the view, a key of `VIEWS`.
    """
    mode = VIEWS[view][0]
    return f"/#/experiments/{experiment_id}/runs?viewStateShareKey={view}&compareRunsMode={mode}&{_WORKFLOW}"


def view_links(tracking_uri: str, experiment_ids: Collection[str], *, connections: Connections) -> dict[str, Links]:
    """Return the links to the views of experiments, by MLflow's id.

    Args:
        tracking_uri: Address of the store.
        experiment_ids: MLflow's ids of the experiments.
        connections: The command's connections.

    Raises:
        StoreError: The store is missing or cannot be read.
    """
    client = connections.client(tracking_uri)
    with store_errors(tracking_uri, "the views of the experiments cannot be read"):
        return {experiment_id: links_of(client, experiment_id) for experiment_id in experiment_ids}


def links_of(client: MlflowClient, experiment_id: str) -> Links:
    """Return the paths of the views that an experiment has, by their purpose; at least that of the plain table.

    Earlier versions wrote fewer views, and MLflow answers a link to a missing one with an error.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment.
    """
    tags = client.get_experiment(experiment_id).tags
    there = {purpose: view_path(experiment_id, name) for name, (_, purpose) in VIEWS.items() if f"{TAG}{name}" in tags}
    return there or {"the table of runs": f"/#/experiments/{experiment_id}/runs?{_WORKFLOW}"}


def run_path(experiment_id: str, run_id: str, *, artifacts: bool = False) -> str:
    """Return the path of a run's page on an MLflow server.

    Args:
        experiment_id: MLflow's id of the experiment.
        run_id: Id of the run.
        artifacts: The page of its artifacts. Default False.
    """
    return f"/#/experiments/{experiment_id}/runs/{run_id}{'/artifacts' if artifacts else ''}?{_WORKFLOW}"


def _states(config: StudyConfig, arguments: list[str], *, has_test: bool) -> dict[str, dict[str, Any]]:
    objective = config.objective.metric
    own = [name.removeprefix("val_") for name in config.task.metric_names if name.startswith("val_")]
    shown = next((name for name in own if name != "loss"), "loss")
    confirmed = f"test_{shown}" if has_test else f"val_{shown}"
    params = _columns("params", *arguments)
    scores = _columns("tags", *(("test", "untuned", "validation") if has_test else ("validation", "untuned")))
    studies = [*scores, *_columns("tags", "best", "progress"), *_columns("metrics", "n_diverged", f"mean_{confirmed}")]
    # A closed study has nothing in the columns of its trials, which stand at the end.
    runs = [*scores, *_columns("tags", "best", "point", "state"), *_columns("metrics", "objective", confirmed)]
    trials = [*_columns("metrics", "objective"), *_columns("tags", "point", "state", "study_name")]
    trials += [*_columns("metrics", *dict.fromkeys(("loss", f"val_{shown}"))), *params]
    maximize = config.objective.direction == "maximize"
    # By the protocol's choice: the mean over confirmations, where there are any.
    chosen_by = CHOSEN_BY if config.budget.n_confirmations else "best_objective"
    return {
        "studies": _state("tags.role = 'study'", _metric(chosen_by), not maximize, columns=studies),
        # MLflow nests runs in this order only.
        "runs": _state("tags.role != 'comparison'", "attributes.start_time", False, columns=runs),
        "trials": _state("tags.role = 'trial'", _metric("objective"), not maximize, columns=trials),
        "search": _state(
            "tags.role = 'study'",
            _metric(chosen_by),
            not maximize,
            **_sections("Search"),
            compareRunCharts=[_line(BEST_SO_FAR, "Search"), _line(OF_TRIAL, "Search")],
        ),
        "curves": _state(
            _FIRST_SEEDS,
            _metric("objective"),
            not maximize,
            **_sections("Confirmations"),
            compareRunCharts=[
                {**_line(objective, "Confirmations"), "uuid": ENDS},
                _line("loss", "Confirmations"),
                _scatter("objective", confirmed, "Confirmations"),
            ],
        ),
    }


def _state(
    search: str, order_by: str, ascending: bool, *, columns: list[str] | None = None, **more: Any
) -> dict[str, Any]:
    selected = columns or []
    order = [_NAME, _CREATED, *selected, _DURATION]
    return {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*selected, *(_columns("attributes", "Duration") if selected else ())],
        "columnOrder": order if selected else [],
        "columnWidths": {column: _width(column) for column in order} if selected else {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOW_ALL",
        "runsVisibilityMap": {},
        "groupBy": None,
        "viewMaximized": False,
        "runListHidden": False,
        "useGroupedValuesInCharts": True,
        **more,
    }


def _columns(kind: str, *names: str) -> list[str]:
    return [f"{kind}.`{name}`" for name in names]


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _width(column: str) -> int:
    letters = len(column.partition("`")[2].rstrip("`"))
    return _WIDTHS.get(column, max(_LEAST_PIXELS, _PIXELS_PER_LETTER * letters + _PIXELS_BESIDE))


def _sections(first: str) -> dict[str, Any]:
    """Return the sections of a view with charts: its own one open, and below it those that MLflow makes, closed.

    MLflow finds its own sections by their names, makes those that are missing, and sorts all by name unless a person
    has ordered them.
    """
    named = [(first, True), *((name, False) for name in _OF_MLFLOW)]
    sections = [{"uuid": name, "name": name, "display": shown, "isReordered": False} for name, shown in named]
    return {"compareRunSections": sections, "isAccordionReordered": True}


def _line(metric: str, section: str) -> dict[str, Any]:
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
    return {**_chart("LINE", metric, section), "metricKey": metric, **own}


def _scatter(across: str, up: str, section: str) -> dict[str, Any]:
    axes = {"xaxis": {"key": across, "type": "METRIC"}, "yaxis": {"key": up, "type": "METRIC"}}
    return {**_chart("SCATTER", f"{up} over {across}", section), **axes, "showPoints": True}


def _chart(kind: str, uuid: str, section: str) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": uuid,
        "metricSectionId": section,
        "deleted": False,
        "isGenerated": False,
        "runsCountToCompare": 100,
    }


def _write(client: MlflowClient, experiment_id: str, name: str, state: Mapping[str, Any]) -> None:
    client.set_experiment_tag(experiment_id, f"{TAG}{name}", json.dumps(state, separators=(",", ":")))


def _with_ranges(state: dict[str, Any], ranges: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    for chart in state.get("compareRunCharts", ()):
        if chart.get("uuid") in ranges:
            low, high = ranges[chart["uuid"]]
            chart["range"] = {"yMin": low, "yMax": high}
    return state


def _ranges(text: str | None) -> dict[str, tuple[float, float]]:
    """Return the vertical axes that a view has now, by the chart's id."""
    charts = _state_of(text).get("compareRunCharts", ())
    known = {chart.get("uuid"): chart.get("range") or {} for chart in charts}
    return {uuid: (own["yMin"], own["yMax"]) for uuid, own in known.items() if {"yMin", "yMax"} <= own.keys()}


def _searched(text: str | None) -> list[str]:
    """Return the arguments that an earlier view has as columns; none if the view was changed in MLflow."""
    columns = [str(column) for column in _state_of(text).get("selectedColumns", ())]
    prefix = "params.`"
    return [column.removeprefix(prefix).rstrip("`") for column in columns if column.startswith(prefix)]


def _state_of(text: str | None) -> dict[str, Any]:
    """Return a view; an empty one if a person has changed it into something else in MLflow."""
    try:
        found = json.loads(text or "{}")
        charts, columns = found.get("compareRunCharts") or [], found.get("selectedColumns") or []
        known = {"compareRunCharts": [dict(chart) for chart in charts], "selectedColumns": [*columns]}
        return {**found, **known}
    except (ValueError, TypeError, AttributeError):
        return {}
