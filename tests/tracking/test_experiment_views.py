import json

from mlflow.tracking import MlflowClient

from study.core.search_space import Range
from study.tracking.experiment_views import VIEWS, view_path, write_views


def test_views_are_stored_with_the_experiment_and_collect_the_searched_arguments(open_tracker, make_config):
    config = make_config()
    with open_tracker(config) as tracker:
        client, experiment_id = MlflowClient(config.stores.tracking_uri), tracker.experiment_id
        write_views(client, experiment_id, config, has_test=True)
        tags = client.get_experiment(experiment_id).tags
    states = {name: json.loads(tags[f"mlflow.sharedViewState.{name}"]) for name in VIEWS}
    assert states["trials"]["selectedColumns"].count("params.`learning_rate`") == 1
    assert "metrics.`best_objective`" in states["studies"]["selectedColumns"]
    assert states["studies"]["orderByAsc"] is (config.objective.direction == "minimize")
    assert states["curves"]["compareRunCharts"][0]["metricKey"] == config.objective.metric
    for name in VIEWS:
        assert f"viewStateShareKey={name}" in view_path(experiment_id, name)


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
    assert (trial.data.params["model.dropout"], trial.data.params["model.hidden"]) == ("0.125", "[64, 64]")
    assert study.data.tags["best"] == "learning_rate=0.1 model.dropout=0.125 model.hidden=[64, 64]"
    assert study.data.metrics["best_model.dropout"] == 0.125
    assert study.data.params["model.hidden"] == "[8, 4]"
