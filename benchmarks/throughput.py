"""Trials per minute: this project's `vectorized` and `fit` beside a plain Optuna + Keras loop and other tuners.

Every contender runs in a fresh process and an empty folder, started as a user starts it, interleaved over the rounds.
The slow ones run fewer trials; their time for `--n-trials` is their start-up plus that many times their time for one
trial, both from two runs of different length. Contenders that are not installed are left out and named.

    python benchmarks/throughput.py                          # digits-mlp, 256 trials, about ten minutes on two cores
    python benchmarks/throughput.py --workload fashion_mnist-mlp --n-trials 64
    python benchmarks/throughput.py --contenders vectorized plain-jax --rounds 3
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is trained, the same for everybody."""

    dataset: str
    hidden: tuple[int, ...]
    batch_size: int
    n_epochs: int
    n_trials: int
    n_slow: tuple[int, int]  # trials of the two runs of a slow contender


WORKLOADS = {
    "digits-mlp": Workload(dataset="digits", hidden=(64, 64), batch_size=32, n_epochs=10, n_trials=256, n_slow=(2, 8)),
    "fashion_mnist-mlp": Workload(
        dataset="fashion_mnist", hidden=(300, 100), batch_size=128, n_epochs=5, n_trials=64, n_slow=(1, 3)
    ),
}


def study(workload: Workload, n_trials: int, *overrides: str) -> None:
    """Run a whole study with this project, confirmations included, in this process."""
    from study.cli import command_line

    hidden = ",".join(map(str, workload.hidden))
    arguments = ["run", f"dataset={workload.dataset}", "model=mlp", f"model.hidden=[{hidden}]", "optimizer=adam"]
    arguments += [f"budget.n_trials={n_trials}", f"budget.n_epochs={workload.n_epochs}", "live=false"]
    sys.argv = ["study", *arguments, f"trainer.batch_size={workload.batch_size}", *overrides]
    command_line()


def vectorized(workload: Workload, n_trials: int) -> None:
    """Run `trainer=vectorized`, noting when its first compiled step began and what its programs took."""
    from study.training import vectorized_batch

    began: list[float] = []
    seconds = {"compute": 0.0, "compile": 0.0}
    train, start = vectorized_batch.Batch.train, vectorized_batch.Batch._train_epochs

    def note(batch: Any, on_epoch: Any) -> Any:
        began.append(time.perf_counter())
        return start(batch, on_epoch)

    def account(batch: Any, on_epoch: Any) -> Any:
        results = train(batch, on_epoch)
        for result in results:
            seconds["compute"] += result.summary["seconds_train"] + result.summary["seconds_evaluate"]
            seconds["compile"] += result.summary["seconds_compile"]
        return results

    vectorized_batch.Batch._train_epochs = note  # type: ignore[method-assign]
    vectorized_batch.Batch.train = account  # type: ignore[method-assign]
    study(workload, n_trials, "trainer=vectorized")
    print(json.dumps({"after_first_step": time.perf_counter() - began[0], **seconds}))


def plain(workload: Workload, n_trials: int) -> None:
    """Do what a tutorial does: an Optuna study whose objective builds a model and calls `fit`."""
    import keras
    import optuna

    train, validation = arrays(workload)
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: optuna.Trial) -> float:
        keras.utils.clear_session()
        keras.utils.set_random_seed(trial.number)
        model = build(
            workload,
            learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
            beta_1=1 - trial.suggest_float("one_minus_beta_1", 0.01, 0.5, log=True),
            beta_2=1 - trial.suggest_float("one_minus_beta_2", 1e-5, 0.1, log=True),
        )
        history = model.fit(
            *train, batch_size=workload.batch_size, epochs=workload.n_epochs, validation_data=validation, verbose=0
        )
        return float(history.history["val_accuracy"][-1])

    storage = optuna.storages.RDBStorage("sqlite:///optuna.db")
    sampler = optuna.samplers.RandomSampler(seed=0)
    optuna.create_study(direction="maximize", sampler=sampler, storage=storage).optimize(objective, n_trials=n_trials)


def keras_tuner(workload: Workload, n_trials: int) -> None:
    """Run Keras Tuner's random search."""
    import keras_tuner

    train, validation = arrays(workload)

    def hypermodel(drawn: Any) -> Any:
        return build(
            workload,
            learning_rate=drawn.Float("learning_rate", 1e-5, 1e-1, sampling="log"),
            beta_1=1 - drawn.Float("one_minus_beta_1", 0.01, 0.5, sampling="log"),
            beta_2=1 - drawn.Float("one_minus_beta_2", 1e-5, 0.1, sampling="log"),
        )

    tuner = keras_tuner.RandomSearch(hypermodel, objective="val_accuracy", max_trials=n_trials, directory="tuner")
    tuner.search(
        *train, batch_size=workload.batch_size, epochs=workload.n_epochs, validation_data=validation, verbose=0
    )


def ray_tune(workload: Workload, n_trials: int) -> None:
    """Run Ray Tune with as many workers as it takes by itself."""
    from ray import tune

    def trainable(drawn: dict[str, float]) -> dict[str, float]:
        train, validation = arrays(workload)
        model = build(workload, **drawn)
        history = model.fit(
            *train, batch_size=workload.batch_size, epochs=workload.n_epochs, validation_data=validation, verbose=0
        )
        return {"val_accuracy": float(history.history["val_accuracy"][-1])}

    space = {"learning_rate": tune.loguniform(1e-5, 1e-1), "beta_1": tune.uniform(0.5, 0.99)}
    space |= {"beta_2": tune.uniform(0.9, 0.99999)}
    tune.Tuner(trainable, param_space=space, tune_config=tune.TuneConfig(num_samples=n_trials)).fit()


