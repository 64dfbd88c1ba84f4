"""Print how long a trial of `trainer=fit` takes on a user's `tf.data` pipeline, beside the user's own `model.fit`.

    python -m benchmarks.own_data [--examples 20000] [--epochs 3] [--width 64] [--repeats 9]

Both train the model of tests/projects/tf_data on the pipeline of that folder, on TensorFlow, in one process, in turn.
The first training of each traces its step; its time is shown apart. The user's own `fit` compiles a model once and
goes on with it, which is the quickest way to train again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.machine import ROOT, describe

_PROJECT = ROOT / "tests" / "projects" / "tf_data"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit status.

    Args:
        arguments: The arguments of the command. Default: those of this process.
    """
    options = _options(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.append(str(_PROJECT))
    os.chdir(_PROJECT)
    with tempfile.TemporaryDirectory() as stores:
        ours, theirs = _trainings(options, Path(stores))
        seconds: dict[str, list[float]] = {"study": [], "own fit": []}
        for _ in range(options.repeats + 1):
            for name, train in (("study", ours), ("own fit", theirs)):
                began = time.perf_counter()
                train()
                seconds[name].append(time.perf_counter() - began)
    later = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    print(describe())
    for name, each in seconds.items():
        spread = f"{min(each[1:]):.3f} to {max(each[1:]):.3f}"
        print(
            f"{name:8} first {each[0]:.2f} s, later {later[name]:.3f} s in the median of {options.repeats} ({spread})"
        )
    print(f"a later trial takes {later['study'] / later['own fit']:.2f} times as long as the user's own fit")
    return 0


def _trainings(options: argparse.Namespace, stores: Path) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return a function that trains a trial of a study, and one that trains as a user would."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.core.trainer_interface import Trial
    from study.pipeline.preflight import load_config
    from study.pipeline.workload import build_trainer, load_dataset

    words = (
        *("dataset=tf_data", f"++dataset.n={options.examples}", "model=net", f"++model.width={options.width}"),
        *("trainer=fit", "trainer.backend=tensorflow", "optimizer=adam", f"budget.n_epochs={options.epochs}"),
        *(f"tracking_uri=sqlite:///{stores}/mlflow.db", f"storage.optuna_journal={stores}/journal.log"),
    )
    (job,) = compose_jobs(prepare(words), multirun=False)
    config = load_config(job.raw, folder=_PROJECT)
    dataset = load_dataset(config)
    trainer = build_trainer(config, dataset)
    trial = Trial(number=0, hyperparameters={"learning_rate": 1e-3}, run_seed=1, order_seed=0)

    import keras
    import pipeline  # of the project

    model = trainer.build_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    train, validation = pipeline.pipeline(options.examples, 0, shuffle=True), pipeline.pipeline(200, 1)

    def ours() -> None:
        (result,) = trainer.train([trial], lambda *_: True)
        if result.state != "complete":
            raise SystemExit(f"the trial ended as {result.state}: {result.error}")

    return ours, lambda: model.fit(train, validation_data=validation, epochs=options.epochs, verbose=0)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=20_000, help="training examples, in batches of 32")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of a training")
    parser.add_argument("--width", type=int, default=64, help="units of the model's hidden layer")
    parser.add_argument("--repeats", type=int, default=9, help="trainings of each, after the first")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
