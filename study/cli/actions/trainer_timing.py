"""The duration of a workload's trials with one trainer and backend, measured in a fresh process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.seeds import trial_run_seed
from study.core.subprocess_call import call_in_subprocess
from study.core.trainer_interface import Trial
from study.pipeline.preflight import build_trainer, load_config, load_dataset


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """The duration of a study of n trainings: `fixed_s + n * trial_s` seconds.

    Attributes:
        fixed_s: Time that does not depend on n, in seconds, from the start of the process: imports, data, and the
            additional time of the first trials for compiling.
        trial_s: Time of one training once everything is compiled, in seconds.
    """

    fixed_s: float
    trial_s: float


def measure(raw: Mapping[str, Any], *, timeout_s: float) -> Seconds:
    """Train the trials of a resolved config twice, in a child process without compiled programs of earlier processes.

    Args:
        raw: The resolved config; nothing is stored.
        timeout_s: Time after which the child is ended, in seconds.

    Raises:
        StudyError: The child did not finish in time, or failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            seconds: Seconds = call_in_subprocess(
                "study.cli.actions.trainer_timing:take_from_start",
                raw,
                Path(scratch),
                timeout_s=timeout_s,
                environment={"JAX_COMPILATION_CACHE_DIR": scratch, "TF_CPP_MIN_LOG_LEVEL": "3"},
                quiet=True,
            )
        except TimeoutError as error:
            raise StudyError(str(error)) from error
        except StudyError as error:
            raise StudyError(f"it failed ({str(error).splitlines()[-1].strip()})") from error
    return seconds


def take_from_start(raw: Mapping[str, Any], folder: Path) -> Seconds:
    """Measure a resolved config in this process, from the start of the process on.

    Args:
        raw: The resolved config.
        folder: The folder where relative paths start.
    """
    return take(load_config(raw, folder=folder), started=psutil.Process().create_time())


def take(config: StudyConfig, *, started: float) -> Seconds:
    """Train the first batch cold and then all trials warm.

    Args:
        config: The study's config; its trials differ in the learning rate and the run seed.
        started: Time of the start of the process, in seconds since 1970.
    """
    trainer = build_trainer(config, load_dataset(config))
    size = min(trainer.capacity, config.n_trials)
    trials = [_trial(config, number) for number in range(config.n_trials)]

    def train(batch: list[Trial]) -> None:
        for result in trainer.train(batch, lambda _trial, _report: True):
            if result.state == "failed":
                raise StudyError(str(result.error))

    train(trials[:size])
    cold_s = time.time() - started
    began = time.perf_counter()
    for first in range(0, len(trials), size):
        train(trials[first : first + size])
    trial_s = (time.perf_counter() - began) / len(trials)
    return Seconds(fixed_s=max(0.0, cold_s - size * trial_s), trial_s=trial_s)


def _trial(config: StudyConfig, number: int) -> Trial:
    point = {"learning_rate": 1e-3 / (1 + number)}
    return Trial(
        number=number,
        hyperparameters=config.optimizer.arguments(point),
        run_seed=trial_run_seed(config.study_seed, number),
        order_seed=config.order_seed,
    )
