"""Train trials without a break, and interrupted after each epoch and resumed by a new trainer; run as a process.

python tests/training/checkpoint_cases.py (fit|vectorized) BACKEND FOLDER
"""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import dataclasses
import gc
import json
import signal
import sys
from pathlib import Path

import numpy as np

from study.core.garbage import collect_rarely
from study.core.interrupt import Stopped, clean_stop
from study.training.backend import select_backend

collect_rarely()
KIND, BACKEND, FOLDER = sys.argv[1:]
select_backend(BACKEND)
sys.path.append(str(Path(__file__).parent))

from training_workload import digits, make_config, make_trial

from study.training.fit.trainer import FitTrainer
from study.training.vectorized.trainer import VectorizedTrainer

gc.freeze()  # Keras collects garbage for every model, also among the libraries' objects
NET = {"_target_": "training_workload.tiny", "dropout": 0.3, "batch_norm": True}
CASES = {
    "adam, dropout, batch norm": {"optimizer": "keras.optimizers.Adam", "model": NET},
    "momentum, schedule, per step": {
        "schedule": {"_target_": "keras.optimizers.schedules.CosineDecay", "initial_learning_rate": 1.0}
        | {"decay_steps": {"fraction_of_steps": 1.0}},
        "every_n_steps": 2,
    },
    "averages, cut short, evaluated": {
        "optimizer": "keras.optimizers.Adam",
        "n_epochs": None,
        "n_steps": 25,
        "train_metrics": "evaluated",
    },
}
POINTS = {
    "adam, dropout, batch norm": [{"learning_rate": 0.003 * (i + 1)} for i in range(3)],
    "momentum, schedule, per step": [{"learning_rate": 0.02 * (i + 1), "momentum": 0.9} for i in range(3)],
    "averages, cut short, evaluated": [{"learning_rate": 0.003 * (i + 1), "use_ema": True} for i in range(3)],
}


class Killed(BaseException):
    """Ends a training as a kill would: no code handles it."""


def trainer(folder, *, every=2, **config):
    made = make_config(**({"n_epochs": 4} | config))
    budget = dataclasses.replace(made.budget, n_trials=3, n_confirmations=3)
    stores = dataclasses.replace(made.stores, artifacts=Path(FOLDER) / folder / "artifacts")
    optimizer = dataclasses.replace(made.optimizer, ranges={"any": None})  # type: ignore[dict-item]
    made = dataclasses.replace(made, budget=budget, stores=stores, optimizer=optimizer)
    common = {"backend": BACKEND, "batch_size": 32, "eval_batch_size": 64, "precision": "float32"}
    if KIND == "fit":
        return FitTrainer(made, digits(), **common, jit_compile="auto", checkpoint_every_n_epochs=every)
    return VectorizedTrainer(made, digits(), **common, capacity="auto", checkpoint_every_n_epochs=every)


def trials(points, *, test):
    made = [make_trial(i, test=test, keep_weights=test, **point) for i, point in enumerate(points)]
    return [dataclasses.replace(one, run_seed=77 + one.number) for one in made]


def train(folder, points, config, *, die_after=None, signalled_after=None, test):
    """Train; when the last trial has reported its n-th epoch, raise `Killed`, or get SIGTERM."""
    told = []

    def on_epoch(one, report):
        if one.number == len(points) - 1 and die_after == report.epoch:
            raise Killed
        if one.number == len(points) - 1 and signalled_after == report.epoch:
            signal.raise_signal(signal.SIGTERM)
        steps = {name: values.tolist() for name, values in report.steps.items()}
        told.append([one.number, report.epoch, report.step, dict(report.metrics), steps])
        return True

    try:
        with clean_stop(quiet=True):
            results = trainer(folder, **config).train(trials(points, test=test), on_epoch)
    except (Killed, Stopped):
        return None
    weights = [None if r.weights is None else [w.tolist() for w in r.weights] for r in results]
    tests = [
        {k: v for k, v in r.summary.items() if k.startswith(("test_", "final", "initial", "n_"))} for r in results
    ]
    messages = [message for r in results for message in r.messages]
    states = [r.state for r in results]
    return {"told": told, "weights": weights, "summary": tests, "states": states, "messages": messages}


def unfit(folder):
    """Replace the checkpoints of a folder by ones whose last array has another shape, under the same names."""
    for path in (Path(FOLDER) / folder / "checkpoints").rglob("*.npz"):
        with np.load(path) as kept:
            arrays = dict(kept)
        last = max(int(key) for key in arrays if key.isdecimal())
        arrays["0"] = np.zeros((7, 7, 7), arrays["0"].dtype)
        arrays[str(last)] = np.zeros((7, 7, 7), arrays[str(last)].dtype)
        with path.open("wb") as file:
            np.savez(file, **arrays)


found = {}
for name, config in CASES.items():
    test = name.startswith("adam")
    whole = train(f"whole {name}", POINTS[name], config, test=test)
    cut = f"cut {name}"
    if test:  # no checkpoint but the one for which the signal waits
        assert train(cut, POINTS[name], {**config, "every": 100}, signalled_after=1, test=test) is None
    else:
        assert train(cut, POINTS[name], config, die_after=3, test=test) is None
    kept = sorted(path.name for path in (Path(FOLDER) / cut / "checkpoints").rglob("*"))
    resumed = train(cut, POINTS[name], config, test=test)
    if name.startswith("adam"):
        assert train(f"{cut} unfit", POINTS[name], config, die_after=3, test=test) is None
        unfit(f"{cut} unfit")
        unfitting = train(f"{cut} unfit", POINTS[name], config, test=test)
        aside = sorted(path.name for path in (Path(FOLDER) / f"{cut} unfit" / "checkpoints").rglob("*.set-aside"))
    left = sorted(path.name for path in (Path(FOLDER) / cut / "checkpoints").rglob("*.npz"))
    found[name] = {"whole": whole, "resumed": resumed, "kept": kept, "left": left, "unfit": unfitting, "aside": aside}
print(json.dumps(found))  # noqa: T201
