"""Two fresh processes give the same numbers to the last bit, whatever the optimizer, on TensorFlow and on JAX."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import conf

OPTIMIZERS = sorted(path.stem for path in (Path(conf.__path__[0]) / "optimizer").glob("*.yaml"))

# Dropout and batch normalization draw and keep state of their own; five steps of an epoch show a difference in order.
_PROGRAM = """
import json, sys
from pathlib import Path
from study.cli.compose import compose_jobs, prepare
from study.results import Trial
from study.run import build_trainer, load_config, load_dataset

backend, *optimizers = sys.argv[1:]
overrides = [
    f"trainer.backend={backend}", "model.hidden=[8]", "model.dropout=0.3", "model.batch_norm=true",
    # 479 examples to train on and twice as many to validate: evaluation compiles for one shape alone.
    "dataset.n_validation=958", "trainer.batch_size=96", "trainer.eval_batch_size=479", "budget.n_epochs=1",
]
histories = {}
for optimizer in optimizers:
    (job,) = compose_jobs(prepare([f"optimizer={optimizer}", *overrides]), multirun=False)
    config = load_config(job.raw, folder=Path.cwd(), labels=job.labels)
    trainer = build_trainer(config, load_dataset(config))
    point = config.optimizer.arguments({})
    trial = Trial(number=0, hyperparameters=point, run_seed=11, order_seed=7, keep_weights=True)
    (result,) = trainer.train([trial], lambda trial, report: True)
    numbers = {name: [value.hex() for value in values] for name, values in result.history.items()}
    numbers |= {k: [v.hex()] for k, v in result.summary.items() if k in ("initial_loss", "final_loss")}
    numbers["weights"] = [array.tobytes().hex() for array in result.weights]
    numbers["error"] = result.error
    histories[optimizer] = numbers
print(json.dumps(histories))
"""


def _train_twice(backend: str, folder: Path) -> list[dict[str, dict[str, list[str]]]]:
    """Train every optimizer in two processes that run beside one another; numbers by optimizer and by name."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("KERAS_BACKEND", None)
    environment.pop("PYTHONHASHSEED", None)  # each process has one of its own
    command = [sys.executable, "-c", _PROGRAM, backend, *OPTIMIZERS]
    outputs = [folder / "first", folder / "second"]
    with contextlib.ExitStack() as files:
        processes = [
            subprocess.Popen(
                command, cwd=folder, env=environment,
                stdout=files.enter_context(output.open("w")),
                stderr=files.enter_context(output.with_suffix(".log").open("w")),
            )
            for output in outputs
        ]  # fmt: skip
        statuses = [process.wait() for process in processes]
    assert statuses == [0, 0], outputs[0].with_suffix(".log").read_text()[-3000:]
    return [json.loads(output.read_text().splitlines()[-1]) for output in outputs]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_processes_agree_bit_for_bit_for_every_optimizer(backend, tmp_path):
    first, second = _train_twice(backend, tmp_path)
    assert sorted(first) == OPTIMIZERS
    for optimizer in OPTIMIZERS:
        assert first[optimizer]["error"] is None, optimizer
        assert {"loss", "val_loss", "val_accuracy", "final_loss", "weights"} <= set(first[optimizer])
        assert first[optimizer] == second[optimizer], optimizer
    losses = {tuple(history["loss"]) for history in first.values()}
    assert len(losses) > len(OPTIMIZERS) // 2  # they are not one training told many times
