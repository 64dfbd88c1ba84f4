"""The contenders: this project's trainers, a plain Optuna + Keras loop, and other tuners, each in its own process.

Keras Tuner needs the packages keras-tuner, kt-legacy and tensorboard. Ray Tune needs ray[tune]. They are not
dependencies of this project: a tuner that is not installed is left out, and the output names it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compiling import CompileClock
from benchmarks.machine import tell
from benchmarks.workloads import WORKLOADS, Workload, build, load, overrides, write_conf


def study(workload: Workload, n_trials: int, *words: str) -> None:
    """Run a whole study with this project, confirmations included, in this process."""
    from study.cli import command_line

    arguments = ["run", *overrides(workload), "optimizer=adam", f"budget.n_trials={n_trials}", "live=false", *words]
    sys.argv = ["study", *arguments]
    if status := command_line():
        raise SystemExit(status)


def vectorized(workload: Workload, n_trials: int, *words: str) -> dict[str, float]:
    """Run `trainer=vectorized`; report the start of its first compiled step, and the time of its programs.

    Args:
        workload: The data and the model.
        n_trials: Trials of the search.
        words: Further overrides.
    """
    from benchmarks.computing import ComputeClock
    from study.training.vectorized.compiler import Compiler

    clock = ComputeClock()
    study(workload, n_trials, "trainer=vectorized", *words)
    computed = {"compute": clock.seconds(), "compute_after_first_step": clock.seconds(since=clock.first_step_at)}
    return {"first_step_at": clock.first_step_at, "compile": Compiler.seconds, **computed}


def fit(workload: Workload, n_trials: int) -> dict[str, float]:
    """Run `trainer=fit`."""
    backend = os.environ["KERAS_BACKEND"]
    clock = CompileClock(backend)
    study(workload, n_trials, "trainer=fit", f"trainer.backend={backend}")
    return {"compile": clock.seconds}


def plain(workload: Workload, n_trials: int) -> dict[str, float]:
    """Run the loop of a tutorial: an Optuna study whose objective builds a model and calls `fit`."""
    import keras
    import optuna

    clock, dataset = CompileClock(os.environ["KERAS_BACKEND"]), load(workload)
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        keras.utils.clear_session()
        keras.utils.set_random_seed(trial.number)
        model = compiled(
            workload,
            dataset,
            learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
            beta_1=1 - trial.suggest_float("one_minus_beta_1", 0.01, 0.5, log=True),
            beta_2=1 - trial.suggest_float("one_minus_beta_2", 1e-5, 0.1, log=True),
        )
        return fitted(workload, dataset, model)

    storage = optuna.storages.RDBStorage("sqlite:///optuna.db")
    sampler = optuna.samplers.RandomSampler(seed=0)
    optuna.create_study(direction="maximize", sampler=sampler, storage=storage).optimize(objective, n_trials=n_trials)
    return {"compile": clock.seconds}


def keras_tuner(workload: Workload, n_trials: int) -> dict[str, float]:
    """Run Keras Tuner's random search."""
    import keras_tuner

    clock, dataset = CompileClock(os.environ["KERAS_BACKEND"]), load(workload)

    def hypermodel(drawn: Any) -> Any:
        return compiled(
            workload,
            dataset,
            learning_rate=drawn.Float("learning_rate", 1e-5, 1e-1, sampling="log"),
            beta_1=1 - drawn.Float("one_minus_beta_1", 0.01, 0.5, sampling="log"),
            beta_2=1 - drawn.Float("one_minus_beta_2", 1e-5, 0.1, sampling="log"),
        )

    tuner = keras_tuner.RandomSearch(hypermodel, objective="val_accuracy", max_trials=n_trials, directory="tuner")
    tuner.search(**training(workload, dataset))
    return {"compile": clock.seconds}


def ray_tune(workload: Workload, n_trials: int) -> dict[str, float]:
    """Run Ray Tune with its default number of workers; the arrays are passed to it once."""
    import ray
    from ray import tune

    held = ray.put(load(workload))

    def trainable(drawn: dict[str, float]) -> dict[str, float]:
        dataset = ray.get(held)
        return {"val_accuracy": fitted(workload, dataset, compiled(workload, dataset, **drawn))}

    space = {"learning_rate": tune.loguniform(1e-5, 1e-1), "beta_1": tune.uniform(0.5, 0.99)}
    space |= {"beta_2": tune.uniform(0.9, 0.99999)}
    run_config = tune.RunConfig(storage_path=str(Path.cwd() / "ray"), verbose=0)
    config = tune.TuneConfig(num_samples=n_trials)
    results = tune.Tuner(trainable, param_space=space, tune_config=config, run_config=run_config).fit()
    if results.num_errors:
        raise SystemExit(f"{results.num_errors} of Ray's trials failed: {results.errors[0]}")
    return {}


def compiled(workload: Workload, dataset: Any, **hyperparameters: float) -> Any:
    """Build the workload's model and compile it with Adam."""
    import keras

    model = build(workload, dataset)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(**hyperparameters), loss, metrics=["accuracy"])
    return model


def fitted(workload: Workload, dataset: Any, model: Any) -> float:
    """Train a model and return its last validation accuracy."""
    return float(model.fit(**training(workload, dataset)).history["val_accuracy"][-1])


def training(workload: Workload, dataset: Any) -> dict[str, Any]:
    """Return the arguments of `fit`."""
    return {
        "x": dataset.train.x,
        "y": dataset.train.y,
        "batch_size": workload.batch_size,
        "epochs": workload.n_epochs,
        "validation_data": (dataset.validation.x, dataset.validation.y),
        "verbose": 0,
    }


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A tuner: its function, its backend, and the packages that it needs."""

    run: Callable[[Workload, int], dict[str, float]]
    backend: str
    one_by_one: bool = True
    needs: tuple[str, ...] = ()


CONTENDERS = {
    "vectorized": Contender(run=vectorized, backend="jax", one_by_one=False),
    "fit-tensorflow": Contender(run=fit, backend="tensorflow"),
    "fit-jax": Contender(run=fit, backend="jax"),
    "plain-tensorflow": Contender(run=plain, backend="tensorflow"),
    "plain-jax": Contender(run=plain, backend="jax"),
    "keras-tuner-tensorflow": Contender(run=keras_tuner, backend="tensorflow", needs=("keras_tuner", "tensorboard")),
    "keras-tuner-jax": Contender(run=keras_tuner, backend="jax", needs=("keras_tuner", "tensorboard")),
    "ray-tune": Contender(run=ray_tune, backend="tensorflow", needs=("ray", "fsspec", "pyarrow")),
}


if __name__ == "__main__":
    name, chosen, n = sys.argv[1:]
    write_conf(WORKLOADS[chosen], Path.cwd())
    tell(**CONTENDERS[name].run(WORKLOADS[chosen], int(n)))
