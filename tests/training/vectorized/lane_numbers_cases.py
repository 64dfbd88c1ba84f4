"""Train trials that differ in one number of the config side by side, alone, and with `fit` on JAX; a process, for JAX.

The program reads one JSON list a line, as `vectorized_cases.py` does: the name of a function and its arguments.
"""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import copy
import dataclasses
import sys
from functools import cache
from pathlib import Path

from study.core.garbage import collect_rarely
from study.training.backend import select_backend

collect_rarely()
select_backend("jax")
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import keras
import numpy as np
from serving import record, serve
from training_workload import digits

from study.cli.launch.compose import compose_jobs, prepare
from study.config.at_point import at
from study.config.parse import parse
from study.core.trainer_interface import Trial
from study.pipeline.workload import build_trainer

POINT = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999}


@cache
def composed(*words):
    (job,) = compose_jobs(
        prepare(["optimizer=adam", "trainer=vectorized", "model.hidden=[16]", "budget.n_epochs=2", *words]),
        multirun=False,
    )
    return job.raw


def config(words, search, *, model=None, task=None, augment=None, schedule=None):
    """Return the config of a study that searches keys, each in an interval or among choices."""
    raw = copy.deepcopy(dict(composed(*words)))
    raw["model"] = {"name": "own", **model} if model else raw["model"]
    raw["dataset"]["task"].update(task or {})
    raw["objective"] = raw["dataset"]["task"]["objective"]
    raw["dataset"]["augment"] = augment
    raw["schedule"] = {"name": "own", **schedule} if schedule else raw["schedule"]
    for key, of_key in search.items():
        node = raw.setdefault("search", {})
        for part in key.split("."):
            node = node.setdefault(part, {})
        node |= of_key
    return parse(raw, folder=Path.cwd(), allow=["numbered_models"])


def data(targets):
    """Return the digits with the targets that a loss needs."""
    whole = digits()

    def changed(split):
        if targets == "rows":
            return dataclasses.replace(split, y=keras.utils.to_categorical(split.y, 10))
        is_odd = (split.y % 2).astype(np.float32).reshape(-1, 1)
        return dataclasses.replace(split, y=is_odd if targets == "parity" else {"digit": split.y, "is_odd": is_odd})

    if targets == "digits":
        return whole
    splits = {name: changed(getattr(whole, name)) for name in ("train", "validation", "test")}
    n_outputs = {"rows": 10, "parity": 1, "two": {"digit": 10, "is_odd": 1}}[targets]
    return dataclasses.replace(whole, **splits, n_outputs=n_outputs)


def trained(made, points, trainer):
    trials = [
        Trial(number=i, hyperparameters=made.hyperparameters({**POINT, **p}), run_seed=7 + i, order_seed=0, test=True)
        for i, p in enumerate(points)
    ]
    results = trainer.train(trials, lambda *_: True)
    return [{**record(result, []), "messages": list(result.messages)} for result in results]


def numbers(words, points, more):
    """Train points with both trainers, and return the results and the number of programs."""
    return _numbers(words, points, **more)


def _numbers(words, points, *, alone=False, targets="digits", search=None, **parts):
    intervals = {key: {"low": 0.05, "high": 0.6} for key in points[0]} | (search or {})
    made = config(words, intervals, **parts)
    dataset = data(targets)
    together = build_trainer(made, dataset)
    found = {"together": trained(made, points, together), "programs": n_programs(together)}
    found["alone"] = trained(made, points[:1], build_trainer(made, dataset)) if alone else []
    section = {key: value for key, value in made.trainer.section.items() if key != "capacity"}
    section |= {"_target_": "study.training.fit.FitTrainer", "jit_compile": "auto"}
    by_fit = dataclasses.replace(made, trainer=dataclasses.replace(made.trainer, section=section))
    found["fit"] = trained(by_fit, points, build_trainer(by_fit, dataset))
    return found


def n_programs(trainer):
    return len(trainer._structures)


def joint(n_trials, search, words):
    """Return the number of programs that train the points of a whole search, and its config's number of structures."""
    from study.search.ask_tell import Search
    from study.search.claims import Claims
    from study.search.samplers import quiet
    from study.search.storage.scratch import ScratchStorage
    from study.search.study_names import find_or_create

    made = config([*words, f"budget.n_trials={n_trials}", "budget.n_epochs=1"], search)
    storage = ScratchStorage()
    with quiet():
        _, optuna_study, _ = find_or_create(made, storage.optuna)
    search_of = Search(made, optuna_study, storage, name="x", claims=Claims(storage, optuna_study.study_name))
    trainer = build_trainer(made, digits())
    trials = search_of.ask(n_trials)
    states = [result.state for result in trainer.train(trials, lambda *_: True)]
    return {"programs": n_programs(trainer), "structures": made.n_structures, "n": len(states), "states": states}


def point_config(key, value):
    """Return whether a study has the very config at its own values, and another one elsewhere."""
    made = config([], {key: {"low": 0.05, "high": 0.6}})
    return {"own": at(made, made.own_values) is made, "other": at(made, {key: value}) is made}


if __name__ == "__main__":
    serve({name: globals()[name] for name in ("numbers", "joint", "point_config")})
