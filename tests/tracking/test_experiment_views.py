import json

from mlflow.tracking import MlflowClient

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
