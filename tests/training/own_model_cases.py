"""Train models of a user's own with our trainers and with Keras alone, and answer with all numbers; one backend.

The program reads one JSON list a line: a function of this module and its arguments.
"""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import dataclasses
import os
import sys
import tempfile
from pathlib import Path

from study.training.backend import select_backend

BACKEND = os.environ.get("CASE_BACKEND", "jax")
select_backend(BACKEND)
sys.path.insert(0, str(Path(__file__).parent))

import keras
import numpy as np
import own_models
import plain_keras
from serving import record, serve
from training_workload import digits, make_config, make_trial

from study.config.epoch_rules import EarlyStopping, Monitor, RateReduction
from study.config.instantiate import takes
from study.config.schema import Component, Exclusion
from study.pipeline.workload import check_task
from study.training.fit.trainer import FitTrainer

OPTIMIZERS = {"adam": "keras.optimizers.Adam", "sgd": "keras.optimizers.SGD"}
SIZES = {
    "backend": BACKEND,
    "batch_size": plain_keras.BATCH_SIZE,
    "eval_batch_size": plain_keras.EVAL_BATCH_SIZE,
    "precision": "float32",
}
RUN_SEED, ORDER_SEED, RATE = 1234, 5678, 0.02
N_EPOCHS = 3


def trained(config, trainer):
    """Return the result of a trial with one of our trainers."""
    if trainer == "fit":
        made = FitTrainer(config, digits(), jit_compile="auto", **SIZES)
    else:
        from study.training.vectorized.trainer import VectorizedTrainer

        made = VectorizedTrainer(config, digits(), capacity="auto", **SIZES)
    trials = [
        dataclasses.replace(
            make_trial(number, test=True, keep_weights=True, learning_rate=RATE * (1 + number)),
            run_seed=RUN_SEED + number,
            order_seed=ORDER_SEED,
        )
        for number in range(2)
    ]
    return [record(result, []) for result in made.train(trials, lambda *_: True)]


def config_of(kind, optimizer, **changes):
    budget = {"n_trials": 2, "n_confirmations": 2}
    made = make_config(model={"_target_": f"own_models.{kind}"}, optimizer=OPTIMIZERS[optimizer], n_epochs=N_EPOCHS)
    return dataclasses.replace(
        made,
        budget=dataclasses.replace(made.budget, **budget | changes.pop("budget", {})),
        optimizer=dataclasses.replace(made.optimizer, ranges={"any": None}),
        **changes,
    )


def plain(kind, optimizer, *, number=0, callbacks=(), n_epochs=N_EPOCHS, second=None, unfreeze=None):
    """Return the numbers of the loop with Keras alone."""
    target = f"own_models.{kind}"
    told = {"input_shape": (8, 8, 1), "n_outputs": 10}
    arguments = {name: value for name, value in told.items() if takes(target, name)}
    made = {"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[optimizer]

    def make():
        first = made(learning_rate=RATE * (1 + number))
        if second is None:
            return first
        other = second()
        return keras.optimizers.MultiOptimizer(lambda variable: other if "out" in variable.path.split("/") else first)

    return plain_keras.train(
        lambda: getattr(own_models, kind)(**arguments),
        make,
        digits(),
        run_seed=RUN_SEED + number,
        order_seed=ORDER_SEED,
        n_epochs=n_epochs,
        callbacks=callbacks,
        unfreeze=unfreeze,
    )


def own_model(kind, optimizer, trainers):
    """Return the results of some trainers and those of the plain loop for the same two trials."""
    config = config_of(kind, optimizer)
    check_task(config, digits())
    found = {trainer: trained(config, trainer) for trainer in trainers}
    return found | {"keras": [plain(kind, optimizer, number=number) for number in range(2)]}


def refusal(kind, trainer="fit", **tracking):
    """Return why the check of the workload refuses a model; empty if it does not."""
    config = config_of(kind, "sgd")
    target = {"fit": "study.training.fit.FitTrainer", "vectorized": "study.training.vectorized.VectorizedTrainer"}
    section = Component(name=trainer, section={"_target_": target[trainer]})
    config = dataclasses.replace(config, trainer=section)
    if tracking:
        config = dataclasses.replace(config, tracking=dataclasses.replace(config.tracking, **tracking))
    try:
        check_task(config, digits())
    except Exception as error:
        return str(error)
    return ""


def stopped(trainers, restore_best, optimizer):
    """Return the results with early stopping and a rate that falls on a plateau, and those of Keras's callbacks."""
    monitor = Monitor(metric="val_loss", direction="minimize", patience=3, min_delta=0.03)
    plateau = dataclasses.replace(monitor, patience=1)
    config = config_of(
        "functional",
        optimizer,
        budget={"n_epochs": 60},
        early_stopping=EarlyStopping(monitor=monitor, restore_best=restore_best),
        rate_reduction=RateReduction(monitor=plateau, factor=0.5, cooldown=1, min_factor=0.1),
    )
    found = {trainer: trained(config, trainer) for trainer in trainers}
    for number in range(2):
        callbacks = [
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss",
                factor=0.5,
                patience=1,
                min_delta=0.03,
                cooldown=1,
                min_lr=0.1 * RATE * (1 + number),
            ),
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=3, min_delta=0.03, restore_best_weights=restore_best
            ),
        ]
        kept = plain("functional", optimizer, number=number, callbacks=callbacks, n_epochs=60)
        found.setdefault("keras", []).append(kept | {"kept_epoch": callbacks[1].best_epoch + 1})
    return found


