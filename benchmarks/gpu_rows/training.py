"""Train the trials of a row with the project's own trainer, reached as `study run` reaches it, and measure it."""

from __future__ import annotations

import gc
import hashlib
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compiling import CompileClock
from benchmarks.gpu_rows.energy import EnergyMeter
from benchmarks.gpu_rows.rows import Row
from benchmarks.workloads import Workload, gigaflops, overrides, write_conf
from study.cli.launch.compose import compose_jobs, prepare
from study.config.schema import StudyConfig
from study.core.seeds import trial_run_seed
from study.core.trainer_interface import Trial, TrialResult
from study.pipeline.preflight import load_config
from study.pipeline.workload import build_model, build_trainer, load_dataset

# The energy counter moves ten times a second, so trained batches are repeated until this many seconds have passed.
_LEAST_S, _MOST_REPEATS = 2.0, 20


class Measurement:
    """The measurement of one row.

    Args:
        row: The row.
        workload: Its workload.
        folder: An empty folder, the working directory of this process.
        started: Time at which this process, or this row in it, started, in seconds since 1970.
        compiling: Clock of this process's tracing and compiling.
        tell: Takes values as soon as they are known, so that a row that is cut leaves them.
    """

    def __init__(
        self,
        row: Row,
        workload: Workload,
        *,
        folder: Path,
        started: float,
        compiling: CompileClock,
        tell: Callable[..., None],
    ) -> None:
        self._row, self._workload, self._tell, self._started = row, workload, tell, started
        self._compiling = compiling
        self._config = _config(row, workload, folder=folder)
        self._dataset = load_dataset(self._config)
        self._trainer: Any = build_trainer(self._config, self._dataset)
        self._trials = [_trial(self._config, number) for number in range(row.n_trials)]

    def first(self, meter: EnergyMeter, *, repeats: bool) -> None:
        """Train a batch with nothing compiled, then the same one again and again.

        Args:
            meter: Meter of the energy of the repetitions.
            repeats: Repeat for at least two seconds; else once.
        """
        results = self._begin(prefix="")
        before = _digests(results)
        batches: list[tuple[float, float]] = []
        same_bits = True
        began = time.perf_counter()
        with meter.measured() as energy:
            while not batches or (repeats and _goes_on(batches, began)):
                at = time.perf_counter()
                results = self._train(self._trials)
                batches.append((time.perf_counter() - at, sum(r.summary["seconds_train"] for r in results)))
                after = _digests(results)
                same_bits = same_bits and all(after[number] == digest for number, digest in before.items())
                before = after
        self._tell(**self._speed(batches), **self._memory(results))
        n_trained = len(batches) * len(self._trials)
        joules = energy.pop("joules")
        self._tell(size=self._size())
        self._tell(
            joules_a_trial=None if joules is None else joules / n_trained,
            **energy,
            n_repeats=len(batches),
            same_bits=same_bits,
            states=_counted(result.state for result in results),
        )

    def again(self) -> None:
        """Train the first batch only, in a process that finds compiled programs."""
        self._begin(prefix="again_")

    def _begin(self, *, prefix: str) -> list[TrialResult]:
        """Train the first batch, and tell its cost from the start of the process on."""
        start_s = time.time() - self._started
        self._tell(**{f"{prefix}start_s": start_s})
        began, compiled = time.perf_counter(), self._compiling.seconds
        # `fit` compiles for its first trial.
        results = self._train(self._trials if self._row.trainer == "vectorized" else self._trials[:1])
        values = {"first_s": time.perf_counter() - began, "compile_s": self._compiling.seconds - compiled}
        digests = _digests(results)
        values |= {"digest": hashlib.sha256("".join(digests[n] for n in sorted(digests)).encode()).hexdigest()[:16]}
        self._tell(**{f"{prefix}{key}": value for key, value in values.items()}, n_first=len(results))
        return results

    def _train(self, trials: Sequence[Trial]) -> list[TrialResult]:
        results: list[TrialResult] = self._trainer.train(trials, lambda _trial, _report: True)
        for result in results:
            if result.state == "failed":
                raise RuntimeError(result.error)
        return results

    def _speed(self, batches: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return the time of a trial, and the rate of its products without its first and its last evaluation."""
        trial_s = statistics.median(whole for whole, _ in batches) / len(self._trials)
        train_s = statistics.median(training for _, training in batches) / len(self._trials)
        work = gigaflops(self._workload, self._dataset)
        return {
            "trial_s": trial_s,
            "trials_a_second": 1 / trial_s,
            "train_s": train_s,
            "gigaflops_a_trial": work,
            "gflops": work / train_s,
        }

    def _size(self) -> dict[str, Any]:
        """Return the size by which `trainer=auto` knows a study, with the timed trials as its only batch."""
        from study.training.model_size import study_size

        size = study_size(self._config, self._dataset, build_model(self._config, self._dataset))
        return asdict(replace(size, batches=(len(self._trials),)))

    def _memory(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return the number of trials at once, the memory that the compiler predicted for it, and the peak used."""
        import jax

        at_once = max((int(result.summary.get("compiled_batch_size", 1)) for result in results), default=1)
        found: dict[str, Any] = {"n_at_once": at_once}
        stats = jax.local_devices()[0].memory_stats() or {}
        found["peak_bytes"] = stats.get("peak_bytes_in_use")
        if self._row.trainer == "vectorized":
            from study.training.vectorized.capacity import room

            programs = self._trainer._batches._programs.values()
            found["predicted_bytes"] = max(program.compiler.bytes_at_once for program in programs)
            found["allowed_bytes"] = room()
        return found


@contextmanager
def side_by_side() -> Iterator[None]:
    """Let all lanes step together on a CPU too, as on a GPU."""
    from study.training.vectorized import capacity

    platform, capacity._platform = capacity._platform, lambda: "gpu"
    try:
        yield
    finally:
        capacity._platform = platform


def forget_compiled() -> None:
    """Drop what this process has compiled and built for earlier rows; programs in JAX's cache folder stay."""
    import jax
    import keras

    keras.utils.clear_session()
    gc.collect()
    jax.clear_caches()


def _config(row: Row, workload: Workload, *, folder: Path) -> StudyConfig:
    write_conf(workload, folder)
    words = [*overrides(workload), "optimizer=adam", "optimizer.search_only=[learning_rate]", "live=false"]
    words += [f"trainer={row.trainer}", "trainer.backend=jax", f"budget.n_trials={row.n_trials}"]
    if row.trainer == "vectorized":
        words.append(f"trainer.capacity={row.capacity or row.n_trials}")
    (job,) = compose_jobs(prepare(words), multirun=False)
    return load_config(job.raw, folder=folder, labels=job.labels)


def _trial(config: StudyConfig, number: int) -> Trial:
    return Trial(
        number=number,
        hyperparameters=config.optimizer.arguments({"learning_rate": 1e-3 / (1 + number)}),
        run_seed=trial_run_seed(config.study_seed, number),
        order_seed=config.order_seed,
    )


def _goes_on(batches: Sequence[tuple[float, float]], began: float) -> bool:
    return len(batches) < _MOST_REPEATS and time.perf_counter() - began < _LEAST_S


def _digests(results: Iterable[TrialResult]) -> dict[int, str]:
    """Return for each trial a digest of every bit of its metrics and of its first and last loss."""
    found = {}
    for result in results:
        values = [value for name in sorted(result.history) for value in result.history[name]]
        values += [result.summary[name] for name in ("initial_loss", "final_loss") if name in result.summary]
        found[result.trial.number] = hashlib.sha256(np.asarray(values, np.float64).tobytes()).hexdigest()
    return found


def _counted(states: Iterable[str]) -> dict[str, int]:
    listed = list(states)
    return {state: listed.count(state) for state in sorted(set(listed))}
