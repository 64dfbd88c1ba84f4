import json
from dataclasses import replace

import pytest
from mlflow.tracking import MlflowClient

from study.core.search_space import Range
from study.tracking.experiment_views import VIEWS, links_of, set_ranges, view_path, write_views


def test_views_are_stored_with_the_experiment_and_collect_the_searched_arguments(open_tracker, make_config):
    config = make_config()
    with open_tracker(config) as tracker:
        client, experiment_id = MlflowClient(config.stores.tracking_uri), tracker.experiment_id
        write_views(client, experiment_id, config, has_test=True)
        tags = client.get_experiment(experiment_id).tags
    states = {name: json.loads(tags[f"mlflow.sharedViewState.{name}"]) for name in VIEWS}
    scores = ["tags.`test`", "tags.`untuned`", "tags.`validation`"]
    assert states["runs"]["selectedColumns"][:4] == [*scores, "tags.`best`"]
    assert states["trials"]["selectedColumns"].count("params.`learning_rate`") == 1
    studies = states["studies"]
    assert studies["selectedColumns"][:3] == scores
    assert studies["orderByKey"] == "metrics.`chosen_by`"
    # No header is cut, so `mean_test_accuracy` and `mean_test_loss` differ.
    assert all(width >= 8 * len(column.partition("`")[2]) for column, width in studies["columnWidths"].items())
    assert states["studies"]["orderByAsc"] is (config.objective.direction == "minimize")
    assert states["curves"]["compareRunCharts"][0]["metricKey"] == config.objective.metric
    for name, own in (("search", "Search"), ("curves", "Confirmations")):
        shown = [(each["name"], each["display"]) for each in states[name]["compareRunSections"]]
        assert shown == [(own, True), ("Model metrics", False), ("point", False), ("System metrics", False)]
        assert states[name]["isAccordionReordered"]  # else MLflow sorts the sections by name
    for name in VIEWS:
        assert f"viewStateShareKey={name}" in view_path(experiment_id, name)
        assert view_path(experiment_id, name).endswith("&workflowType=machine_learning")


def test_an_experiment_of_an_earlier_version_has_links_to_what_it_has(open_tracker, make_config):
    with open_tracker(make_config()) as tracker:
        client, experiment_id = MlflowClient(make_config().stores.tracking_uri), tracker.experiment_id
        assert list(links_of(client, experiment_id)) == [purpose for _, purpose in VIEWS.values()]
        for name in VIEWS:
            client.delete_experiment_tag(experiment_id, f"mlflow.sharedViewState.{name}")
            kept = links_of(client, experiment_id)
            assert not [path for path in kept.values() if f"={name}&" in path]
        assert kept == {"the table of runs": f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning"}


def test_the_curves_are_those_of_the_first_five_tuned_confirmations(open_tracker, make_config, record):
    config = make_config()
    with open_tracker(config) as tracker:
        client, experiment_id = MlflowClient(config.stores.tracking_uri), tracker.experiment_id
        for number in (0, 4, 5, 9, 10):
            record(tracker, "best", number)
        record(tracker, "default", 0)
        tracker.flush()
        state = json.loads(client.get_experiment(experiment_id).tags["mlflow.sharedViewState.curves"])
        shown = client.search_runs([experiment_id], state["searchFilter"])
    assert {run.info.run_name for run in shown} == {"adam confirmation 0 (tuned)", "adam confirmation 4 (tuned)"}
    assert state["groupBy"] is None


def test_without_confirmations_the_studies_are_sorted_by_their_best_trials(open_tracker, make_config):
    config = make_config()
    config = replace(config, budget=replace(config.budget, n_confirmations=0))
    with open_tracker(config) as tracker:
        client = MlflowClient(config.stores.tracking_uri)
        tags = client.get_experiment(tracker.experiment_id).tags
    assert json.loads(tags["mlflow.sharedViewState.studies"])["orderByKey"] == "metrics.`best_objective`"


def test_the_axis_of_a_chart_stays_when_a_study_joins(open_tracker, make_config):
    config = make_config()
    with open_tracker(config) as tracker:
        client, experiment_id = MlflowClient(config.stores.tracking_uri), tracker.experiment_id
        set_ranges(client, experiment_id, {"best_so_far": (0.8, 0.9), "ends": (0.7, 0.95), "unknown": (0, 1)})
        write_views(client, experiment_id, config, has_test=True)
        tags = client.get_experiment(experiment_id).tags
    charts = [
        chart
        for name in VIEWS
        for chart in json.loads(tags[f"mlflow.sharedViewState.{name}"]).get("compareRunCharts", ())
    ]
    ranges = {chart["uuid"]: chart.get("range") for chart in charts}
    assert ranges["best_so_far"] == {"yMin": 0.8, "yMax": 0.9}
    assert ranges["ends"] == {"yMin": 0.7, "yMax": 0.95}
    assert "unknown" not in ranges


@pytest.mark.parametrize("broken", ["{", "[]", "7", '{"compareRunCharts": [1]}', '{"selectedColumns": 7}'])
def test_a_view_that_a_person_broke_is_written_again(open_tracker, make_config, broken):
    config = make_config()
    with open_tracker(config) as tracker:
        client, experiment_id = MlflowClient(config.stores.tracking_uri), tracker.experiment_id
        for name in VIEWS:
            client.set_experiment_tag(experiment_id, f"mlflow.sharedViewState.{name}", broken)
        set_ranges(client, experiment_id, {"best_so_far": (0.8, 0.9)})
        write_views(client, experiment_id, config, has_test=True)
        tags = client.get_experiment(experiment_id).tags
    assert "columnOrder" in json.loads(tags["mlflow.sharedViewState.trials"])


def test_searched_keys_have_columns_and_stand_in_the_tags_of_the_best(open_tracker, make_config, record):
    ranges = {
        "model.dropout": Range(argument="model.dropout", low=0.0, high=0.5),
        "model.hidden": Range(argument="model.hidden", choices=((8,), (64, 64))),
    }
    config = make_config(searched=ranges, own_values={"model.dropout": 0.0, "model.hidden": (8,)})
    with open_tracker(config) as tracker:
        client, experiment_id = MlflowClient(config.stores.tracking_uri), tracker.experiment_id
        write_views(client, experiment_id, config, has_test=True)
        write_views(client, experiment_id, make_config(), has_test=True)  # of a study that does not search them
        state = json.loads(client.get_experiment(experiment_id).tags["mlflow.sharedViewState.trials"])
        record(tracker, "trial", 0, hyperparameters={"model.dropout": 0.125, "model.hidden": (64, 64)})
        tracker.summarize(best=0, tests={})
        tracker.flush()
        (trial,) = client.search_runs([experiment_id], "tags.role = 'trial'")
        (study,) = client.search_runs([experiment_id], "tags.role = 'study'")
    for key in ("learning_rate", *ranges):
        assert state["selectedColumns"].count(f"params.`{key}`") == 1
    assert trial.data.tags["point"] == "learning_rate=0.1 model.dropout=0.125 model.hidden=[64, 64]"
    assert (trial.data.params["model.dropout"], trial.data.params["model.hidden"]) == ("0.125", "[64, 64]")
    assert study.data.tags["best"] == "learning_rate=0.1 model.dropout=0.125 model.hidden=[64, 64]"
    assert study.data.metrics["point/model.dropout"] == 0.125
    assert study.data.params["model.hidden"] == "[8, 4]"
