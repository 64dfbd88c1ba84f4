"""Train on data of one's own with `vectorized`, held by the device and in pieces; a process, for JAX.

Several inputs, sample weights, augmentation, streams, and arrays on disk that do not fit.
"""

import contextlib
import dataclasses
import gc
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).parent))

import numpy as np
import vectorized_cases as cases
from training_workload import digits, make_config

from study.core.errors import StudyError
from study.core.trees import mapped
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import open_stream
from study.training.fit.trainer import FitTrainer
from study.training.vectorized import held_data
from study.training.vectorized import trainer as vectorized_trainer
from study.training.vectorized.pieces import PiecedSplit
from study.training.vectorized.trainer import VectorizedTrainer

ordered_by_lane = PiecedSplit.ordered_by_lane
NAMES = ("train", "validation", "test")
TWO_INPUTS = {"_target_": "training_workload.two_inputs"}
FLIP = {"_target_": "keras.layers.RandomFlip", "mode": "horizontal"}
ADAM = {"optimizer": cases.ADAM}


class Rows:
    """A `LazyArray`: it gives what it is asked for, and is no array of NumPy."""

    def __init__(self, values):
        self._values = values
        self.shape, self.dtype = values.shape, values.dtype

    def __len__(self):
        return len(self._values)

    def __getitem__(self, chosen):
        assert isinstance(chosen, slice | np.ndarray)
        return self._values[chosen].copy()


def changed(change, dataset=None):
    """Return a data set with all splits changed."""
    found = dataset or digits()
    return dataclasses.replace(found, **{name: change(getattr(found, name)) for name in NAMES})


def halved(split):
    """Return a split with two inputs and with sample weights."""
    weight = np.linspace(0, 2, len(split), dtype=np.float32)
    return Split(x={"upper": split.x[:, :4], "lower": split.x[:, 4:]}, y=split.y, sample_weight=weight)


def on_disk(dataset):
    """Return a data set whose arrays NumPy maps from files, which have no names any more."""
    with tempfile.TemporaryDirectory() as folder:

        def map_file(array):
            path = Path(folder) / "array.npy"
            np.save(path, array)
            mapping = np.load(path, mmap_mode="r")
            path.unlink()
            return mapping

        def mapped_from_files(split):
            return Split(**dict(zip(("x", "y", "sample_weight"), mapped(map_file, split.parts), strict=False)))

        return changed(mapped_from_files, dataset)


def without_test(dataset):
    """Return a data set without a test split."""
    return dataclasses.replace(dataset, test=dataset.test.first(0))


def all_but_test(dataset):
    """Return a data set on disk without a test split, since no file of nothing can be mapped."""
    return without_test(on_disk(dataclasses.replace(dataset, test=dataset.validation)))


def lazy(dataset):
    """Return a data set of arrays that are read when they are asked for."""

    def wrapped(split):
        return Split(**dict(zip(("x", "y", "sample_weight"), mapped(Rows, split.parts), strict=False)))

    return changed(wrapped, dataset)


@contextlib.contextmanager
def little_memory(*, piece_bytes):
    """Let no array on disk fit into the memory, and pieces have a few batches."""
    with (
        mock.patch.object(held_data, "room", return_value=1.0),
        mock.patch.object(vectorized_trainer, "piece_bytes", return_value=piece_bytes),
    ):
        yield


def in_pieces_and_held(trials, *, stored=on_disk, dataset=None, stop=None, piece_bytes=20_000, **config):
    """Return the results in pieces and held, and the number of examples of each compiled piece."""
    dataset = dataset or digits()
    with little_memory(piece_bytes=piece_bytes):
        trainer = cases.vectorized(n_trials=len(trials), dataset=stored(dataset), **config)
    found = {"in pieces": cases.run(trainer, trials, stop)}
    keys = [key for program in trainer._batches._programs.values() for key in program.compiler._ready]
    found["sizes"] = sorted({key[1] for key in keys if key[0] == "train piece"})
    held = cases.vectorized(n_trials=len(trials), dataset=dataset, **config)
    return found | {"held": cases.run(held, trials, stop)}


def pieces(name):
    """Train in pieces and held: one setting."""
    search = [cases.trial(i, learning_rate=0.003 * (i + 1)) for i in range(3)]
    own = [cases.trial(i, order_seed=i, test=True, learning_rate=0.003) for i in range(3)]
    averaged = [cases.trial(i, learning_rate=0.003, use_ema=True, ema_momentum=0.9) for i in range(2)]
    settings = {
        "search": (search, {"model": cases.MASKED, "every_n_steps": 3}),
        "confirmations": (own, {"model": cases.MASKED}),
        "confirmations, pruned": (own, {"model": cases.MASKED, "stop": {1: 0}}),
        "recurrent": (search, {"model": cases.RECURRENT}),
        "a batch a piece": (search, {"model": cases.MASKED, "piece_bytes": 1}),
        "one piece": (search, {"model": cases.MASKED, "piece_bytes": 1 << 30}),
        "cut and evaluated": (averaged, {"n_epochs": None, "n_steps": 10, "train_metrics": "evaluated"}),
        "dropout, batch norm, l2": (search, {"model": cases.DROPOUT}),
        "lazy": (search, {"model": cases.MASKED, "stored": lazy}),
        "two inputs": (search, {"model": TWO_INPUTS, "dataset": changed(halved)}),
        "stored order": (search, {"model": cases.MASKED, "shuffle": False}),
        "no test split": (own, {"model": cases.MASKED, "dataset": without_test(digits()), "stored": all_but_test}),
    }
    trials, config = settings[name]
    return in_pieces_and_held(trials, **ADAM, **config)


