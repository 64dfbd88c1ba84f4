"""The time that `trainer=vectorized` takes with an array on disk, read in pieces, beside the same array in memory.

    python benchmarks/data_in_pieces.py                      # about five minutes on two quiet cores
    python benchmarks/data_in_pieces.py --gib 4 --pairs 3

Both train the same trials for an epoch, in turn, after a first training that compiles. The seconds depend on the
machine and on what else it does; the ratio of a pair does so less. The file is larger than what the trainer reads into
memory on a CPU; afterwards it is deleted. It was written just before, so much of it is in the cache of the system.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

import numpy as np

_SHAPE = (28, 28, 1)
_N_OUTPUTS = 10
_N_FEW = 2000
_PIECE = 100_000
_COMMON = ("dataset=digits", "model=mlp", "optimizer=adam", "trainer=vectorized", "trainer.batch_size=128")


def main() -> None:
    """Measure and print the pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1.5, help="size of the array, in GiB; default 1.5")
    parser.add_argument("--trials", type=int, default=4, help="number of trials side by side; default 4")
    parser.add_argument("--pairs", type=int, default=5, help="number of pairs; default 5")
    arguments = parser.parse_args()
    from study.training.backend import select_backend

    select_backend("jax")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inputs.npy"
        labels = _write(path, n=int(arguments.gib * (1 << 30) / (4 * np.prod(_SHAPE))))
        on_disk = _trainer(np.load(path, mmap_mode="r"), labels, n_trials=arguments.trials)
        in_memory = _trainer(np.load(path), labels, n_trials=arguments.trials)
        for trainer in (on_disk, in_memory):
            _seconds(trainer, n_trials=arguments.trials)
        ratios = []
        for index in range(arguments.pairs):
            order = (on_disk, in_memory) if index % 2 else (in_memory, on_disk)
            seconds = {id(trainer): _seconds(trainer, n_trials=arguments.trials) for trainer in order}
            ratios.append(seconds[id(on_disk)] / seconds[id(in_memory)])
            print(
                f"pair {index}: on disk {seconds[id(on_disk)]:.2f} s, in memory {seconds[id(in_memory)]:.2f} s, "
                f"ratio {ratios[-1]:.3f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f}")


def _write(path: Path, *, n: int) -> Any:
    """Write random inputs, and return labels that follow from them."""
    generator = np.random.default_rng(0)
    inputs = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n, *_SHAPE))
    for first in range(0, n, _PIECE):
        inputs[first : first + _PIECE] = generator.random((min(_PIECE, n - first), *_SHAPE), np.float32)
    labels = (inputs[:, 0, 0, 0] * _N_OUTPUTS).astype(np.int32)
    inputs.flush()
    return labels


def _trainer(inputs: Any, labels: Any, *, n_trials: int) -> Any:
    from study.cli.launch.compose import compose_jobs, prepare
    from study.datasets import Dataset, Split
    from study.pipeline.preflight import load_config
    from study.training.vectorized.trainer import VectorizedTrainer

    few = Split(x=np.array(inputs[:_N_FEW]), y=labels[:_N_FEW])
    dataset = Dataset(
        name="random",
        source="this program",
        train=Split(x=inputs, y=labels),
        validation=few,
        test=few,
        n_outputs=_N_OUTPUTS,
    )
    words = [*_COMMON, "budget.n_epochs=1", f"budget.n_trials={n_trials}", "budget.n_confirmations=0"]
    (job,) = compose_jobs(prepare(words), multirun=False)
    return VectorizedTrainer(
        load_config(job.raw),
        dataset,
        backend="jax",
        batch_size=128,
        eval_batch_size=1000,
        precision="float32",
        capacity=n_trials,
        device="cpu",
    )


def _seconds(trainer: Any, *, n_trials: int) -> float:
    """Train, and return the time without that of the compiler, in seconds."""
    from study.core.trainer_interface import Trial

    trials = [
        Trial(
            number=number,
            hyperparameters={"learning_rate": 1e-3 * (number + 1)},
            run_seed=number,
            order_seed=0,
            test=False,
            keep_weights=False,
        )
        for number in range(n_trials)
    ]
    began = time.perf_counter()
    results = trainer.train(trials, lambda _trial, _report: True)
    if any(result.state != "complete" for result in results):
        raise RuntimeError(f"a trial did not complete: {[result.error or result.state for result in results]}")
    return time.perf_counter() - began - sum(result.summary["seconds_compile"] for result in results)


if __name__ == "__main__":
    main()
