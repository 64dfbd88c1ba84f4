"""Train the same trials on own data with `vectorized` and with `fit` on JAX, and print both; a process, for JAX."""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import dataclasses
import json
import sys
from pathlib import Path

from study.training.backend import select_backend

select_backend("jax")
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import keras
import numpy as np
from training_workload import LOSS, digits, make_config
from vectorized_cases import run, trial

from study.config.task import Task
from study.datasets import Split
from study.datasets.preparation.streams import open_stream
from study.pipeline.class_weights import with_class_weights
from study.training.fit.trainer import FitTrainer
from study.training.vectorized.trainer import VectorizedTrainer

FLIP = {"_target_": "keras.layers.RandomFlip", "mode": "horizontal"}
SHIFT = {"_target_": "keras.layers.RandomTranslation", "height_factor": 0.2, "width_factor": 0.2}
BINARY = {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True}


def changed(change):
    """Return the digits with each split changed."""
    whole = digits()
    return dataclasses.replace(
        whole, **{name: change(getattr(whole, name)) for name in ("train", "validation", "test")}
    )


def halves(split):
    """Return a split with the upper and the lower half of each picture as two inputs."""
    return Split(x={"upper": split.x[:, :4], "lower": split.x[:, 4:]}, y=split.y)


def two_targets(split):
    """Return a split with the digit and its parity as targets."""
    return Split(x=split.x, y={"digit": split.y, "is_odd": (split.y % 2).astype(np.float32).reshape(-1, 1)})


def two_outputs(input_shape, n_outputs):
    """Return a net of two outputs."""
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(16, "relu")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, {name: keras.layers.Dense(n, name=name)(hidden) for name, n in n_outputs.items()})


def weighted(split):
    """Return a split whose examples have weights."""
    return dataclasses.replace(split, sample_weight=np.linspace(0, 2, len(split), dtype=np.float32))


def streamed():
    """Return the digits as streams of 32 examples, in the order of a seed."""

    def stream(split, name):
        def batches(seed):
            order = np.random.default_rng(seed).permutation(len(split))
            return ((split.x[chosen], split.y[chosen]) for chosen in np.split(order, range(32, len(order), 32)))

        return open_stream(batches, name=name, deterministic=True)

    whole = digits()
    return dataclasses.replace(
        whole, **{name: stream(getattr(whole, name), name) for name in ("train", "validation", "test")}
    )


def cases():
    """Return the data set, the model, the task and the augmentation of each case."""
    one = Task(loss=LOSS, metrics=("accuracy",))
    tiny, both_inputs = "training_workload.tiny", "training_workload.two_inputs"
    several = Task(
        loss={"digit": LOSS, "is_odd": BINARY},
        metrics={"digit": ["accuracy"], "is_odd": []},
        loss_weights={"digit": 1.0, "is_odd": 0.5},
    )
    balanced = dataclasses.replace(one, class_weight="balanced")
    outputs = dataclasses.replace(changed(two_targets), n_outputs={"digit": 10, "is_odd": 1})
    return {
        "two inputs": (changed(halves), both_inputs, one, ()),
        "two outputs": (outputs, "fit_numbers_cases.two_outputs", several, ()),
        "sample weights": (changed(weighted), tiny, dataclasses.replace(one, weighted_metrics=("accuracy",)), ()),
        "class weights": (with_class_weights(balanced, digits()), tiny, balanced, ()),
        "augmentation": (digits(), tiny, one, (FLIP, SHIFT)),
        "no test split": (dataclasses.replace(digits(), test=digits().test.first(0)), tiny, one, ()),
    }


def answer(name):
    """Return the results of two trials and a confirmation by both trainers."""
    dataset, model, task, augment = cases()[name]
    made = make_config(model={"_target_": model})
    budget = dataclasses.replace(made.budget, n_trials=2, n_confirmations=2)
    optimizer = dataclasses.replace(made.optimizer, ranges={"any": None})
    config = dataclasses.replace(made, task=task, augment=augment, budget=budget, optimizer=optimizer)
    sizes = {"backend": "jax", "batch_size": 32, "eval_batch_size": 64, "precision": "float32"}
    trials = [trial(number, learning_rate=rate, test=True) for number, rate in enumerate((0.1, 0.3))]
    vectorized = VectorizedTrainer(config, dataset, capacity="auto", **sizes)
    fit = FitTrainer(config, dataset, jit_compile="auto", **sizes)
    return {"vectorized": run(vectorized, trials), "fit": run(fit, trials)}


def read_streams():
    """Return the result of a trial on streams by both trainers."""
    dataset = streamed()
    config = make_config(n_epochs=1)
    sizes = {"backend": "jax", "batch_size": 32, "eval_batch_size": 64, "precision": "float32"}
    trials = [trial(0, learning_rate=0.1, test=True)]
    vectorized = VectorizedTrainer(config, dataset, capacity="auto", **sizes)
    fit = FitTrainer(config, dataset, jit_compile="auto", **sizes)
    return [run(trainer, trials)[0] | {"weights": None} for trainer in (vectorized, fit)]


if __name__ == "__main__":
    sys.modules["fit_numbers_cases"] = sys.modules["__main__"]
    sys.stdout.write(json.dumps({name: answer(name) for name in cases()} | {"streams": read_streams()}))
