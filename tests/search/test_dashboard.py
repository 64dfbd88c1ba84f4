"""optuna-dashboard opens a store of ours: studies alone, the arguments' names, and the metric's."""

import json
import warnings
from wsgiref.util import setup_testing_defaults

import pytest

from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search


@pytest.fixture
def asked():
    """Return a function that asks the dashboard of a store, as its page does, and returns the answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the dashboard's own libraries
        from optuna_dashboard import wsgi
        from optuna_dashboard._storage_url import get_storage

        def of(store):
            application = wsgi(get_storage(store))

            def ask(path):
                environment, status = {}, []
                setup_testing_defaults(environment)
                environment["PATH_INFO"] = path
                body = b"".join(application(environment, lambda line, *_: status.append(line)))
                assert status == ["200 OK"]
                return json.loads(body)

            return ask

        yield of


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_dashboard_shows_studies_arguments_and_the_objective(compose, asked, sampler):
    config = compose(f"sampler={sampler}", "budget.n_trials=6", "pruner=median")
    best = {}
    with open_search(config) as search:
        for value in range(6):
            (trial,) = search.ask(1)
            search.judge([(trial, 0, float(value))])
            result = TrialResult(trial=trial, state="complete", history={}, summary={})
            search.tell_all([(result, float(value))])
            best = trial.hyperparameters
        search.claims.take(["best 0 beta_1=0.9", "best 1 beta_1=0.9"], 2)
        search.claims.finish(but="best 1 beta_1=0.9")
        ask = asked(str(config.stores.optuna_journal))
        (summary,) = ask("/api/studies")["study_summaries"]
    assert summary["study_name"] == f"{config.experiment_name}/{config.labels[0]}"
    study = ask(f"/api/studies/{summary['study_id']}")
    for space in ("union_search_space", "intersection_search_space"):
        assert {each["name"] for each in study[space]} == {"learning_rate", "beta_1", "beta_2"}
    assert study["objective_names"] == [config.objective.metric]
    assert len(study["trials"]) == 6
    (first,) = study["best_trials"]
    shown = {each["name"]: each["param_internal_value"] for each in first["params"]}
    assert shown == {name: pytest.approx(best[name], abs=1e-11) for name in shown}
    found = ask(f"/api/studies/{summary['study_id']}/param_importances")["param_importances"]
    assert {each["name"] for each in found[0]} == {"learning_rate", "beta_1", "beta_2"}
