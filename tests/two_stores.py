"""A study in both stores, the search and MLflow, without a training."""

import contextlib
import dataclasses
import math
import shutil

import numpy as np

from study.core.database_address import sqlite_address
from study.core.trainer_interface import Trial, TrialResult
from study.datasets import Dataset, Split
from study.pipeline.reconcile import reconcile
from study.search.ask_tell import open_search
from study.tracking.connection import connect
from study.tracking.study_tracker import open_study

STATES = ("complete", "diverged", "pruned", "failed")
OBJECTIVES = {"complete": 0.5, "diverged": 0.0, "pruned": 0.25, "failed": math.nan}
SPLIT = Split(x=np.zeros((5, 3), np.float32), y=np.zeros(5, np.int64))
DATASET = Dataset(name="tiny", source="made up", train=SPLIT, validation=SPLIT, test=SPLIT, n_outputs=2)


@contextlib.contextmanager
def opened(config, told=None):
    """Open both stores of a study as `study run` does; the lines for the user are added to a list."""
    with contextlib.ExitStack() as stores:
        search = stores.enter_context(open_search(config))
        with search.alone():
            known = search.record()
            tracker = stores.enter_context(
                open_study(config, study_name=search.name, dataset=DATASET, environment={}, search=known)
            )
            found = reconcile(config, search, tracker, known=known)
        if told is not None:
            told += found
        yield search, tracker


def _recorded(tracker, kind, trial, state):
    error = "Traceback: it broke" if state == "failed" else None
    result = TrialResult(trial=trial, state=state, history={"val_accuracy": (0.5,)}, summary={}, error=error)
    tracker.start(kind, trial)
    tracker.end(kind, result, objective=OBJECTIVES[state])
    return result


def copy_of(study, folder):
    """Copy the stores of a study, which takes less time than to write them, and return its config there."""
    shutil.copytree(study.folder / "mlruns", folder / "mlruns")
    stores = dataclasses.replace(
        study.stores,
        tracking_uri=sqlite_address(folder / "mlruns" / "mlflow.db"),
        artifacts=folder / "mlruns" / "artifacts",
        optuna_journal=folder / "mlruns" / "optuna.journal",
    )
    connect(stores.tracking_uri, create=False)  # gives the artifacts their new place
    return dataclasses.replace(study, stores=stores, folder=folder)


def begin_study(config):
    """Write a study with four trials, one of each state, and a confirmation."""
    with opened(config) as (search, tracker):
        for trial, state in zip(search.ask(4), STATES, strict=True):
            search.tell(_recorded(tracker, "trial", trial, state), objective=OBJECTIVES[state])
        tracker.flush()
        confirmation = Trial(number=0, hyperparameters={"learning_rate": 0.1}, run_seed=1, order_seed=2, test=True)
        _recorded(tracker, "best", confirmation, "complete")