def build(workload: Workload, **hyperparameters: float) -> Any:
    """Build and compile the net of the workload with Adam."""
    import keras

    layers = [keras.layers.Flatten(), *(keras.layers.Dense(units, activation="relu") for units in workload.hidden)]
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(**hyperparameters), loss, metrics=["accuracy"])
    return model


def arrays(workload: Workload) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return the training and validation splits that this project takes as well."""
    from study.cli.compose import compose_jobs
    from study.run import load_config, load_dataset

    (job,) = compose_jobs([f"dataset={workload.dataset}"], multirun=False)
    dataset = load_dataset(
        load_config({**job.raw, "trainer": {**job.raw["trainer"], "backend": os.environ["KERAS_BACKEND"]}})
    )
    return (dataset.train.x, dataset.train.y), (dataset.validation.x, dataset.validation.y)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Somebody who tunes: what runs, on which backend, and what it needs."""

    run: Callable[[Workload, int], None]
    backend: str
    is_slow: bool = True
    needs: str = "keras"


CONTENDERS = {
    "vectorized": Contender(run=vectorized, backend="jax", is_slow=False),
    "fit-tensorflow": Contender(run=lambda w, n: study(w, n, "trainer.backend=tensorflow"), backend="tensorflow"),
    "fit-jax": Contender(run=lambda w, n: study(w, n, "trainer.backend=jax"), backend="jax"),
    "plain-tensorflow": Contender(run=plain, backend="tensorflow"),
    "plain-jax": Contender(run=plain, backend="jax"),
    "keras-tuner-tensorflow": Contender(run=keras_tuner, backend="tensorflow", needs="keras_tuner"),
    "keras-tuner-jax": Contender(run=keras_tuner, backend="jax", needs="keras_tuner"),
    "ray-tune": Contender(run=ray_tune, backend="tensorflow", needs="ray"),
}


def timed(name: str, workload: str, n_trials: int, cache: Path) -> tuple[float, dict[str, float]]:
    """Run a contender in a fresh process and return its seconds of wall time, and what else it told."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": CONTENDERS[name].backend,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
    }
    if not name.startswith("vectorized"):  # nobody else keeps compiled programs unless told to
        del environment["JAX_COMPILATION_CACHE_DIR"]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", name, "--workload", workload, "--n-trials", str(n_trials)]
        began = time.perf_counter()
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
    if ended.returncode != 0:
        raise SystemExit(f"{name} failed:\n{ended.stderr[-3000:]}")
    told = [line for line in ended.stdout.splitlines() if line.startswith('{"after_first_step"')]
    return seconds, json.loads(told[-1]) if told else {}


def compare(options: argparse.Namespace) -> None:
    """Run everybody and print the table."""
    workload = WORKLOADS[options.workload]
    n_trials = options.n_trials or workload.n_trials
    chosen = [name for name in options.contenders if importlib.util.find_spec(CONTENDERS[name].needs) is not None]
    missing = [name for name in options.contenders if name not in chosen]
    machine = platform.processor() or platform.machine()
    print(f"{options.workload}: {n_trials} trials on {machine}, {os.cpu_count()} cores")
    print(f"load before: {os.getloadavg()[0]:.1f}; not installed: {', '.join(missing) or 'none'}", flush=True)
    whole: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(options.rounds):
            for name in chosen:
                whole[name] += measure(name, options.workload, workload, n_trials, Path(cache))
    best = min(statistics.median(seconds) for seconds in whole.values())
    print(f"\n{'contender':<24}{'seconds':>10}{'trials/min':>12}{'times slower':>14}")
    for name, seconds in whole.items():
        middle = statistics.median(seconds)
        print(f"{name:<24}{middle:>10.1f}{60 * n_trials / middle:>12.1f}{middle / best:>14.1f}")


def measure(name: str, workload_name: str, workload: Workload, n_trials: int, cache: Path) -> list[float]:
    """Return the seconds for all trials: measured, or of a slow contender from two shorter runs."""
    if CONTENDERS[name].is_slow:
        few, more = workload.n_slow
        first, second = (timed(name, workload_name, n, cache)[0] for n in (few, more))
        one = (second - first) / (more - few)
        print(
            f"  {name}: {few} trials {first:.1f} s, {more} trials {second:.1f} s, so {one:.2f} s a trial", flush=True
        )
        return [first + one * (n_trials - few)]
    taken = []
    for start in ("nothing compiled yet", "compiled programs kept"):
        seconds, told = timed(name, workload_name, n_trials, cache)
        ratio = told["after_first_step"] / told["compute"]
        print(
            f"  {name}, {start}: {seconds:.1f} s, compiling {told['compile']:.1f} s, "
            f"computing {told['compute']:.1f} s; from the first step on {told['after_first_step']:.1f} s, "
            f"{ratio:.2f} times the computing",
            flush=True,
        )
        taken.append(seconds)
    return taken[:1]  # the table takes the first start of all


def main() -> None:
    """Compare, or run one contender as a child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="digits-mlp")
    parser.add_argument("--n-trials", type=int, help="instead of the workload's own number")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        CONTENDERS[options.child].run(WORKLOADS[options.workload], options.n_trials)
    else:
        compare(options)


if __name__ == "__main__":
    main()
