"""Many trials in one compiled program: Keras's own training step, side by side over trials, on JAX."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.errors import BackendError, StudyError
from study.core.trainer_interface import UNWATCHED, OnEpoch, Together, Trial, TrialResult
from study.datasets import Dataset
from study.training.backend import select_backend, set_determinism
from study.training.checkpoints import Checkpoints
from study.training.model_setup import N_LOSS_EXAMPLES, examples_seen, fresh_model
from study.training.precision import use_precision
from study.training.vectorized.batch import Batch
from study.training.vectorized.capacity import are_abreast, most_at_once, n_devices, room, shared_out
from study.training.vectorized.compiler import NoRoomError, everywhere, keep_compiled_programs
from study.training.vectorized.lane import CallerError, Carried, Data, Lane, call
from study.training.vectorized.lane_scheduler import Lanes, MoreLanes, same_order
from study.training.vectorized.program import Program, Shape
from study.training.vectorized.structure import Structure, read_settings

# More programs than this for one batch cost more than they save.
_MAX_PROGRAMS = 8


class VectorizedTrainer:
    """Trains trials side by side in one compiled program, on JAX.

    The number of lanes is decided by the study alone, never by what is left of it: trials of the search, or
    confirmations, in as few batches of equal size as `capacity` allows, the last one padded. On a CPU, where a place
    that is free costs nothing, it is the same for both. So a trial's last digits do not depend on when or with whom it
    was trained.

    Args:
        config: The study's configuration.
        dataset: Its data set.
        backend: `jax`.
        batch_size: Examples a training step.
        eval_batch_size: Examples a step of evaluation.
        precision: `float32`; `bfloat16`: computations in bfloat16, weights in float32; or `float64`.
        capacity: Trials at once; `auto`: 64 on a CPU, 256 on a GPU, or as many as half of the memory, or 80 % of
            the GPU's, has room for.
        checkpoint_every_n_epochs: Keep how far a batch that does not change has come after so many; None: never.

    Raises:
        BackendError: The backend is not JAX, or this process has loaded another one.
        StudyError: There is no such capacity, or `checkpoint_every_n_epochs`.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        backend: str,
        batch_size: int,
        eval_batch_size: int,
        precision: str,
        capacity: int | str,
        checkpoint_every_n_epochs: int | None = None,
    ) -> None:
        _check(backend, capacity)
        self._checkpoints = Checkpoints(config, checkpoint_every_n_epochs)
        select_backend(backend)
        set_determinism(config.deterministic)
        keep_compiled_programs()
        self._config, self._dataset, self._precision = config, dataset, precision
        self._batch_size, self._eval_batch_size = batch_size, eval_batch_size
        self._most = most_at_once() if capacity == "auto" else int(capacity)
        self._max_bytes = room() if capacity == "auto" else None
        self._structures: list[Structure] = []
        self._programs: dict[tuple[int, Shape], Program] = {}
        self._made_ahead: list[Program] = []
        self._data: dict[int, Data] = {}

    @property
    def capacity(self) -> int:
        """How many trials it takes at once."""
        return max(self._n_lanes(test=False), self._n_lanes(test=True))

    @property
    def n_steps(self) -> int:
        """Steps of a whole training."""
        budget = self._config.budget
        return budget.n_steps or (budget.n_epochs or 0) * -(-len(self._dataset.train) // self._batch_size)

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together = UNWATCHED) -> list[TrialResult]:
        """Train the trials and return a result for each, in their order.

        An exception of the model or the optimizer makes a trial `failed`, one of the training all those of its
        program; one of `on_epoch` or of `together` passes through.

        Raises:
            StudyError: The trials need too many programs.
        """
        use_precision(self._precision)
        results: list[TrialResult] = []
        groups: dict[tuple[int, bool], list[Lane]] = {}

        def sort(some: Sequence[Trial]) -> None:
            for trial in some:
                try:
                    lane, structure = self._prepare(trial)
                except StudyError:
                    raise
                except Exception:
                    results.append(_failed(trial, traceback.format_exc()))
                else:
                    groups.setdefault((self._structures.index(structure), trial.test), []).append(lane)

        def more_lanes(key: tuple[int, bool], n: int, ended: Sequence[TrialResult]) -> list[Lane]:
            if together.more is None:
                return []
            call(sort, call(together.more, n, ended))
            return groups.pop(key, [])

        sort(trials)
        while groups:
            key = next(iter(groups))
            lanes = groups.pop(key)
            results += self._train_group(self._structures[key[0]], lanes, on_epoch, together, partial(more_lanes, key))
        places = {id(trial): index for index, trial in enumerate(trials)}
        return sorted(results, key=lambda result: places.get(id(result.trial), len(places)))

    def build_model(self, weights: Sequence[NDArray[np.generic]] | None = None) -> Any:
        """Build a fresh model that is not compiled, with given weights if there are any."""
        return fresh_model(self._config, self._dataset, precision=self._precision, weights=weights)

    def _n_lanes(self, *, test: bool) -> int:
        n_confirmations = self._config.budget.n_confirmations
        trials = self._in_batches(self._config.n_trials, at_once=self._config.n_at_once)
        confirmations = self._in_batches(n_confirmations, at_once=n_confirmations)
        if not are_abreast():
            return max(trials, confirmations)
        return confirmations if test else trials

    def _in_batches(self, n: int, *, at_once: int) -> int:
        most = max(1, min(self._most, at_once))
        return shared_out(-(-n // -(-n // most)) if n else 1, most=self._most)

    def _prepare(self, trial: Trial) -> tuple[Lane, Structure]:
        """Find or make the structure that a trial is trained in."""
        settings = read_settings(self._config, trial.hyperparameters, n_steps=self.n_steps)
        lane = Lane(trial=trial, settings=settings)
        for structure in self._structures:
            if structure.serves(settings):
                return lane, structure
        if len(self._structures) == _MAX_PROGRAMS:
            raise StudyError(
                f"trainer=vectorized optimizer={self._config.optimizer.name}: expected trials that one program can "
                f"train, and these need more than {_MAX_PROGRAMS}, since it is part of the program what is decided "
                f"by: {self._structures[-1].decided_by}. Use trainer=fit trainer.backend=jax, which trains one by one."
            )
        structure = Structure(
            self._config,
            self._dataset,
            build_model=self.build_model,
            hyperparameters=trial.hyperparameters,
            n_steps=self.n_steps,
        )
        self._structures.append(structure)
        return lane, structure

    def _train_group(
        self,
        structure: Structure,
        lanes: Sequence[Lane],
        on_epoch: OnEpoch,
        together: Together,
        more_lanes: MoreLanes,
    ) -> list[TrialResult]:
        """Train the trials of one structure; where memory runs out, again with fewer at once."""
        n_lanes = self._n_lanes(test=lanes[0].trial.test)
        results: list[TrialResult] = []

        def make_batch(chunk: Sequence[Lane], n: int, carried: Carried | None, may_be_left: bool) -> Batch:
            weights = self._built_weights(chunk) if structure.replay is None and carried is None else None
            program = self._program(structure, chunk, n)
            data = self._on_devices(program.shape.n_devices)
            kept = None if can_change else self._checkpoints
            how = {"carried": carried, "may_be_left": may_be_left, "checkpoints": kept}
            return Batch(program, data, chunk, initial_weights=weights, **how)  # type: ignore[arg-type]

        def begun() -> None:
            self._compile_confirmations(structure, lanes[0])
            call(together.begun)

        due = list(lanes)
        # Lanes at different epochs take as many steps in each only where epochs are whole.
        whole = self.n_steps % -(-len(self._dataset.train) // self._batch_size) == 0
        can_change = together.more is not None
        can_refill = whole and structure.replay is not None and can_change
        how = {"more_lanes": more_lanes if can_refill else None, "shrinks": can_change and are_abreast()}
        while due:
            training = Lanes(due, n_lanes=n_lanes, make_batch=make_batch, **how)  # type: ignore[arg-type]
            try:
                training.train(on_epoch, replace(together, begun=begun))
            except NoRoomError as error:
                self._most = error.n_lanes
                n_lanes = self._n_lanes(test=lanes[0].trial.test)
                for program in self._programs.values():
                    program.compiler.forget()
                due[:0] = training.lanes
            except CallerError as error:
                raise error.__cause__ or error from None
            except Exception:
                told = traceback.format_exc()
                sizes = {"n_examples": len(self._dataset.train), "batch_size": self._batch_size}
                results += [
                    _failed(lane.trial, told, lane, n_examples=examples_seen(lane.step, **sizes))
                    for lane in training.lanes
                ]
            results += training.results
        return results

    def _compile_confirmations(self, structure: Structure, lane: Lane) -> None:
        """Compile the program of the confirmations that a search ends with, so that it is there in time."""
        if lane.trial.test or not self._config.budget.n_confirmations or structure.replay is None:
            return
        shown = replace(lane, trial=replace(lane.trial, test=True))
        program = self._program(structure, [shown], self._n_lanes(test=True))
        if program in self._made_ahead:
            return
        self._made_ahead.append(program)
        Batch(program, self._on_devices(program.shape.n_devices), [shown]).compile_ahead()

    def _program(self, structure: Structure, lanes: Sequence[Lane], n_lanes: int) -> Program:
        shape = Shape(
            n_lanes=n_lanes,
            n_devices=n_devices(n_lanes),
            abreast=are_abreast(),
            # The trials of a search share their batches, confirmations do not. Where these can do with the same
            # program, it is worth more than gathering a batch once.
            one_order=are_abreast() and not lanes[0].trial.test and same_order(lanes),
            batch_size=self._batch_size,
            eval_batch_size=self._eval_batch_size,
            n_examples=len(self._dataset.train),
            n_evaluated=N_LOSS_EXAMPLES if self._config.task.train_metrics == "evaluated" else 0,
        )
        key = (id(structure), shape)
        if key not in self._programs:
            self._programs[key] = Program(structure, shape, max_bytes=self._max_bytes)
        return self._programs[key]

    def _built_weights(self, lanes: Sequence[Lane]) -> list[NDArray[np.generic]]:
        """Build the model for every trial, as fit does, and stack the weights by variable."""
        built = []
        for lane in lanes:
            keras.utils.clear_session(free_memory=False)
            keras.utils.set_random_seed(lane.trial.run_seed)
            model = self.build_model()
            if not model.built:
                model(self._dataset.train.x[:1])
            built.append([np.asarray(variable) for variable in model.variables])
        return [np.stack(values) for values in zip(*built, strict=True)]

    def _on_devices(self, n_devices: int) -> Data:
        if n_devices not in self._data:
            train, validation, test = (
                (everywhere(split.x, n_devices), everywhere(split.y, n_devices))
                for split in (self._dataset.train, self._dataset.validation, self._dataset.test)
            )
            self._data[n_devices] = Data(
                train=train,
                validation=validation,
                test=test,
                loss=train if len(train[0]) <= N_LOSS_EXAMPLES else tuple(a[:N_LOSS_EXAMPLES] for a in train),
                n_steps=self.n_steps,
                every_n_steps=self._config.tracking.every_n_steps,
                shuffle=self._config.task.shuffle,
            )
        return self._data[n_devices]


def _check(backend: str, capacity: object) -> None:
    if backend != "jax":
        raise BackendError(
            f"trainer.backend={backend}: expected jax, which alone can train many trials in one program. "
            f"Set trainer.backend=jax, or use trainer=fit trainer.backend={backend}."
        )
    if capacity != "auto" and (not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 1):
        raise StudyError(
            f"trainer.capacity={capacity!s}: expected a whole number of at least 1, or auto. "
            "Set trainer.capacity=auto to fill the memory, or to a smaller number than now."
        )


def _failed(trial: Trial, told: str, lane: Lane | None = None, *, n_examples: int = 0) -> TrialResult:
    history = {} if lane is None else lane.history
    counts = {"n_steps": float(0 if lane is None else lane.step), "n_examples": float(n_examples)}
    return TrialResult(trial=trial, state="failed", history=history, summary=counts, error=told)