def together(name):
    """Train in pieces and held with all lanes stepping together."""
    with cases.abreast_as_on_a_gpu():
        return pieces(name)


def as_in_fit(name):
    """Train with `vectorized` and with `fit`: one kind of data."""
    trials = [cases.trial(i, test=True, learning_rate=0.003 * (i + 1)) for i in range(2)]
    settings = {
        "two inputs and weights": {"model": TWO_INPUTS, "dataset": changed(halved)},
        "augmentation": {"augment": (FLIP,)},
    }
    config = {**ADAM, **cases.WHOLE, **settings[name]}
    augment, dataset = config.pop("augment", ()), config.pop("dataset", digits())
    ours = cases.run(cases.vectorized(dataset=dataset, augment=augment, **config), trials)
    sizes = {name: config.pop(name) for name in cases.WHOLE}
    made = dataclasses.replace(make_config(**config), augment=augment)
    fit = FitTrainer(made, dataset, backend="jax", precision="float32", jit_compile="auto", **sizes)
    return {"vectorized": ours, "fit": cases.run(fit, trials)}


def stream_of(split, name):
    """Return the stream of a split's batches."""

    def batches():
        return ((split.x[i : i + 40], split.y[i : i + 40]) for i in range(0, len(split), 40))

    return open_stream(batches, name=name, deterministic=True)


def streams():
    """Train on a stream that is read once, and on its examples; and make a trainer of a stream that is too large."""
    found, trials = digits(), [cases.trial(0, learning_rate=0.1)]
    # A pass in the order of the seed 0 may have another order than the examples have.
    streamed = dataclasses.replace(found, **{name: stream_of(getattr(found, name), name) for name in NAMES})
    split = {name: getattr(streamed, name).as_split() for name in NAMES}
    read = dataclasses.replace(found, **split)
    answer = {
        "read once": cases.run(cases.vectorized(dataset=streamed), trials),
        "arrays": cases.run(cases.vectorized(dataset=read), trials),
        "same examples": sorted(map(bytes, split["train"].x)) == sorted(map(bytes, found.train.x)),
    }
    try:
        with little_memory(piece_bytes=1):
            cases.vectorized(dataset=streamed)
    except StudyError as error:
        return answer | {"refusal": str(error)}
    return answer


def resumed():
    """Train in pieces, and again from the checkpoint of a training that ended early; count the epochs reported."""
    trials = [cases.trial(i, order_seed=i, learning_rate=0.003) for i in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        made = make_config(optimizer=cases.ADAM, model=cases.MASKED, n_epochs=4)
        stores = dataclasses.replace(made.stores, artifacts=Path(folder) / "artifacts")
        made = dataclasses.replace(made, stores=stores, budget=dataclasses.replace(made.budget, n_trials=2))

        def trainer(every):
            sizes = {"batch_size": 32, "eval_batch_size": 64, "precision": "float32", "capacity": "auto"}
            with little_memory(piece_bytes=20_000):
                return VectorizedTrainer(
                    made, on_disk(digits()), backend="jax", checkpoint_every_n_epochs=every, **sizes
                )

        def end_early(one, report):
            if (one.number, report.epoch) == (1, 2):
                raise KeyError("ended early")
            return True

        found = {"undisturbed": cases.run(trainer(None), trials)}
        with contextlib.suppress(KeyError):
            trainer(2).train(trials, end_early)
        found["n_checkpoints"] = sum(path.is_file() for path in (Path(folder) / "checkpoints").rglob("*"))
        with mock.patch.object(PiecedSplit, "ordered_by_lane", autospec=True, side_effect=ordered_by_lane) as read:
            found["resumed"] = cases.run(trainer(2), trials)
        return found | {"n_epochs_read": read.call_count}


def peak_memory():
    """Train an epoch on 4 GB on disk; return the largest anonymous memory of this process, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.npy"
        x = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(250_000, 64, 64, 1))
        x[:2000] = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
        x.flush()
        y = np.arange(len(x), dtype=np.int32) % 10
        few = Split(x=np.array(x[:1000]), y=y[:1000])
        large = Split(x=np.load(path, mmap_mode="r"), y=y)
        dataset = Dataset(train=large, validation=few, test=few, name="large", source="a test", n_outputs=10)
        config = {"batch_size": 1000, "eval_batch_size": 1000, "n_epochs": 1}
        trainer = cases.vectorized(
            dataset=dataset, model={"_target_": "training_workload.softmax_regression"}, **config
        )
        with watched_memory() as peaks:
            (result,) = cases.run(trainer, [cases.trial(0, learning_rate=0.1)])
        return {"bytes": max(peaks), "size": x.nbytes, "state": result["state"], "error": result["error"]}


@contextlib.contextmanager
def watched_memory():
    """Note the anonymous memory of this process until the block ends."""
    peaks, ended = [0], threading.Event()

    def watch():
        while not ended.is_set():
            lines = Path("/proc/self/status").read_text().splitlines()
            peaks.append(next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")))
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    gc.freeze()
    cases.serve(globals())
