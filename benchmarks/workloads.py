"""The workloads, the same for all contenders, and their numbers of multiplications and additions."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model, data and a number of epochs.

    Attributes:
        dataset: One of conf/dataset, or a function of benchmarks/data.py.
        model: One of conf/model.
        batch_size: Examples a step.
        n_epochs: Epochs a trial.
        n_trials: Trials of a study.
        n_slow: Trials of the two runs of a contender that trains one by one.
        n_slow_fit: The same for this project's `fit`, whose trials after the first cost less; None: as `n_slow`.
        n_confirmations: Confirmations of each of the two settings, which this project trains after the search.
        data: Arguments of the function of benchmarks/data.py.
        arguments: Arguments of the model.
        published: Whether it is measured by default, and has a table in docs/benchmarks.md.
    """

    dataset: str
    model: str
    batch_size: int
    n_epochs: int
    n_trials: Sequence[int] = ()
    n_slow: tuple[int, int] = (1, 3)
    n_slow_fit: tuple[int, int] | None = None
    n_confirmations: int = 5
    data: dict[str, int] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    published: bool = True


WORKLOADS = {
    "digits-mlp": Workload(
        dataset="digits",
        model="mlp",
        arguments={"hidden": [64, 64]},
        batch_size=32,
        n_epochs=10,
        n_trials=(256, 1024),
        n_slow=(2, 8),
        n_slow_fit=(8, 64),
    ),
    "fashion_mnist-mlp": Workload(
        dataset="fashion_mnist",
        model="mlp",
        arguments={"hidden": [300, 100]},
        batch_size=128,
        n_epochs=5,
        n_trials=(64,),
        n_slow_fit=(1, 9),
    ),
    "first_images-lstm": Workload(
        dataset="first_images",
        data={"n_train": 12_800, "n_validation": 1280},
        model="lstm",
        arguments={"units": 64},
        batch_size=128,
        n_epochs=2,
        n_trials=(16,),
        n_confirmations=1,
    ),
    "first_images-cnn_2c2d": Workload(
        dataset="first_images",
        data={"n_train": 512, "n_validation": 128},  # on a CPU a step of a vectorized convolution takes seconds
        model="cnn_2c2d",
        batch_size=128,
        n_epochs=1,
        n_trials=(4,),
        n_confirmations=1,
    ),
    "tiny": Workload(  # to try the benchmark itself
        dataset="digits",
        model="mlp",
        arguments={"hidden": [8]},
        batch_size=128,
        n_epochs=1,
        n_trials=(2,),
        n_slow=(1, 2),
        n_confirmations=1,
        published=False,
    ),
}


def overrides(workload: Workload) -> list[str]:
    """Return the arguments of `study run` for the workload."""
    words = [*_dataset(workload), f"model={workload.model}", f"trainer.batch_size={workload.batch_size}"]
    words += [f"model.{key}={json.dumps(value, separators=(',', ':'))}" for key, value in workload.arguments.items()]
    return [*words, f"budget.n_epochs={workload.n_epochs}", f"budget.n_confirmations={workload.n_confirmations}"]


def _dataset(workload: Workload) -> list[str]:
    # A `_target_` outside the project has to be allowed.
    return [f"dataset={workload.dataset}", *(["allow_targets=[benchmarks]"] if workload.data else [])]


def write_conf(workload: Workload, folder: Path) -> None:
    """Write the data set's YAML into a folder's own conf/, if it is one of benchmarks/data.py."""
    if not workload.data:
        return
    lines = [f"name: {workload.dataset}", f"_target_: benchmarks.data.{workload.dataset}"]
    lines += [f"{key}: {value}" for key, value in workload.data.items()]
    lines += ["split_seed: ${split_seed}", "task:", "  loss:"]
    lines += ["    _target_: keras.losses.SparseCategoricalCrossentropy", "    from_logits: true"]
    lines += ["  metrics: [accuracy]", "  objective: {metric: val_accuracy, direction: auto, target: null}"]
    path = folder / "conf" / "dataset" / f"{workload.dataset}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, f"  batch_size: {workload.batch_size}", ""]))


def load(workload: Workload) -> Any:
    """Load the data set with this project's splits; `write_conf` must have prepared the working directory."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config
    from study.pipeline.workload import load_dataset

    backend = os.environ["KERAS_BACKEND"]
    (job,) = compose_jobs(prepare([*overrides(workload), "trainer=fit", f"trainer.backend={backend}"]), multirun=False)
    return load_dataset(load_config(job.raw))


def build(workload: Workload, dataset: Any) -> Any:
    """Build the model, not compiled."""
    from study.config.instantiate import locate

    make = locate(f"study.models.{workload.model}.build")
    return make(dataset.input_shape, dataset.n_outputs, **workload.arguments)


def gigaflops(workload: Workload, dataset: Any = None) -> float:
    """Return the multiplications and additions of the matrix products of one trial's training and validation, in 1e9.

    A product with a matrix takes two for each weight and example, forward, and as many for each of its two gradients.
    The gradient of the data is not needed. So a net of dense layers takes six for each weight and example, but four in
    its first layer. Operations that are not products (activations, optimizer) are not counted.

    Args:
        workload: The workload.
        dataset: Its data set. Default: load it.
    """
    dataset = load(workload) if dataset is None else dataset
    costs = [_forward(layer) for layer in build(workload, dataset).layers if layer.weights]
    forward = sum(whole for whole, _ in filter(None, costs))
    training = 3 * forward - (costs[0][1] if costs[0] else 0)  # an embedding before the first product needs a gradient
    n_train, n_validation = len(dataset.train), len(dataset.validation)
    return float(workload.n_epochs * (n_train * training + n_validation * forward)) / 1e9


def _forward(layer: Any) -> tuple[int, int] | None:
    """Return the operations of a layer for one example, and those of them that multiply its input."""
    import keras

    if isinstance(layer, keras.layers.Dense):
        n = 2 * math.prod(layer.input.shape[1:]) * layer.units
        return n, n
    if isinstance(layer, keras.layers.Conv2D):
        n = 2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:3])
        return n, n
    if isinstance(layer, keras.layers.LSTM):
        steps, features = layer.input.shape[1:]
        gates = 2 * steps * 4 * layer.units
        return gates * (features + layer.units), gates * features
    return None
