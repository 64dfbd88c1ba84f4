from dataclasses import replace

import numpy as np
import pytest

from study.core.records import RunRecord, StudyRecord
from study.report.studies import gather
from study.statistics.looks import looks_text, plan_looks

PLAN_OF_20 = plan_looks(20, sequential=True)
PARAMS = {
    "study_seed": "0",
    "order_seed": "0",
    "split_seed": "0",
    "objective.metric": "val_accuracy",
    "objective.direction": "auto",
    "objective.target": "0.7",
    "dataset.name": "tiny",
    "model.name": "mlp",
    "model.hidden": "[8]",
    "sampler.name": "random",
    "pruner.name": "none",
    "budget.n_epochs": "4",
}
SEARCHED = {
    "optimizer.search.learning_rate.low": "0.0001",
    "optimizer.search.learning_rate.high": "1.0",
    "optimizer.search.learning_rate.scale": "log",
    "optimizer.search.beta_1.low": "0.5",
    "optimizer.search.beta_1.high": "0.99",
    "optimizer.search.beta_1.scale": "one_minus_log",
}


def run_of(
    study,
    role,
    number,
    score,
    *,
    config=None,
    test=None,
    **changes,
):
    metrics = {"objective": score, "val_accuracy": score, "seconds_train": 2.0, "n_steps": 40.0}
    if test is not None:
        metrics["test_accuracy"] = test
    rng = np.random.default_rng(number)
    made = RunRecord(
        run_id=f"{study}-{config or role}-{number}",
        role="trial" if role == "trial" else "confirmation",
        config=config,
        number=number,
        state="complete",
        status="FINISHED",
        superseded=False,
        params={
            "optimizer": study,
            "learning_rate": str(10 ** rng.uniform(-4, 0)),
            "beta_1": str(1 - 10 ** rng.uniform(-2, -0.31)),
            "trial_number": str(number),
            "run_seed": str(100 + number),
            "order_seed": str(number),
        },
        metrics=metrics,
        started=1e9 + number,
        ended=1e9 + number + 2,
    )
    return replace(made, **changes)


def study_of(
    name,
    tests,
    *,
    trials=(0.5, 0.6, 0.8, 0.4, 0.7, 0.3),
    validation=0.8,
    untuned=(),
    params=None,
    **changes,
):
    """A finished study: its trials' scores, and the test scores of its confirmations under shared seeds."""
    runs = tuple(run_of(name, "trial", number, score) for number, score in enumerate(trials))
    best = runs[int(np.argmax(trials))]
    confirmations = [
        run_of(name, "confirmation", number, validation, config="best", test=test) for number, test in enumerate(tests)
    ]
    confirmed = tuple(
        replace(
            run, params={**run.params, "learning_rate": best.params["learning_rate"], "beta_1": best.params["beta_1"]}
        )
        for run in confirmations
    )
    defaults = (run_of(name, "confirmation", n, 0.5, config="default", test=test) for n, test in enumerate(untuned))
    made = StudyRecord(
        run_id=f"{name}-study",
        experiment="tiny-mlp",
        name=name,
        optimizer=name.split("-")[0],
        dataset="tiny",
        model="mlp",
        study_id=name,
        status="FINISHED",
        n_trials=len(trials),
        tags={"n_confirmations": str(len(tests)), "keras": "3.15.1", "git_commit": "abcdef0123456"},
        params={**PARAMS, **SEARCHED, "optimizer": name.split("-")[0], **(params or {})},
        metrics={},
        trials=runs,
        confirmations=(*confirmed, *defaults),
        started=1e9,
        ended=1e9 + 100,
    )
    return replace(made, **changes)


def no_histories(run_ids, metrics):
    steps = np.arange(1, 5)
    rising = {metric: (steps, np.array([0.4, 0.6, 0.72, 0.8])) for metric in metrics}
    return {run_id: rising for run_id in run_ids}


@pytest.fixture
def make_study():
    return study_of


@pytest.fixture
def make_run():
    return run_of


@pytest.fixture
def make_experiment():
    def make(*studies, force=False, digests=None):
        known = {study.run_id: "digest" for study in studies} | dict(digests or {})
        return gather("tiny-mlp", studies, digests=known, read_histories=no_histories, force=force)

    return make


@pytest.fixture
def planted(make_study, make_experiment):
    """Two equal optimizers and a third that is better by exactly two points on average."""
    rng = np.random.default_rng(5)
    base = 0.80 + 0.004 * rng.standard_normal(10)
    noise = 0.003 * rng.standard_normal((3, 10))
    noise -= noise.mean(axis=1, keepdims=True)
    return make_experiment(
        make_study("adam", base + 0.02 + noise[0], validation=0.83, untuned=base - 0.05),
        make_study("momentum", base + noise[1], validation=0.811, untuned=base - 0.01),
        make_study("sgd", base + noise[2], validation=0.81, untuned=base - 0.1),
    )


@pytest.fixture
def as_fixed():
    """Turn a study into that of a fixed configuration: it searches nothing, and has no untuned confirmations."""

    def fixed(study):
        params = {key: value for key, value in study.params.items() if not key.startswith("optimizer.search")}
        runs = tuple(replace(run, config="fixed") for run in study.confirmations if run.config == "best")
        return replace(study, params=params, confirmations=runs)

    return fixed


@pytest.fixture
def in_looks(make_study):
    """Make a study under a plan: its level and number of confirmations, with the noise of its seeds."""

    def make(name, level, n_seeds, *, noise=0.002, validation=0.8, plan=PLAN_OF_20, seed=0, **changes):
        luck = 0.01 * np.random.default_rng(7 + seed).standard_normal(40)
        own = noise * np.random.default_rng(sum(map(ord, name))).standard_normal(40)
        tests = (level + luck + own)[:n_seeds]
        made = make_study(name, list(tests), validation=validation, **changes)
        sequential = "sequential" if len(plan) > 1 else "fixed"
        tags = {"looks": looks_text(plan), "confirm": sequential, "n_confirmations": str(plan[-1].n_seeds)}
        return replace(made, tags={**made.tags, **tags})

    return make
