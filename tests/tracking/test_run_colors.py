from mlflow.tracking import MlflowClient

from study.core.entry_colors import entry_colors


def test_studies_and_their_trials_have_the_color_of_the_page(make_config, open_tracker, record):
    optimizers = ("adam", "sgd", "lion")
    for optimizer in optimizers:
        config = make_config(optimizer=optimizer)
        with open_tracker(config) as tracker:
            record(tracker, "trial", 0)
            record(tracker, "best", 0)
    client = MlflowClient(config.stores.tracking_uri)
    runs = client.search_runs([tracker.experiment_id])
    colors = {(run.data.tags["study_name"], run.data.tags["mlflow.runColor"]) for run in runs}
    assert colors == set(zip(optimizers, entry_colors(optimizers), strict=True))
    assert len(runs) == 9
