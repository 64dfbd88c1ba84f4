"""Whole studies of a stub trainer in processes that can be killed, without a library that takes seconds to import.

This program reads one JSON object a line, forks a process for each, and answers with the exit status when the process
has ended. So each of hundreds of studies starts in milliseconds, from a process without threads. See conftest.py.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import Engine

from study.config.schema import (
    Budget,
    Component,
    Objective,
    OptimizerConfig,
    Stores,
    StudyConfig,
    Task,
    TrackingConfig,
)
from study.core.errors import StudyError
from study.core.search_space import Range
from study.core.trainer_interface import EpochReport, TrialResult
from study.datasets import Dataset, Split
from study.pipeline.confirmation_phase import confirm
from study.pipeline.context import StudyContext
from study.pipeline.finalize import record
from study.pipeline.reconcile import reconcile
from study.pipeline.search_phase import search as run_search
from study.search.ask_tell import open_search
from study.search.storage.journal import Journal
from study.tracking import open_runs
from study.tracking.outbox import writer_thread
from study.tracking.outbox.spool import Spool
from study.tracking.study_tracker import open_study

KILLED = 137
N_EPOCHS, N_CONFIRMATIONS = 2, 1


def build_config(
    folder,
    *,
    uri=None,
    n_trials=2,
    deterministic=True,
    retry_failed=False,
):
    """Return the config of a small study whose stores lie in a folder as `study run` lays them out."""
    uri = uri or f"sqlite:///{folder}/mlruns/mlflow.db"
    ranges = {"learning_rate": Range(argument="learning_rate", low=1e-4, high=1.0, scale="log")}
    raw = {
        "optimizer": {"name": "adam"},
        "objective": {"metric": "val_accuracy"},
        "budget": {"n_trials": n_trials},
        "tracking_uri": uri,
    }
    return StudyConfig(
        dataset=Component(name="tiny", section={}),
        task=Task(loss={}, metrics=("accuracy",)),
        model=Component(name="mlp", section={}),
        optimizer=OptimizerConfig(name="adam", target="keras.optimizers.Adam", fixed={}, ranges=ranges),
        schedule=Component(name="constant", section={}),
        trainer=Component(name="fit", section={}),
        backend="jax",
        sampler=Component(name="random", section={"_target_": "optuna.samplers.RandomSampler"}),
        pruner=Component(name="none", section={"_target_": "optuna.pruners.NopPruner"}),
        budget=Budget(
            n_trials=n_trials, n_epochs=N_EPOCHS, n_steps=None, n_confirmations=N_CONFIRMATIONS, time_limit_s=None
        ),
        objective=Objective(metric="val_accuracy", direction="maximize", target=None, is_share=True),
        stores=Stores(
            tracking_uri=uri,
            artifacts=folder / "mlruns" / "artifacts",
            optuna_journal=folder / "mlruns" / "optuna.journal",
        ),
        tracking=TrackingConfig(every_n_steps=None, system_metrics=False, log_model=False),
        experiment_name="tiny-mlp",
        study_name=None,
        labels=("adam",),
        study_seed=0,
        order_seed=0,
        split_seed=0,
        deterministic=deterministic,
        retry_failed=retry_failed,
        live=False,
        raw=raw,
        folder=folder,
    )


def metrics_of(trial, epoch):
    """Return the metrics of the stub trainer: as in a real training, they depend on the trial alone."""
    value = float(np.random.default_rng([trial.run_seed, epoch]).random())
    return {"loss": 1.0 - value, "val_accuracy": value}


class StubTrainer:
    """Reports numbers; calls `before` before each trial; the trial `fails` fails after its first epoch."""

    def __init__(self, *, capacity=1, before=lambda _trial: None, fails=None):
        self.capacity = capacity
        self._before, self._fails = before, fails

    def train(self, trials, on_epoch, together=None):
        """Train side by side."""
        for trial in trials:
            self._before(trial)
        for epoch in range(N_EPOCHS):
            for trial in trials:
                if epoch and self._has_failed(trial):
                    continue
                on_epoch(trial, EpochReport(epoch=epoch, step=epoch + 1, metrics=metrics_of(trial, epoch)))
            if together is not None:
                together.epoch_ended([])
        return [self._result(trial) for trial in trials]

    def _has_failed(self, trial):
        return trial.number == self._fails and not trial.test

    def _result(self, trial):
        if self._has_failed(trial):
            return TrialResult(trial=trial, state="failed", history={}, summary={"n_steps": 1.0}, error="it broke")
        reports = [metrics_of(trial, epoch) for epoch in range(N_EPOCHS)]
        history = {name: [report[name] for report in reports] for name in reports[0]}
        summary = {"seconds_train": time.perf_counter()} | ({"test_accuracy": 0.5} if trial.test else {})
        return TrialResult(trial=trial, state="complete", history=history, summary=summary)


def tiny_dataset():
    """Return the data set of a stub trainer."""
    split = Split(x=np.zeros((5, 3), np.float32), y=np.zeros(5, np.int64))
    return Dataset(name="tiny", source="made up", train=split, validation=split, test=split, n_outputs=2)


def _opened(config, search, dataset, told):
    """Open the record of a study; with a list for the lines for the user, compare it with the search."""
    opened = partial(open_study, config, study_name=search.name, dataset=dataset, environment={"keras": "3.15.0"})
    if told is None:
        return opened()
    with search.alone():
        known = search.record()
        tracker = opened(search=known)
        told += reconcile(config, search, tracker, known=known)
    return tracker


def run_stub_study(config, trainer, told=None):
    """Run a study as `study.run` does, without the parts that need Keras.

    Args:
        config: The study's config.
        trainer: The trainer.
        told: With a list, the stores are compared as `study.run` does, and the lines for the user are added to it.
    """
    shown = ("epoch", "message", "stopped", "trial_started", "trials_ended")
    view = SimpleNamespace(**dict.fromkeys(shown, _ignore))
    dataset = tiny_dataset()
    with (
        open_search(config) as search,
        _opened(config, search, dataset, told) as tracker,
    ):
        context = StudyContext(
            config=config, dataset=dataset, search=search, tracker=tracker, trainer=trainer, view=view
        )
        run_search(context)
        confirm(context)
        if told is not None:
            record(context)
            return
        best = search.best()
        tracker.summarize(best=None if best is None else best.number)
        tracker.artifact_text("the outcome", "notes/end.txt")


def make_flaky(*, at, mode):
    """Let the n-th write of the background thread fail as if the server's answer had failed, counting from 1.

    Args:
        at: The number of the write.
        mode: `refused`: it is not done. `taken`: it is done. `late`: it is done after three others.
    """
    count, late = [0], []

    def flaky(method):
        def call(*arguments, **options):
            if threading.current_thread().name != "tracking":
                return method(*arguments, **options)
            count[0] += 1
            if count[0] == at:
                if mode == "taken":
                    method(*arguments, **options)
                elif mode == "late":
                    late.append((method, arguments, options))
                raise MlflowException("the server is ill")
            if count[0] == at + 4 and late:
                (belated, its_arguments, its_options) = late.pop()
                with suppress(MlflowException):
                    belated(*its_arguments, **its_options)
            return method(*arguments, **options)

        return call

    for name in ("create_run", "log_batch", "set_terminated", "log_artifact", "delete_run", "delete_tag"):
        setattr(MlflowClient, name, flaky(getattr(MlflowClient, name)))
    writer_thread._FIRST_PAUSE_S = 0.01
    writer_thread.PATIENCE_S = 60.0


@contextmanager
def killed_at(write):
    """Kill this process right before its n-th write, counting from 1, to any store; yields the count so far."""
    count = [0]

    def about_to_write(*_):
        count[0] += 1
        if count[0] == write:
            os.kill(os.getpid(), signal.SIGKILL)

    sqlalchemy.event.listen(Engine, "commit", about_to_write)
    for owner, name in ((Journal, "append_logs"), (Spool, "append"), (Spool, "clear")):
        setattr(owner, name, _after(about_to_write, getattr(owner, name)))
    yield count


def wait_for_locks(seconds):
    """Let MLflow wait so long for a locked database, instead of the 20 s that it asks SQLite for."""

    def shorten(_connection, _cursor, statement, parameters, *_):
        return statement.replace("busy_timeout = 20000", f"busy_timeout = {1000 * seconds}"), parameters

    sqlalchemy.event.listen(Engine, "before_cursor_execute", shorten, retval=True)


def _after(first, then):
    def both(*arguments):
        first()
        return then(*arguments)

    return both


def _ignore(*_, **__):
    pass


def _live(order):
    """Run one study as ordered and return an exit status."""
    folder = Path(order["folder"])
    if locked_s := order.get("locked_s"):
        wait_for_locks(locked_s)
    if order.get("spooled"):  # treat the database as a server's store, without a server's long waits
        open_runs.is_database = lambda _uri: False
    if flaky := order.get("flaky"):
        make_flaky(**flaky)
    writer_thread.PATIENCE_S = order.get("patience_s", writer_thread.PATIENCE_S)

    def wait_for_leave(trial):
        (folder / f"reached-{trial.number}").touch()
        while trial.number in order.get("gates", []) and not (folder / f"go-{trial.number}").exists():
            time.sleep(0.01)

    config = build_config(
        folder, uri=order.get("uri"), n_trials=order.get("n_trials", 2), retry_failed=order.get("retry_failed", False)
    )
    trainer = StubTrainer(capacity=order.get("capacity", 1), before=wait_for_leave, fails=order.get("fails"))
    counting = killed_at(order.get("kill_at")) if order.get("counts", True) else nullcontext([0])
    with counting as count:
        try:
            told = [] if order.get("compares") else None
            run_stub_study(config, trainer, told)
            if told is not None:
                (folder / "told.txt").write_text("\n".join(told))
        except StudyError as error:
            (folder / "message.txt").write_text(str(error))
            return error.exit_status
        (folder / "n_writes").write_text(str(count[0]))
    return 0


def main():
    """Fork a process for each order; answer when it has ended."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 99
            try:
                log = os.open(f"{order['folder']}/stderr.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(log, 2)
                status = _live(order)
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        (Path(order["folder"]) / "pid").write_text(str(child))
        _, ended = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(ended)
        sys.stdout.write(f"{128 - code if code < 0 else code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
