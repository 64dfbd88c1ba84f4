"""The durations of a workload's trials, and the speed of this machine, each measured in a fresh process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.machine import n_cores
from study.core.seeds import trial_run_seed
from study.core.subprocess_call import call_in_subprocess
from study.core.trainer_interface import Trial
from study.pipeline.preflight import load_config
from study.pipeline.workload import build_model, build_trainer, load_dataset
from study.training.auto_costs import Speed, Timing
from study.training.backend import start_backend
from study.training.devices import matrix_product_gflops


def measure(raw: Mapping[str, Any], *, timeout_s: float) -> Timing:
    """Train the trials of a resolved config twice, in a child process without compiled programs of earlier processes.

    Args:
        raw: The resolved config; nothing is stored.
        timeout_s: Time after which the child is ended, in seconds.

    Raises:
        StudyError: The child did not finish in time, or failed.
    """
    timing: Timing = _in_fresh_process("take_from_start", raw, timeout_s=timeout_s)
    return timing


def measure_speed(*, timeout_s: float) -> Speed:
    """Measure the two numbers of this machine that costs are ratios of.

    Args:
        timeout_s: Time after which the child is ended, in seconds.

    Raises:
        StudyError: The child did not finish in time, or failed.
    """
    speed: Speed = _in_fresh_process("take_speed", timeout_s=timeout_s)
    return speed


def take_from_start(raw: Mapping[str, Any], folder: Path) -> Timing:
    """Time a resolved config in this process, from the start of the process on.

    Args:
        raw: The resolved config.
        folder: The folder where relative paths start.
    """
    return take(load_config(raw, folder=folder), started=psutil.Process().create_time())


def take(config: StudyConfig, *, started: float) -> Timing:
    """Train the first batch cold and then all trials warm.

    Args:
        config: The study's config; its trials differ in the learning rate and the run seed.
        started: Time of the start of the process, in seconds since 1970.
    """
    from study.training.model_size import study_size  # imports Keras

    dataset = load_dataset(config)
    model = build_model(config, dataset)
    trainer = build_trainer(config, dataset)
    start_s = time.time() - started
    at_once = min(trainer.capacity, config.n_trials)
    trials = [_trial(config, number) for number in range(config.n_trials)]

    def train(batch: list[Trial]) -> None:
        for result in trainer.train(batch, lambda _trial, _report: True):
            if result.state == "failed":
                raise StudyError(str(result.error))

    began = time.perf_counter()
    train(trials[:at_once])
    warm = time.perf_counter()
    for first in range(0, len(trials), at_once):
        train(trials[first : first + at_once])
    training_s = (time.perf_counter() - warm) / len(trials)
    size = replace(study_size(config, dataset, model), batches=(len(trials),))
    compiling_s = max(0.0, warm - began - at_once * training_s)
    return Timing(start_s=start_s, compiling_s=compiling_s, training_s=training_s, size=size)


def take_speed(_folder: Path) -> Speed:
    """Measure this machine from the start of this process on."""
    start_backend("jax")
    start_s = time.time() - psutil.Process().create_time()
    return Speed(start_s=start_s, gflops=matrix_product_gflops(), n_cores=n_cores())


def _in_fresh_process(function: str, *arguments: object, timeout_s: float) -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return call_in_subprocess(
                f"study.cli.actions.trainer_timing:{function}",
                *arguments,
                Path(scratch),
                timeout_s=timeout_s,
                environment={"JAX_COMPILATION_CACHE_DIR": scratch, "TF_CPP_MIN_LOG_LEVEL": "3"},
                quiet=True,
            )
        except TimeoutError as error:
            raise StudyError(str(error)) from error
        except StudyError as error:
            raise StudyError(f"it failed ({str(error).splitlines()[-1].strip()})") from error


def _trial(config: StudyConfig, number: int) -> Trial:
    point = {"learning_rate": 1e-3 / (1 + number)}
    return Trial(
        number=number,
        hyperparameters=config.hyperparameters(point),
        run_seed=trial_run_seed(config.study_seed, number),
        order_seed=config.order_seed,
    )