def two_optimizers(optimizer):
    """Return the results of fit and of Keras alone with a second optimizer for the last layer."""
    config = config_of("functional", optimizer)
    second = {"_target_": "keras.optimizers.SGD", "learning_rate": 0.1, "momentum": 0.9}
    exclude = Exclusion(layers=("o*t",), optimizer=second)
    config = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, exclude=exclude))
    check_task(config, digits())
    numbers = [
        plain("functional", optimizer, number=n, second=lambda: keras.optimizers.SGD(learning_rate=0.1, momentum=0.9))
        for n in range(2)
    ]
    return {"fit": trained(config, "fit"), "keras": numbers}


def refused_every_n_steps(kind):
    """Return why losses of single steps cannot be recorded for a model."""
    return refusal(kind, every_n_steps=1)


def meddled():
    """Return the results of trials of some steps, without and with a callback that meddles with the training."""
    found = {}
    for name, callbacks in {"alone": [], "meddled": [{"_target_": "own_models.Meddling"}]}.items():
        with tempfile.TemporaryDirectory() as folder:
            config = config_of("functional", "sgd", callbacks=callbacks, budget={"n_epochs": None, "n_steps": 10})
            stores = dataclasses.replace(config.stores, artifacts=Path(folder) / "artifacts")
            found[name] = trained(dataclasses.replace(config, stores=stores, raw={}), "fit")
    return found


def told_of_checkpoints(kind):
    """Return the messages of a trial with checkpoints, and the number of files at its last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(kind, "sgd")
        stores = dataclasses.replace(config.stores, artifacts=Path(folder) / "artifacts")
        config = dataclasses.replace(config, stores=stores, raw={})
        trainer = FitTrainer(config, digits(), jit_compile="auto", checkpoint_every_n_epochs=1, **SIZES)
        n_files = []

        def on_epoch(*_):
            n_files.append(len(list(Path(folder).rglob("*.npz"))))
            return True

        (result,) = trainer.train([make_trial(0, learning_rate=RATE)], on_epoch)
        return [list(result.messages), n_files[-1]]


def given_weights_twice():
    """Return the digests of the weights that models are given while they are built, each asked for twice."""
    from study.training.initial_weights import given_weights, outline

    def drawn():
        model = own_models.functional((8, 8, 1), 10)
        model.set_weights([np.random.normal(size=weight.shape) for weight in model.get_weights()])  # noqa: NPY002
        return model

    builds = {"drawn": drawn, "file": own_models.pretrained, "seeds": lambda: own_models.functional((8, 8, 1), 10)}
    return {name: [given_weights(outline(build)) for _ in range(2)] for name, build in builds.items()}


def unfrozen(optimizer):
    """Return the results of fit and of Keras alone when a layer is unfrozen at the second epoch."""
    unfreeze = {"_target_": "study.training.unfreeze.Unfreeze", "layers": ["fir*"], "epoch": 1}
    with tempfile.TemporaryDirectory() as folder:
        config = config_of("pretrained", optimizer, callbacks=[unfreeze])
        stores = dataclasses.replace(config.stores, artifacts=Path(folder) / "artifacts")
        config = dataclasses.replace(config, stores=stores, raw={})
        check_task(config, digits())
        found = trained(config, "fit")
    return {"fit": found, "keras": [plain("pretrained", optimizer, number=n, unfreeze=("first", 1)) for n in range(2)]}


if __name__ == "__main__":
    serve(globals())
