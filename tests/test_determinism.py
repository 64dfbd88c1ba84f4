"""Two processes give the same numbers to the last bit, whatever the optimizer and whatever was trained before.

On TensorFlow and on JAX; one process trains two other trials first, and the second of them diverges.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import study.conf

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="it trains whole studies in fresh processes, twice each"),
]

OPTIMIZERS = sorted(
    path.stem
    for path in (Path(study.conf.__path__[0]) / "optimizer").glob("*.yaml")
    if "study.optimizers.reference." not in path.read_text()  # rules in NumPy
)

# Dropout and batch normalization draw and keep state of their own; five steps of an epoch show a difference in order.
_PROGRAM = """
import gc, json, sys
from pathlib import Path
from study.core.garbage import collect_rarely
collect_rarely()
from study.cli.launch.compose import compose_jobs, prepare
from study.core.trainer_interface import Trial
from study.pipeline.preflight import load_config
from study.pipeline.workload import build_trainer, load_dataset

backend, before, *optimizers = sys.argv[1:]
overrides = [
    "trainer=fit", f"trainer.backend={backend}", "model.hidden=[8]", "model.dropout=0.3", "model.batch_norm=true",
    # 479 examples to train on and twice as many to validate: training and evaluation compile for one shape each.
    "dataset.n_validation=958", "trainer.batch_size=80", "trainer.eval_batch_size=479", "budget.n_steps=5",
]
gc.freeze()
histories = {}
for optimizer in optimizers:
    (job,) = compose_jobs(prepare([f"optimizer={optimizer}", *overrides]), multirun=False)
    config = load_config(job.raw, folder=Path.cwd(), labels=job.labels)
    trainer = build_trainer(config, load_dataset(config))
    point = config.optimizer.arguments({})
    states = []
    for number, rate in ((1, 1e-3), (2, 1e30)) if before == "after others" else ():
        other = {**point, "learning_rate": rate, "weight_decay": 0.01 if point.get("weight_decay") else None}
        other = {name: value for name, value in other.items() if value is not None}
        other |= {name: 0.7 for name in ("beta_1", "rho") if name in config.optimizer.ranges}
        trial = Trial(number=number, hyperparameters=other, run_seed=20 + number, order_seed=30 + number)
        states += [result.state for result in trainer.train([trial], lambda trial, report: True)]
    trial = Trial(number=0, hyperparameters=point, run_seed=11, order_seed=7, keep_weights=True)
    (result,) = trainer.train([trial], lambda trial, report: True)
    numbers = {name: [value.hex() for value in values] for name, values in result.history.items()}
    numbers |= {k: [v.hex()] for k, v in result.summary.items() if k in ("initial_loss", "final_loss")}
    numbers["weights"] = [array.tobytes().hex() for array in result.weights]
    numbers["error"] = result.error
    numbers["states of others"] = states
    numbers["structures"] = len(trainer._program._structures)
    histories[optimizer] = numbers
print(json.dumps(histories))
"""


def _train_twice(backend, optimizers, folder):
    """Train optimizers in two processes at the same time; return numbers by optimizer and by name.

    The second one trains two other trials first.
    """
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    environment.pop("KERAS_BACKEND", None)
    environment.pop("PYTHONHASHSEED", None)  # each process has one of its own
    command = [sys.executable, "-c", _PROGRAM, backend]
    outputs = {"alone": folder / "first", "after others": folder / "second"}
    with contextlib.ExitStack() as files:
        processes = [
            subprocess.Popen(
                [*command, before, *optimizers],
                cwd=folder,
                # Each process compiles all of its programs itself.
                env=environment | {"JAX_COMPILATION_CACHE_DIR": str(output.with_suffix(".programs"))},
                stdout=files.enter_context(output.open("w")),
                stderr=files.enter_context(output.with_suffix(".log").open("w")),
            )
            for before, output in outputs.items()
        ]
        statuses = [process.wait() for process in processes]
    logs = [output.with_suffix(".log").read_text()[-3000:] for output in outputs.values()]
    assert statuses == [0, 0], "\n".join(logs)
    return [json.loads(output.read_text().splitlines()[-1]) for output in outputs.values()]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("optimizers", [OPTIMIZERS[::4], pytest.param(OPTIMIZERS, marks=pytest.mark.full)], ids=len)
def test_two_processes_agree_bit_for_bit(backend, optimizers, tmp_path):
    first, second = _train_twice(backend, optimizers, tmp_path)
    assert sorted(first) == optimizers
    diverged = 0
    for optimizer in optimizers:
        assert first[optimizer]["error"] is None, optimizer
        assert {"loss", "val_loss", "val_accuracy", "final_loss", "weights"} <= set(first[optimizer])
        assert first[optimizer].pop("states of others") == []
        diverged += second[optimizer].pop("states of others")[1] == "diverged"
        assert first[optimizer] == second[optimizer], optimizer
        assert second[optimizer]["structures"] == 1, optimizer  # the same traced step trained all three
    assert diverged > len(optimizers) // 2  # some, such as Adafactor, bound their steps
    losses = {tuple(history["loss"]) for history in first.values()}
    assert len(losses) > len(optimizers) // 2  # the trainings differ from one another
