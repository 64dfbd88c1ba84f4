"""Inspect the results of a study of the stub trainer, from outside."""

from types import MappingProxyType

import optuna
from mlflow.tracking import MlflowClient

from study.search.storage.journal import Journal
from study.search.stored_claims import is_of_claims
from study.tracking.read_studies import read_studies
from study.tracking.search_history import BEST_SO_FAR, OF_TRIAL
from tests.faults.victims import N_CONFIRMATIONS, N_EPOCHS, build_config, metrics_of

EXPECTED_STEPS = list(range(1, N_EPOCHS + 1))


def faults_of(folder, *, n_trials):
    """Return the faults of a finished study: extra or missing runs, missing, doubled or changed metrics."""
    config = build_config(folder, n_trials=n_trials)
    uri = config.stores.tracking_uri
    client = MlflowClient(uri, registry_uri=uri)
    (study,) = read_studies(uri, config.experiment_name)
    found = [f"the study is {study.status}"] if study.status != "FINISHED" else []
    if study.tags["progress"] != f"{n_trials}/{n_trials}":
        found.append(f"progress {study.tags['progress']}")
    due = {("trial", number) for number in range(n_trials)}
    due |= {(kind, number) for kind in ("best", "default") for number in range(N_CONFIRMATIONS)}
    runs = [*study.trials, *study.confirmations]
    if sorted((run.kind, run.number) for run in runs) != sorted(due):
        found.append(f"runs {sorted((run.kind, run.number) for run in runs)}")
    found += [f"{run.kind} {run.number} is {run.status}" for run in runs if run.status != "FINISHED"]
    for run in runs:
        found += [f"{run.kind} {run.number}: {fault}" for fault in _wrong_metrics(client, run)]
    found += [f"the study's {fault}" for fault in _study_metric_faults(client, study.run_id, n_trials)]
    return found + _optuna_faults(folder, n_trials)


def _study_metric_faults(client, run_id, n_trials):
    """Compare the course of the search, a value for each trial, and the summary, which is written again and again."""
    found = _doubles(client, run_id, {BEST_SO_FAR: "step", OF_TRIAL: "step"}, otherwise="timestamp")
    for name in (BEST_SO_FAR, OF_TRIAL):
        steps = sorted(metric.step for metric in client.get_metric_history(run_id, name))
        if steps != list(range(n_trials)):
            found.append(f"{name} has steps {steps}")
    n_complete = client.get_run(run_id).data.metrics["n_complete"]
    return found + ([f"n_complete is {n_complete:g}"] if n_complete != n_trials else [])


def _wrong_metrics(client, run):
    from study.core.trainer_interface import Trial

    seeds = {name: int(run.params[name]) for name in ("run_seed", "order_seed")}
    trial = Trial(number=run.number, hyperparameters={}, **seeds)
    found = _doubles(client, run.run_id)
    for name in ("loss", "val_accuracy"):
        history = sorted(client.get_metric_history(run.run_id, name), key=lambda metric: metric.step)
        expected = [metrics_of(trial, epoch)[name] for epoch in range(N_EPOCHS)]
        if [(m.step, m.value) for m in history] != list(zip(EXPECTED_STEPS, expected, strict=True)):
            found.append(f"{name} is {[(m.step, m.value) for m in history]}, not {expected}")
    found += [f"no {name}" for name in ("objective", "best_val_accuracy", "seconds_train") if name not in run.metrics]
    return found


def _doubles(client, run_id, keys=MappingProxyType({}), *, otherwise="step"):
    """Return the metrics of which two values share a key: their step or their timestamp."""
    found = []
    for name in client.get_run(run_id).data.metrics:
        key = keys.get(name, otherwise)
        places = [getattr(metric, key) for metric in client.get_metric_history(run_id, name)]
        if len(places) != len(set(places)):
            found.append(f"{name} stands twice: {key}s {places}")
    return found


def _optuna_faults(folder, n_trials):
    storage = optuna.storages.JournalStorage(Journal(folder / "mlruns" / "optuna.journal"))  # type: ignore[arg-type]
    (study,) = (study for study in storage.get_all_studies() if not is_of_claims(study.study_name))
    trials = storage.get_all_trials(study._study_id)
    numbers = sorted(t.user_attrs["trial_number"] for t in trials if t.state == optuna.trial.TrialState.COMPLETE)
    running = [t.number for t in trials if not t.state.is_finished()]
    wrong = [f"Optuna counts {numbers}"] if numbers != list(range(n_trials)) else []
    return wrong + ([f"Optuna has {running} running"] if running else [])
