import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from study.core.records import RunRecord, StudyRecord
from study.gallery import Material
from study.report.studies import gather

# `reshaping` is imported by tests, which are no packages.
sys.path.append(str(Path(__file__).parent))

PARAMS = {"study_seed": "0", "objective.metric": "val_accuracy", "objective.direction": "auto"}
SEARCH = {
    "optimizer.search.learning_rate.low": "0.0001",
    "optimizer.search.learning_rate.high": "1.0",
    "optimizer.search.learning_rate.scale": "log",
}


def run_of(study, config, number, score, *, rate, **changes):
    values = {
        "run_id": f"{study}-{config}-{number}",
        "role": "trial" if config is None else "confirmation",
        "config": config,
        "number": number,
        "state": "complete",
        "status": "FINISHED",
        "superseded": False,
        "params": {"learning_rate": str(rate), "run_seed": str(100 + number)},
        "metrics": {"objective": score, "test_accuracy": score},
        "started": 1e9,
        "ended": 1e9 + 2,
    }
    return RunRecord(**(values | changes))


def study_of(name, scores, *, fixed, rate):
    """A finished study: one trial, and confirmations with these test scores."""
    optimizer, kind = name.split("-")[0], "fixed" if fixed else "best"
    confirmations = [run_of(name, kind, number, score, rate=rate) for number, score in enumerate(scores)]
    return StudyRecord(
        run_id=f"{name}-study",
        experiment="some",
        name=name,
        optimizer=optimizer,
        dataset="digits",
        model="mlp",
        study_id=name,
        status="FINISHED",
        n_trials=1,
        tags={"n_confirmations": str(len(scores)), "keras": "3.15.1", "device": "cpu"},
        params={**PARAMS, "optimizer": optimizer, **({"optimizer.learning_rate": str(rate)} if fixed else SEARCH)},
        metrics={},
        trials=(run_of(name, None, 0, 0.9, rate=rate),),
        confirmations=tuple(confirmations),
        started=1e9,
        ended=1e9 + 60,
    )


def config_of(setting, **budget):
    return {
        "setting": setting,
        "budget": {"n_trials": 3, "n_epochs": 2, "n_confirmations": 4, **budget},
        "trainer": {"name": "vectorized", "backend": "jax", "batch_size": 32},
        "dataset": {"name": "digits"},
        "model": {"name": "mlp"},
        "tracking": {"every_n_steps": 5},
        "study_seed": 0,
    }


@pytest.fixture
def make_run():
    return run_of


@pytest.fixture
def make_material():
    """Material of studies given by name as scores; `-setting=shared` in a name makes it a fixed one."""

    def make(studies, **budget):
        records = [
            study_of(name, scores, fixed=name.endswith("shared"), rate=0.001 * (1 + index))
            for index, (name, scores) in enumerate(studies.items())
        ]
        rng = np.random.default_rng(3)

        def history(run, metric):
            n = 4 if metric.startswith("val") else 40
            return run.metrics["objective"] * (2 + rng.standard_normal(n) / 10) / np.sqrt(1 + np.arange(n))

        experiment = gather("some", records, digests={}, read_histories=lambda *_: {}, force=True)
        configs = {name: config_of(name.partition("setting=")[2], **budget) for name in studies}
        return Material(name="some", experiment=experiment, configs=configs, history=history)

    return make


@pytest.fixture
def eight(make_material):
    """Eight optimizers at a shared rate and tuned; the order of sgd and adam turns, beyond the noise of the seeds."""
    names = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam")
    rng = np.random.default_rng(0)
    luck = 0.002 * rng.standard_normal(6)
    shared = dict(zip(names, (0.70, 0.84, 0.843, 0.66, 0.85, 0.86, 0.845, 0.855), strict=True))
    tuned = dict(zip(names, (0.88, 0.87, 0.871, 0.86, 0.868, 0.865, 0.867, 0.866), strict=True))
    studies = {
        f"{name}-setting={setting}": list(scores[name] + luck + 0.0005 * rng.standard_normal(6))
        for name in names
        for setting, scores in (("shared", shared), ("tuned", tuned))
    }
    return make_material(studies)


@pytest.fixture
def make_grid():
    """Material of studies given as config and scores, and where it matters trials (rate, score) and untuned scores.

    The metric is `accuracy`, or another whose name says that it is minimized.
    """

    def make(studies, *, metric="accuracy"):
        records, configs = [], {}
        for index, given in enumerate(studies):
            config = config_of("") | given["config"]
            optimizer = config["optimizer"]["name"]
            made = study_of(f"{optimizer}-{index}", [0.0], fixed=given.get("fixed", False), rate=0.01)
            configs[made.name] = config
            records.append(_filled(made, given, metric))

        def history(run, name):
            return (
                run.metrics["objective"] * np.linspace(2, 1, 8) if name in ("loss", *_named(metric)) else np.empty(0)
            )

        experiment = gather("some", records, digests={}, read_histories=lambda *_: {}, force=True)
        return Material(name="some", experiment=experiment, configs=configs, history=history)

    return make


def _named(metric):
    return metric, f"val_{metric}", "step_loss"


def _filled(made, given, metric):
    """Give a study its scores under shared seeds: those of its confirmations, its trials and the untuned optimizer."""

    def run(config, number, score, rate):
        state = "complete" if np.isfinite(score) else "diverged"
        metrics = {"objective": score, f"test_{metric}": score}
        return run_of(made.name, config, number, score, rate=rate, state=state, metrics=metrics)

    fixed = given.get("fixed", False)
    trials = [run(None, n, score, rate) for n, (rate, score) in enumerate(given.get("trials", [(0.01, 0.5)]))]
    kind = "fixed" if fixed else "best"
    best = (max if metric == "accuracy" else min)(trials, key=lambda each: each.metrics["objective"])
    rate = float(best.params["learning_rate"])
    confirmed = [run(kind, n, score, rate) for n, score in enumerate(given["scores"])]
    untuned = [run("default", n, score, 0.001) for n, score in enumerate(given.get("untuned", ()))]
    return replace(
        made,
        params={**made.params, "objective.metric": f"val_{metric}"},
        n_trials=len(trials),
        trials=tuple(trials),
        confirmations=(*confirmed, *untuned),
    )
