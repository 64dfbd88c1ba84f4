import shutil
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from study.config.schema import (
    Budget,
    Component,
    Objective,
    OptimizerConfig,
    Stores,
    StudyConfig,
    Task,
    TrackingConfig,
)
from study.core.search_space import Range
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.datasets import Dataset, Split
from study.tracking.study_tracker import open_study

MakeConfig = Callable[..., StudyConfig]


@pytest.fixture
def database(tmp_path, empty_store):
    path = tmp_path / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(empty_store, path)
    return path


@pytest.fixture
def make_config(tmp_path, database):
    def make(*, n_trials=3, optimizer="adam", uri=None, **changes):
        uri = uri or f"sqlite:///{database}"
        raw = {
            "dataset": {"name": "tiny", "path": None},
            "model": {"name": "mlp", "hidden": [8, 4], "batch_norm": False},
            "optimizer": {"name": optimizer, "beta_2": 0.5, "search": {"learning_rate": {"low": 1e-4, "high": 1.0}}},
            "budget": {"name": "small", "n_trials": n_trials, "n_epochs": 2, "n_confirmations": 2},
            "tracking_uri": uri,
        }
        ranges = {"learning_rate": Range(argument="learning_rate", low=1e-4, high=1.0, scale="log")}
        config = StudyConfig(
            dataset=Component(name="tiny", section={}),
            task=Task(loss={}, metrics=("accuracy",)),
            model=Component(name="mlp", section={}),
            optimizer=OptimizerConfig(name=optimizer, target="keras.optimizers.Adam", fixed={}, ranges=ranges),
            schedule=Component(name="constant", section={}),
            trainer=Component(name="fit", section={}),
            backend="jax",
            sampler=Component(name="random", section={}),
            pruner=Component(name="none", section={}),
            budget=Budget(n_trials=n_trials, n_epochs=2, n_steps=None, n_confirmations=2, time_limit_s=None),
            objective=Objective(metric="val_accuracy", direction="maximize", target=None, is_share=True),
            stores=Stores(tracking_uri=uri, artifacts=tmp_path / "artifacts", optuna_journal=tmp_path / "journal"),
            tracking=TrackingConfig(every_n_steps=None, system_metrics=False, log_model=False),
            experiment_name="tiny-mlp",
            study_name=None,
            labels=(optimizer,),
            study_seed=0,
            order_seed=0,
            split_seed=0,
            deterministic=True,
            live=False,
            raw=raw,
            folder=tmp_path,
        )
        return replace(config, **changes)

    return make


@pytest.fixture
def dataset():
    split = Split(x=np.zeros((5, 3), np.float32), y=np.zeros(5, np.int64))
    return Dataset(name="tiny", source="made up", train=split, validation=split, test=split, n_outputs=2)


@pytest.fixture
def open_tracker(dataset):
    def open_tracker(config):
        environment = {"keras": "3.15.0", "git_commit": "abc123"}
        return open_study(config, study_name=config.labels[0], dataset=dataset, environment=environment)

    return open_tracker


@pytest.fixture
def record():
    """Records one run from start to end, as a study does."""

    def record(
        tracker,
        kind,
        number,
        *,
        values=(0.5, 0.75),
        state="complete",
        objective=None,
        hyperparameters=None,
    ):
        trial = Trial(
            number=number,
            hyperparameters={"learning_rate": 0.1 * (number + 1), "amsgrad": False, **(hyperparameters or {})},
            run_seed=100 + number,
            order_seed=7,
            test=kind != "trial",
        )
        tracker.start(kind, trial)
        for epoch, value in enumerate(values):
            metrics = {"loss": 1.0 - value, "val_accuracy": value}
            tracker.epoch(kind, trial, EpochReport(epoch=epoch, step=10 * (epoch + 1), metrics=metrics))
        summary = {"seconds_train": 1.5, "n_steps": 20.0}
        if trial.test:
            summary |= {"test_loss": 0.4, "test_accuracy": 0.6 + 0.1 * number}
        error = "Traceback: it broke" if state == "failed" else None
        result = TrialResult(trial=trial, state=state, history={"val_accuracy": values}, summary=summary, error=error)
        tracker.end(kind, result, objective=values[-1] if objective is None else objective)
        return result

    return record
